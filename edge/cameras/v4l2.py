"""USB cameras and others that the kernel's V4L2 knows.

The device is asked through the kernel's own calls: each wait has a limit, each picture the
kernel's time of capture, and what the driver made of our wishes is checked before the first one.
"""

from __future__ import annotations

import errno
import os
import re
import select
import threading
import time
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from faceguard.edge.cameras import v4l2_structs as structs
from faceguard.edge.cameras.base import CameraInfo, Shot
from faceguard.edge.cameras.planes import PlanesOut
from faceguard.edge.cameras.timely import plausible_ns, within
from faceguard.edge.cameras.v4l2_decode import Damaged, Decoder, decoder_for
from faceguard.edge.cameras.v4l2_kernel import Device
from faceguard.edge.cameras.v4l2_offer import Choice, alike, choose
from faceguard.edge.pool import PoolEmpty
from faceguard.engines.closing import Closing
from faceguard.engines.errors import (
    CameraAbsent,
    CameraCorrupt,
    CameraError,
    CameraLost,
    CameraSilent,
    CameraUnfit,
)

if TYPE_CHECKING:
    from faceguard.edge.config.camera import V4l2Camera
    from faceguard.edge.types import Image

_BUFFERS = 4
_CLOSE_WITHIN_S = 2.0


