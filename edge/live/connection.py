"""One connection to a camera, in a thread of its own, since a driver may hang for ever.

Whoever supervises it may leave it behind at any moment: what it still gives is then refused, and
its camera is closed as soon as it lets itself be closed.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

from faceguard.edge.cameras.base import Camera, CameraInfo, Paced, Shot
from faceguard.edge.config.camera import Supervision
from faceguard.edge.pool import POOLED_FORMATS
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.types import PixelFormat
from faceguard.engines.errors import (
    CameraAbsent,
    CameraCorrupt,
    CameraError,
    CameraLost,
    CameraSilent,
    CameraUnfit,
    FaceguardError,
)

# The first that fits.
_CAUSES: tuple[tuple[type[CameraError], str], ...] = (
    (CameraAbsent, "absent"),
    (CameraUnfit, "unfit"),
    (CameraLost, "lost"),
    (CameraSilent, "silent"),
    (CameraCorrupt, "corrupt"),
    (CameraSilent, "frozen"),
)
_OTHERWISE = "failed"
# Frames that a camera may stay away for at its own rate: a slow one is not a frozen one.
_FRAMES_AWAY = 3
# While it opens, a camera's own time limit goes first: it knows better what is the matter.
_GRACE_S = 0.5
_log = logging.getLogger(__name__)


class LeftBehind(Exception):
    """Nobody wants this connection's frames any more."""


@dataclass(frozen=True)
class Ending:
    """How a connection came to its end.

    Attributes:
        cause: As in `Meters.camera_failures`; None for the end of a file.
        says: What happened, in one line that may be logged.
        is_final: Whether a camera that was never open has no chance to be.
    """

    cause: str | None
    says: str
    is_final: bool = False

    def as_error(self) -> CameraError:
        """The same for whoever waits for frames.

        Made anew: the error that was raised may hold on to frames by way of its traceback.
        """
        kinds = (kind for kind, cause in _CAUSES if cause == self.cause)
        return next(kinds, CameraError)(self.says)


