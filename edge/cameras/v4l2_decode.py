"""What lies in a V4L2 buffer, as an `Image`."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol

import av
import av.error
import numpy as np
import numpy.typing as npt

from faceguard.edge.cameras.v4l2_structs import BUFFER_KEYFRAME
from faceguard.edge.types import PixelFormat

if TYPE_CHECKING:
    from faceguard.edge.cameras.planes import PlanesOut
    from faceguard.edge.cameras.v4l2_offer import Coding
    from faceguard.edge.cameras.v4l2_structs import PictureFormat
    from faceguard.edge.types import Image

U8 = npt.NDArray[np.uint8]
_NANOSECOND = Fraction(1, 1_000_000_000)
_H264_SLICE_OF_IDR = 5


class Damaged(Exception):
    """The buffer does not hold a whole picture."""


class Decoder(Protocol):
    """Turns buffers into images."""

    def image(self, data: U8, flags: int, captured_ns: int) -> tuple[Image, int] | None:
        """The picture in a buffer.

        Args:
            data: The driver's memory; not held on to.
            flags: Of the buffer.
            captured_ns: When it was taken.

        Returns:
            The picture and when it was taken, or None where the buffer completes none.

        Raises:
            Damaged: There is no whole picture in it.
            PoolEmpty: Too many pictures are in use.
        """
        ...

    def lost(self) -> None:
        """A buffer was damaged on its way and never got here."""
        ...


def decoder_for(coding: Coding, form: PictureFormat, out: PlanesOut) -> Decoder:
    """The decoder of what the driver was set to."""
    return Raw(coding, form, out) if coding.codec is None else Compressed(coding.codec, out)


class Raw:
    """Pixels as they are, with the driver's padding of rows."""

    def __init__(self, coding: Coding, form: PictureFormat, out: PlanesOut) -> None:
        """Works out where the planes lie.

        Raises:
            ValueError: The rows that the driver names are shorter than the picture is wide.
        """
        self._out = out
        self._fourcc = coding.fourcc
        self._full_range = form.full_range
        self._width, self._height = form.width, form.height
        self._packed = coding.fourcc in ("YUYV", "UYVY")
        least = form.width * (2 if self._packed else 1)
        self._row = form.bytesperline or least
        if self._row < least:
            raise ValueError(f"rows of {self._row} bytes for a width of {form.width}")
        # Rows, as bytes: of luma, and of chroma as long as those.
        self._rows = form.height
        if coding.fourcc in ("NV12", "YU12"):
            self._rows += -(-form.height // 2)

    def image(self, data: U8, flags: int, captured_ns: int) -> tuple[Image, int]:  # noqa: ARG002
        """See `Decoder`."""
        if data.size < self._row * self._rows:
            raise Damaged
        rows = data[: self._row * self._rows].reshape(self._rows, self._row)
        return self._image(rows), captured_ns

    def lost(self) -> None:
        """See `Decoder`."""

    def _image(self, rows: U8) -> Image:
        wide, tall, full = self._width, self._height, self._full_range
        if self._packed:
            pixels = rows[:, : wide // 2 * 4].reshape(tall, -1, 2)
            return self._out.from_packed(pixels, luma=int(self._fourcc == "UYVY"), full_range=full)
        luma = rows[:tall, :wide]
        if self._fourcc == "GREY":
            return self._out.from_planes(PixelFormat.GRAY, (luma,), full_range=full)
        if self._fourcc == "NV12":
            chroma = rows[tall:, : wide // 2 * 2].reshape(-1, wide // 2, 2)
            return self._out.from_planes(PixelFormat.NV12, (luma, chroma), full_range=full)
        # I420: rows of chroma are half as long, two of them where NV12 has one.
        half = rows[tall:].reshape(2, -(-tall // 2), self._row // 2)[..., : wide // 2]
        return self._out.from_planes(PixelFormat.I420, (luma, half[0], half[1]), full_range=full)


class Compressed:
    """MJPEG or H.264, one whole picture a buffer, decoded without holding any back."""

    def __init__(self, codec: str, out: PlanesOut) -> None:
        """Opens FFmpeg's decoder."""
        self._out = out
        self._h264 = codec == "h264"
        # A damaged picture is refused, not patched up: a face in it might not be found.
        self._codec: Any = av.CodecContext.create(codec, "r")
        self._codec.options = {"err_detect": "explode", "flags": "low_delay"}
        # More threads would each hold back a picture.
        self._codec.thread_count = 1
        self._waits_for_key = self._h264

    def image(self, data: U8, flags: int, captured_ns: int) -> tuple[Image, int] | None:
        """See `Decoder`."""
        raw = data.tobytes()
        if self._waits_for_key:
            if not (flags & BUFFER_KEYFRAME or _has_idr(raw)):
                return None
            self._waits_for_key = False
        packet = av.Packet(raw)
        packet.pts = packet.dts = captured_ns
        packet.time_base = _NANOSECOND
        try:
            frames = self._codec.decode(packet)
            if not frames:
                if not self._h264:
                    raise Damaged
                return None
            frame = frames[-1]
            if frame.is_corrupt:
                raise Damaged
            taken_ns = captured_ns if frame.pts is None else int(frame.pts)
            return self._out.from_av(frame), taken_ns
        except (av.error.FFmpegError, ValueError) as error:
            self.lost()
            raise Damaged from error

    def lost(self) -> None:
        """What follows in H.264 builds on what is missing, until the next key frame."""
        self._waits_for_key = self._h264


def _has_idr(raw: bytes) -> bool:
    """Whether an H.264 picture in Annex B can be decoded by itself."""
    place = raw.find(b"\0\0\1")
    while 0 <= place < len(raw) - 3:
        if raw[place + 3] & 0x1F == _H264_SLICE_OF_IDR:
            return True
        place = raw.find(b"\0\0\1", place + 3)
    return False