class V4l2(Closing):
    """One connection to a V4L2 camera."""

    def __init__(self, config: V4l2Camera, *, open_within_s: float, silent_after_s: float) -> None:
        """Opens the camera, sets it up and lets it begin.

        Args:
            config: Which one, and what to ask it for.
            open_within_s: How long opening may take, with the first picture.
            silent_after_s: How long `read` waits for each that follows.

        Raises:
            CameraAbsent: No such device, no right to open it, or another program has it.
            CameraUnfit: It is no camera, or does not offer what is asked for.
            CameraSilent: It did not answer in time.
            CameraLost: It broke off while it was set up.
        """
        self._name = _shown(config.device)
        self._silent_after_s = silent_after_s
        self._turn = threading.Lock()
        self._closing = False
        self._first_by_ns = time.monotonic_ns() + int(open_within_s * 1e9)
        self._last_ns = 0
        try:
            opened = within(
                open_within_s, "open camera", lambda: _Opened(config), lambda late: late.close()
            )
        except TimeoutError:
            raise CameraSilent(
                f"{self._name} did not answer within {open_within_s:g} s; unplug it and plug it in"
            ) from None
        except CameraError as error:
            raise type(error)(f"{self._name} {error}") from error.__cause__
        except OSError as error:
            raise self._failed(error) from error
        self._opened = opened
        self._info = opened.info
        # Tells a thread that waits in `read` to stop waiting.
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(opened.device.fd, select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)

    @property
    def info(self) -> CameraInfo:
        """What the driver says of itself, checked against what was asked for."""
        return self._info

    def read(self) -> Shot:
        """The next picture; see `Camera.read`.

        Raises:
            CameraSilent: Nothing came in time.
            CameraLost: It was unplugged, or closed.
            CameraCorrupt: Pictures came in time, but none that was whole.
        """
        with self._turn:
            now_ns = time.monotonic_ns()
            deadline_ns = now_ns + int(self._silent_after_s * 1e9)
            if not self._last_ns:
                deadline_ns = max(deadline_ns, self._first_by_ns)
            damaged = 0
            while True:
                if not self._wait(deadline_ns):
                    self._give_up((deadline_ns - now_ns) / 1e9, damaged)
                try:
                    got = self._next()
                except Damaged:
                    damaged += 1
                    continue
                except OSError as error:
                    raise self._failed(error) from error
                if got is not None:
                    image, taken_ns, mark = got
                    # Drivers have been seen to give the same time twice.
                    self._last_ns = taken_ns = max(taken_ns, self._last_ns + 1)
                    length_ns = self._opened.duration_ns
                    return Shot(image, taken_ns, taken_ns, length_ns, damaged, mark)

    def close(self) -> None:
        """Stops the camera and lets the device go, waiting two seconds at most."""
        if self._closing:
            return
        self._closing = True
        os.eventfd_write(self._wake, 1)

        def release() -> None:
            with self._turn:
                self._opened.close()
                os.close(self._wake)

        # Stopping a device that hangs on its bus can take as long as the driver likes.
        with suppress(TimeoutError):
            within(_CLOSE_WITHIN_S, "close camera", release)

    def _wait(self, deadline_ns: int) -> bool:
        """Waits until there is something to take; False where the deadline passed."""
        while True:
            if self._closing:
                raise CameraLost(f"{self._name} was closed")
            left_ms = -(-(deadline_ns - time.monotonic_ns()) // 1_000_000)
            if left_ms <= 0:
                return False
            if self._poll.poll(left_ms) and not self._closing:
                return True

    def _next(self) -> tuple[Image, int, int | None] | None:
        """What is in the next buffer, when it was taken, and the driver's mark on it.

        Raises:
            Damaged: Nothing whole.
            OSError: The camera is gone.
        """
        device, decoder = self._opened.device, self._opened.decoder
        entry = device.take()
        if entry is None:
            return None
        try:
            if entry.flags & structs.BUFFER_ERROR:
                decoder.lost()
                raise Damaged
            captured_ns = plausible_ns(entry.captured_ns, time.monotonic_ns())
            got = decoder.image(device.content(entry), entry.flags, captured_ns)
            return None if got is None else (*got, entry.mark)
        except PoolEmpty:
            return None
        finally:
            device.give_back(entry)

    def _give_up(self, waited_s: float, damaged: int) -> None:
        if damaged:
            raise CameraCorrupt(
                f"{self._name} sent {damaged} pictures in {waited_s:.1f} s, none of them whole; "
                "try another cable or port, or another camera.format"
            )
        raise CameraSilent(f"{self._name} sent no picture for {waited_s:.1f} s")

    def _failed(self, error: OSError) -> CameraError:
        """What a failed call means."""
        number = error.errno
        if number in (errno.ENOENT, errno.ENXIO):
            return CameraAbsent(
                f"{self._name} is not there; plug the camera in, `ls /dev/v4l/by-id` shows what is"
            )
        if number in (errno.EACCES, errno.EPERM):
            return CameraAbsent(
                f"{self._name} may not be opened; add this user to the group video: "
                "sudo usermod -aG video USER, then log in again"
            )
        if number == errno.EBUSY:
            return CameraAbsent(
                f"{self._name} is in use by another program; `fuser -v {self._name}` shows which"
            )
        if number == errno.ENOTTY:
            return CameraUnfit(f"{self._name} is no camera; `ls /dev/v4l/by-id` shows those")
        if number in (errno.ENODEV, errno.EIO, errno.EPIPE, errno.EPROTO, errno.ESHUTDOWN):
            return CameraLost(f"{self._name} broke off; was it unplugged?")
        return CameraLost(f"{self._name} failed: {os.strerror(number or 0)}")


class _Opened:
    """A device that is set up and streams."""

    def __init__(self, config: V4l2Camera) -> None:
        self.device = Device(config.device)
        try:
            self._set_up(config)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.device.stop()

    def _set_up(self, config: V4l2Camera) -> None:
        able = self.device.capabilities()
        if not able & structs.CAN_CAPTURE:
            if able & structs.CAN_CAPTURE_PLANES:
                raise CameraUnfit("has only the multi-planar interface, which is not supported")
            raise CameraUnfit(
                "does not capture; a camera often has two nodes, so try the next lower number"
            )
        if not able & structs.CAN_STREAM:
            raise CameraUnfit("cannot stream")
        size = None
        if config.width is not None and config.height is not None:
            size = (config.width, config.height)
        choice = choose(self.device, config.format, size, config.rate)
        form = self.device.set_format(choice.coding.code, choice.width, choice.height)
        _check(form, choice)
        rate, notes = self._rate(choice, config.rate)
        try:
            self.decoder: Decoder = decoder_for(choice.coding, form, PlanesOut())
        except ValueError as error:
            raise CameraUnfit(f"has a faulty driver: {error}") from error
        self.duration_ns = round(1e9 / rate) if rate else 0
        self.info = CameraInfo(
            form.width // 2 * 2, form.height // 2 * 2, rate, choice.coding.name, notes=notes
        )
        self.device.start(_BUFFERS)

    def _rate(self, choice: Choice, asked: float | None) -> tuple[Fraction | None, tuple[str, ...]]:
        """The rate that the driver agreed to, and what to say about it."""
        if choice.rate is not None:
            self.device.set_rate(choice.rate.limit_denominator(1001))
        rate = self.device.rate()
        if asked is None:
            return rate, ()
        if rate is None:
            return None, (f"it does not say its rate; {asked:g} was asked for",)
        if not alike(rate, Fraction(asked)):
            raise CameraUnfit(
                f"was asked for {asked:g} pictures per second and took {float(rate):.4g}"
            )
        return rate, ()


def _check(form: structs.PictureFormat, choice: Choice) -> None:
    """Compares what the driver made of our wishes with them.

    Raises:
        CameraUnfit: It is something else.
    """
    coding = choice.coding
    took = (form.pixelformat, form.width, form.height)
    if took != (coding.code, choice.width, choice.height):
        what = coding.name if form.pixelformat == coding.code else "another format"
        raise CameraUnfit(
            f"was asked for {coding.name} {choice.width}x{choice.height} "
            f"and took {what} {form.width}x{form.height}"
        )
    if form.field in structs.HALF_PICTURES:
        raise CameraUnfit("sends each half of the lines by itself, which is not supported")


def _shown(path: Path) -> str:
    """The device for messages; a name by id can hold its owner's, so the node stands for it."""
    with suppress(OSError):
        path = path.resolve()
    plain = re.fullmatch(r"/dev/video\d+", str(path))
    return str(path) if plain else "the camera of camera.device"