class Connection:
    """Opens a camera, reads it, and hands each picture over.

    Attributes:
        began_ns: When opening began, monotonic nanoseconds.
        info: What the camera says of itself, once it is open.
        ending: How it ended; None while it goes on.
        first_ns: When the first frame came; None before. Kept by whoever takes the pictures, as
            are the next three.
        newest_ns: When the newest frame came that was not one seen before.
        source_ns: The driver's own mark on that frame, where it has one.
        is_waiting: Whether it is held up by us: then its silence is not the camera's.
    """

    def __init__(
        self,
        open_camera: Callable[[], Camera],
        deliver: Callable[[Connection, CameraInfo, Shot], None],
        changed: threading.Condition,
        quiet: Quiet,
        began_ns: int,
    ) -> None:
        """Sets up; `start` lets it begin.

        Args:
            open_camera: Opens the camera.
            deliver: Takes a picture; raises `LeftBehind` or `Closed` where none is wanted any more.
            changed: Guards what others see of this connection, and is told when it changes.
            quiet: Who logs.
            began_ns: Now.
        """
        self.began_ns = began_ns
        self.info: CameraInfo | None = None
        self.ending: Ending | None = None
        self.first_ns: int | None = None
        self.newest_ns: int | None = None
        self.source_ns: int | None = None
        self.is_waiting = False
        self._open_camera = open_camera
        self._deliver = deliver
        self._changed = changed
        self._quiet = quiet
        self._camera: Camera | None = None
        self._is_unwanted = False
        self._is_abandoned = False
        self._busy = 0
        self._threads: list[threading.Thread] = []

    @property
    def is_gone(self) -> bool:
        """Whether none of its threads is at work any more; ask only while holding `changed`."""
        return self._busy == 0

    def start(self) -> None:
        """Lets it begin."""
        self._in_thread(self._work, "camera-read")

    def leave(self) -> None:
        """Asks it to end after the picture that it waits for."""
        self._is_unwanted = True

    def abandon(self) -> None:
        """Leaves it behind, however it hangs.

        Its camera is closed under it, from another thread since that may hang as well: this lets a
        device or connection go that the next one needs, and mostly wakes up the hanging read.
        """
        self.leave()
        with self._changed:
            # One that is not open yet is closed by the reader as soon as it is.
            camera, is_first = self._camera, not self._is_abandoned
            self._is_abandoned = True
        if camera is not None and is_first:
            self._in_thread(lambda: self._shut(camera), "camera-close")

    def patience(self, settings: Supervision, now_ns: int) -> tuple[float, Ending]:
        """How long it may still keep us waiting; ask only while holding `changed`.

        Args:
            settings: How long it may.
            now_ns: Now, monotonic nanoseconds.

        Returns:
            Seconds, 0 or less where it is too late; and what that is called.
        """
        info = self.info
        if self.is_waiting:
            return math.inf, Ending("frozen", "")
        if self.newest_ns is None:
            left_s = settings.open_within_s + _GRACE_S - (now_ns - self.began_ns) / 1e9
            what = "did not open" if info is None else "sent no picture"
            return left_s, Ending("silent", f"it {what} in {settings.open_within_s:g} s")
        limit_s = settings.frozen_after_s
        if info is not None and not info.live:
            # A file may have gaps, and to begin it anew would show its beginning twice.
            limit_s = max(limit_s, settings.open_within_s)
        if info is not None and info.rate:
            limit_s = max(limit_s, _FRAMES_AWAY / float(info.rate))
        quiet_since_ns = self.newest_ns
        if isinstance(self._camera, Paced):
            # Until a picture is due, there is none on purpose.
            quiet_since_ns = max(quiet_since_ns, self._camera.due_ns)
        left_s = limit_s - (now_ns - quiet_since_ns) / 1e9
        return left_s, Ending("frozen", f"no new picture came for {limit_s:g} s")

    def join(self, timeout_s: float) -> bool:
        """Waits for its threads to end; False where one hangs."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.is_gone, max(0.0, timeout_s)):
                return False
        # They have nothing left to do but to end.
        for thread in self._threads:
            thread.join()
        return True

    def _in_thread(self, work: Callable[[], None], name: str) -> None:
        def run() -> None:
            try:
                work()
            finally:
                with self._changed:
                    self._busy -= 1
                    self._changed.notify_all()

        # A daemon: a driver that never returns must not keep the process from ending.
        thread = threading.Thread(target=run, name=name, daemon=True)
        with self._changed:
            self._busy += 1
        try:
            thread.start()
        except RuntimeError as error:  # the system gives us no more threads
            with self._changed:
                self._busy -= 1
                self.ending = self.ending or _ending(error)
                self._changed.notify_all()
            return
        self._threads.append(thread)

    def _work(self) -> None:
        try:
            self._read()
            ending = Ending(None, "the end of the file")
        except BaseException as error:  # noqa: BLE001 - whatever a camera does must end in here
            ending = _ending(error)
        with self._changed:
            self.ending = ending
            camera = self._camera
            self._changed.notify_all()
        # Only after saying so, since closing may hang too. Where it was abandoned this is the
        # second time, which does no harm.
        if camera is not None:
            self._shut(camera)

    def _read(self) -> None:
        if self._is_unwanted:
            raise LeftBehind
        camera = self._open_camera()
        with self._changed:
            self._camera = camera
        info = camera.info
        with self._changed:
            self.info = info
        while not self._is_unwanted:
            shot = camera.read()
            if shot is None:
                return
            self._deliver(self, info, _checked(shot))
            del shot  # or its memory would be held while we wait for the next
        raise LeftBehind

    def _shut(self, camera: Camera) -> None:
        try:
            camera.close()
        except Exception as error:  # noqa: BLE001 - it is of no use any more, whatever it says
            self._quiet.say(
                _log, logging.WARNING, "camera close", f"closing the camera: {said(error)}"
            )


def said(error: BaseException) -> str:
    """An error of a camera in one line that may be logged.

    Ours as they are. Others may have the camera's address in their text, and its password in that:
    of them only the kind and the place.
    """
    if isinstance(error, FaceguardError):
        return str(error)
    kind = type(error).__name__
    if isinstance(error, OSError) and error.errno is not None:
        kind = f"{kind} ({os.strerror(error.errno)})"
    steps = traceback.extract_tb(error.__traceback__)
    return f"{kind} in {PurePath(steps[-1].filename).name}:{steps[-1].lineno}" if steps else kind


def _ending(error: BaseException) -> Ending:
    causes = (cause for kind, cause in _CAUSES if isinstance(error, kind))
    is_final = isinstance(error, CameraError) and error.is_final
    return Ending(next(causes, _OTHERWISE), said(error), is_final)


def _checked(shot: Shot) -> Shot:
    """The shot, which must be what cameras are to give: a garbled one must not get any further.

    Raises:
        CameraUnfit: A picture that nobody behind here can work on.
        TypeError: No shot at all.
    """
    if not isinstance(shot, Shot):
        raise TypeError(f"a camera gave {type(shot).__name__} and not a shot")
    image = shot.image
    is_odd = image.width % 2 or image.height % 2
    if image.format not in POOLED_FORMATS or (is_odd and image.format is not PixelFormat.GRAY):
        raise CameraUnfit(
            f"the camera gives {image.format.ffmpeg_name} {image.width}x{image.height}, which is "
            "neither 4:2:0 with even sides nor grey; choose another format or size"
        )
    return shot
