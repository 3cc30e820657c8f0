"""The kernel's V4L2 calls for capture.

Nothing in here waits: the device is opened without blocking, and `faceguard.edge.cameras.v4l2`
waits with a limit. A failed call raises the `OSError` that the kernel gave.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
from collections.abc import Iterator
from ctypes import c_int32
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from faceguard.edge.cameras.v4l2_structs import (
    CAPTURE,
    DISCRETE,
    DQBUF,
    ENUM_FMT,
    ENUM_FRAMEINTERVALS,
    ENUM_FRAMESIZES,
    FIELD_NONE,
    G_FMT,
    G_PARM,
    HAS_DEVICE_CAPS,
    MMAP,
    QBUF,
    QUERYBUF,
    QUERYCAP,
    REQBUFS,
    S_FMT,
    S_PARM,
    STREAMOFF,
    STREAMON,
    Buffer,
    Capability,
    FormatDescription,
    FrameInterval,
    FrameSize,
    PictureFormat,
    RequestBuffers,
    StreamParameters,
)

# "No more of these", "no such call", and what older drivers say instead.
_NO_ANSWER = (errno.EINVAL, errno.ENOTTY, errno.ENODATA, errno.ENOSYS)
# A driver that counts without end must not keep us here.
_MOST_ENTRIES = 256


class Device:
    """An open device."""

    def __init__(self, path: Path) -> None:
        """Opens it.

        Raises:
            OSError: It cannot be opened.
        """
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._maps: list[mmap.mmap] = []
        self._views: list[npt.NDArray[np.uint8]] = []

    def capabilities(self) -> int:
        """What this node can do, as bits."""
        answer = Capability()
        self._call(QUERYCAP, answer)
        whole = int(answer.capabilities)
        return int(answer.device_caps) if whole & HAS_DEVICE_CAPS else whole

    def formats(self) -> Iterator[int]:
        """The pixel formats that it offers, as four-character codes."""
        for index in range(_MOST_ENTRIES):
            entry = FormatDescription(index=index, type=CAPTURE)
            if not self._counted(ENUM_FMT, entry):
                return
            yield entry.pixelformat

    def sizes(self, code: int) -> Iterator[FrameSize]:
        """The sizes of a format; nothing where the driver does not list them."""
        for index in range(_MOST_ENTRIES):
            entry = FrameSize(index=index, pixel_format=code)
            if not self._counted(ENUM_FRAMESIZES, entry):
                return
            yield entry
            if entry.type != DISCRETE:
                return

    def intervals(self, code: int, width: int, height: int) -> Iterator[FrameInterval]:
        """The times between pictures of a format and size; nothing where they are not listed."""
        for index in range(_MOST_ENTRIES):
            entry = FrameInterval(index=index, pixel_format=code, width=width, height=height)
            if not self._counted(ENUM_FRAMEINTERVALS, entry):
                return
            yield entry
            if entry.type != DISCRETE:
                return

    def format(self) -> PictureFormat:
        """What it is set to now."""
        answer = PictureFormat(type=CAPTURE)
        self._call(G_FMT, answer)
        return answer

    def set_format(self, code: int, width: int, height: int) -> PictureFormat:
        """Asks for a format and size.

        Returns:
            What the driver made of it, which may be something else.
        """
        asked = PictureFormat(
            type=CAPTURE, width=width, height=height, pixelformat=code, field=FIELD_NONE
        )
        self._call(S_FMT, asked)
        return asked

    def rate(self) -> Fraction | None:
        """Pictures per second that it is set to, or None where the driver does not say."""
        answer = StreamParameters(type=CAPTURE)
        return answer.rate if self._counted(G_PARM, answer) else None

    def set_rate(self, rate: Fraction) -> Fraction | None:
        """Asks for a rate.

        Returns:
            What the driver made of it, or None where it has no say in that.
        """
        asked = StreamParameters(
            type=CAPTURE, numerator=rate.denominator, denominator=rate.numerator
        )
        return asked.rate if self._counted(S_PARM, asked) else None

    def start(self, count: int) -> None:
        """Maps the driver's buffers, gives them to it, and lets it begin."""
        asked = RequestBuffers(count=count, type=CAPTURE, memory=MMAP)
        self._call(REQBUFS, asked)
        for index in range(asked.count):
            entry = Buffer(index=index, type=CAPTURE, memory=MMAP)
            self._call(QUERYBUF, entry)
            self._maps.append(mmap.mmap(self.fd, entry.length, offset=entry.offset))
            self._views.append(np.frombuffer(self._maps[-1], np.uint8))
            self.give_back(entry)
        self._call(STREAMON, c_int32(CAPTURE))

    def take(self) -> Buffer | None:
        """A buffer that was filled, or None where there is none now."""
        entry = Buffer(type=CAPTURE, memory=MMAP)
        try:
            self._call(DQBUF, entry)
        except BlockingIOError:
            return None
        return entry

    def content(self, entry: Buffer) -> npt.NDArray[np.uint8]:
        """A buffer's bytes; until `give_back`, then the driver writes over them."""
        content: npt.NDArray[np.uint8] = self._views[entry.index][: entry.bytesused]
        return content

    def give_back(self, entry: Buffer) -> None:
        """Lets the driver fill a buffer again."""
        self._call(QBUF, Buffer(index=entry.index, type=CAPTURE, memory=MMAP))

    def stop(self) -> None:
        """Stops, takes its buffers' memory off the map and closes; also after it was unplugged."""
        if self.fd < 0:
            return
        with contextlib.suppress(OSError):  # it is gone, or never began
            self._call(STREAMOFF, c_int32(CAPTURE))
        self._views.clear()
        for mapped in self._maps:
            mapped.close()
        self._maps.clear()
        fd, self.fd = self.fd, -1
        os.close(fd)

    def _counted(self, request: int, entry: ctypes.Structure) -> bool:
        """Whether the driver has an answer to a question that it need not have one to."""
        try:
            self._call(request, entry)
        except OSError as error:
            if error.errno in _NO_ANSWER:
                return False
            raise
        return True

    def _call(self, request: int, data: ctypes.Structure | c_int32) -> None:
        while True:
            try:
                # Python lets other threads run meanwhile, as it does for all small arguments.
                fcntl.ioctl(self.fd, request, data, True)
            except InterruptedError:
                continue
            return
