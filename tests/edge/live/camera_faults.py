"""A camera that films the scene and fails on order: each thing that one may do wrong, by name."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import Any

import numpy as np

from faceguard.edge.cameras.base import CameraInfo, Shot
from faceguard.edge.types import Image, PixelFormat
from faceguard.engines.closing import Closing
from faceguard.engines.errors import (
    CameraAbsent,
    CameraCorrupt,
    CameraLost,
    CameraSilent,
    CameraUnfit,
)
from tests.edge.live.faults import LONGEST_HANG_S, Hanging, Script
from tests.edge.live.scene import SIZE, Watermarked


class CameraFault(Enum):
    """What a camera's `read` does instead of giving the next picture, or to it."""

    NONE = "none"
    LOST = "lost"
    SILENT = "silent"
    CORRUPT = "corrupt"
    ABSENT = "absent"
    UNFIT = "unfit"
    RUNTIME = "runtime error"
    MEMORY = "out of memory"
    OS = "OSError"
    HANG = "hangs until it is closed"
    HANG_HARD = "hangs until it is released, closed or not"
    END = "ends as a file does"
    OTHER_SIZE = "a picture of another size, with watermarks"
    ODD_SIZE = "a picture with odd sides"
    TINY = "a picture of 2 by 2"
    OTHER_FORMAT = "a picture in another format, with watermarks"
    BGR = "a picture in a format that cameras must not give"
    REPEATED = "the last picture once more"
    TIME_BACK = "taken and shown before the last one"
    TIME_ZERO = "taken at 0"
    TIME_FUTURE = "taken in an hour"
    TIME_NAN = "taken at no time"
    TIME_HUGE = "shown in 10,000 years"
    DAMAGED = "10 pictures could not be decoded"
    NO_SHOT = "no picture at all, but text"


_RAISED: dict[CameraFault, Callable[[], BaseException]] = {
    CameraFault.LOST: lambda: CameraLost("broken on purpose"),
    CameraFault.SILENT: lambda: CameraSilent("broken on purpose"),
    CameraFault.CORRUPT: lambda: CameraCorrupt("broken on purpose"),
    CameraFault.ABSENT: lambda: CameraAbsent("broken on purpose"),
    CameraFault.UNFIT: lambda: CameraUnfit("broken on purpose"),
    CameraFault.RUNTIME: lambda: RuntimeError("broken on purpose"),
    CameraFault.MEMORY: MemoryError,
    CameraFault.OS: lambda: OSError(errno.EIO, os.strerror(errno.EIO)),
}
_HOUR_NS = 3_600_000_000_000
_OTHER_SIZE = (240, 144)


class FaultyCamera(Closing):
    """A camera that films the scene, with faults."""

    def __init__(
        self, camera: Watermarked, script: Script[CameraFault], hanging: Hanging | None = None
    ) -> None:
        self.camera = camera
        self.script = script
        self.hanging = hanging or Hanging()
        self._last: Shot | None = None

    @property
    def info(self) -> CameraInfo:
        return self.camera.info

    def read(self) -> Shot | None:
        fault = self.script.next()
        raised = _RAISED.get(fault)
        if raised is not None:
            raise raised()
        if fault is CameraFault.END:
            return None
        if fault is CameraFault.HANG:
            self.hanging.entered.set()
            self.camera.closed.wait(LONGEST_HANG_S)
            raise CameraLost("closed while it hung")
        if fault is CameraFault.HANG_HARD:
            self.hanging.wait()
        if fault is CameraFault.NO_SHOT:
            return "no shot"  # type: ignore[return-value]
        shot = self.camera.read()
        if shot is None:
            return None
        shot = self._bent(shot, fault)
        self._last = shot
        return shot

    def close(self) -> None:
        self.camera.close()

    def _bent(self, shot: Shot, fault: CameraFault) -> Shot:
        if fault is CameraFault.REPEATED and self._last is not None:
            return self._last
        if fault is CameraFault.DAMAGED:
            return replace(shot, damaged=10)
        image = _other_image(self.camera, fault)
        if image is not None:
            return replace(shot, image=image)
        changes: dict[CameraFault, dict[str, Any]] = {
            CameraFault.TIME_BACK: {
                "captured_ns": shot.captured_ns - _HOUR_NS,
                "time_ns": shot.time_ns - _HOUR_NS,
            },
            CameraFault.TIME_ZERO: {"captured_ns": 0, "time_ns": 0},
            CameraFault.TIME_FUTURE: {
                "captured_ns": shot.captured_ns + _HOUR_NS,
                "time_ns": shot.time_ns + _HOUR_NS,
            },
            CameraFault.TIME_NAN: {"captured_ns": float("nan"), "time_ns": float("nan")},
            CameraFault.TIME_HUGE: {"time_ns": 2**63 + 1, "duration_ns": 2**63 + 1},
        }
        return replace(shot, **changes.get(fault, {}))


def _other_image(camera: Watermarked, fault: CameraFault) -> Image | None:
    """A picture that is not as the camera's own are; None for faults of another kind."""
    scene = camera.scene
    if fault is CameraFault.OTHER_SIZE:
        size = _OTHER_SIZE if camera.size != _OTHER_SIZE else SIZE
        return scene.image(scene.next_index(), size, camera.form)
    if fault is CameraFault.OTHER_FORMAT:
        form = PixelFormat.I420 if camera.form is not PixelFormat.I420 else PixelFormat.NV12
        return scene.image(scene.next_index(), camera.size, form)
    if fault is CameraFault.ODD_SIZE:
        whole = scene.image(scene.next_index(), camera.size, PixelFormat.GRAY)
        return replace(
            whole,
            width=whole.width - 1,
            height=whole.height - 1,
            planes=(whole.planes[0][:-1, :-1],),
        )
    if fault is CameraFault.TINY:
        return Image(PixelFormat.GRAY, 2, 2, (np.array([[0, 255], [255, 0]], np.uint8),))
    if fault is CameraFault.BGR:
        luma = scene.image(scene.next_index(), camera.size, PixelFormat.GRAY).planes[0]
        return Image.from_bgr(np.repeat(luma[..., None], 3, axis=2))
    return None
