"""Faults at every seam of the live pipeline: cameras, detectors and outputs that fail on order.

A script is any iterable of faults, one for each call; when it ends, all is well. What is filmed,
and who knows where the faces are, is in `scene`; looking for leaks in `marks`.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import Enum
from typing import Any, Generic, TypeVar

import numpy as np

from faceguard.edge.cameras.base import CameraInfo, Shot
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.worker import Worker
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.types import Image, PixelFormat, SafeFrame
from faceguard.engines.closing import Closing
from faceguard.engines.errors import (
    CameraAbsent,
    CameraCorrupt,
    CameraLost,
    CameraSilent,
    CameraUnfit,
    InferenceError,
    OutputError,
)
from faceguard.engines.types import Detections, PixelSource
from tests.edge.live.scene import SIZE, Scene, Truthful, Watermarked, boxed

T = TypeVar("T")
F = TypeVar("F", bound=Enum)
# No hang outlasts this, so that a test that forgets one ends.
LONGEST_HANG_S = 60.0


class Script(Generic[F]):
    """Gives the fault of each call; safe from any thread.

    Attributes:
        happened: How often each fault was given out.
    """

    def __init__(self, faults: Iterable[F], well: F) -> None:
        self._faults = iter(faults)
        self._well = well
        self._lock = threading.Lock()
        self.happened: Counter[F] = Counter()

    def next(self) -> F:
        with self._lock:
            fault = next(self._faults, self._well)
            self.happened[fault] += 1
            return fault


class Hanging:
    """Where faults that hang wait; one for all that a test breaks."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self._over = threading.Event()

    def wait(self) -> None:
        """Hangs until `release`."""
        self.entered.set()
        self._over.wait(LONGEST_HANG_S)

    def release(self) -> None:
        """Ends all hangs, those to come too."""
        self._over.set()


# Cameras.


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


# Detectors.


class FinderFault(Enum):
    """What a detector does instead of telling the faces.

    The last two are lies, and no fault: nobody can tell such an answer from a true one. Tracks
    coast through a few of them; faces that were never seen before stay uncovered.
    """

    NONE = "none"
    ENGINE = "the engine failed"
    RUNTIME = "runtime error"
    MEMORY = "out of memory"
    VALUE = "ValueError"
    HANG = "hangs until it is released"
    NAN_BOX = "a box that is no number"
    INF_BOX = "a box without end"
    NAN_SCORE = "a score that is no number"
    INSIDE_OUT = "boxes inside out"
    EMPTY_BOX = "a box without an area"
    SCORE_7 = "a score of 7"
    SCORE_BELOW_0 = "a score of -1"
    NONE_AT_ALL = "None"
    TEXT = "text"
    TORN = "boxes and scores that do not belong together"
    FAR = "the faces, and one a million pixels away"
    HUGE = "the faces, and one larger than the picture"
    MANY = "the faces, and 10,000 others"
    EMPTY = "a lie: no faces"
    SMALL = "a lie: the faces half as large as they are"


LIES = frozenset({FinderFault.EMPTY, FinderFault.SMALL})
FINDER_FAULTS = tuple(fault for fault in FinderFault if fault not in LIES)
_FAILS: dict[FinderFault, Callable[[], BaseException]] = {
    FinderFault.ENGINE: lambda: InferenceError("broken on purpose"),
    FinderFault.RUNTIME: lambda: RuntimeError("broken on purpose"),
    FinderFault.MEMORY: MemoryError,
    FinderFault.VALUE: lambda: ValueError("broken on purpose"),
}
_ADDED: dict[FinderFault, tuple[float, float, float, float]] = {
    FinderFault.NAN_BOX: (float("nan"), 0, 8, 8),
    FinderFault.INF_BOX: (0, 0, float("inf"), 8),
    FinderFault.INSIDE_OUT: (20, 20, 10, 10),
    FinderFault.EMPTY_BOX: (10, 10, 10, 30),
    FinderFault.FAR: (1e6, 1e6, 1e6 + 20, 1e6 + 20),
    FinderFault.HUGE: (-1e5, -1e5, 1e5, 1e5),
}
_SCORES = {
    FinderFault.NAN_SCORE: float("nan"),
    FinderFault.SCORE_7: 7.0,
    FinderFault.SCORE_BELOW_0: -1.0,
}


class FaultyFinder(Truthful):
    """A detector that knows the faces, with faults."""

    def __init__(
        self,
        scene: Scene,
        script: Script[FinderFault],
        hanging: Hanging | None = None,
        *,
        score: float = 0.95,
    ) -> None:
        super().__init__(scene, score=score)
        self.script = script
        self.hanging = hanging or Hanging()

    def detect(self, source: PixelSource) -> Detections:
        fault = self.script.next()
        fails = _FAILS.get(fault)
        if fails is not None:
            raise fails()
        if fault is FinderFault.HANG:
            self.hanging.wait()
        truth = super().detect(source)
        return self._bent(truth, fault, (source.width, source.height))

    def _bent(self, truth: Detections, fault: FinderFault, size: tuple[int, int]) -> Detections:
        if fault in _ADDED:
            return _joined(truth, Detections(np.array([_ADDED[fault]], np.float32), _one(0.9)))
        if fault in _SCORES:
            box = np.array([(0, 0, 20, 20)], np.float32)
            return _joined(truth, Detections(box, _one(_SCORES[fault])))
        if fault is FinderFault.MANY:
            rng = np.random.default_rng(self.looks)
            corners = rng.uniform(0, size, (10_000, 2))
            boxes = np.hstack([corners, corners + rng.uniform(1, 40, (10_000, 2))])
            scores = rng.uniform(0, 1, 10_000).astype(np.float32)
            return _joined(truth, Detections(boxes.astype(np.float32), scores))
        if fault is FinderFault.NONE_AT_ALL:
            return None  # type: ignore[return-value]
        if fault is FinderFault.TEXT:
            return "faces"  # type: ignore[return-value]
        if fault is FinderFault.TORN:
            torn = Detections.empty()
            object.__setattr__(torn, "boxes", np.ones((3, 4), np.float32))
            return torn
        if fault is FinderFault.EMPTY:
            return Detections.empty()
        if fault is FinderFault.SMALL:
            parts = [r.grown(-r.width / 4, -r.height / 4) for r in truth.regions()]
            return boxed(parts, self.score)
        return truth


def _one(score: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array([score], np.float32)


def _joined(one: Detections, other: Detections) -> Detections:
    return Detections(
        np.concatenate([one.boxes, other.boxes]), np.concatenate([one.scores, other.scores])
    )


# Outputs.


class OutputFault(Enum):
    """What an output does instead of taking what it is given."""

    NONE = "none"
    FULL = "no space left"
    BROKEN = "the device failed"
    REFUSED = "OutputError"
    RUNTIME = "runtime error"
    MEMORY = "out of memory"
    HANG = "hangs until it is released"


_REFUSES: dict[OutputFault, Callable[[], BaseException]] = {
    OutputFault.FULL: lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    OutputFault.BROKEN: lambda: OSError(errno.EIO, os.strerror(errno.EIO)),
    OutputFault.REFUSED: lambda: OutputError("broken on purpose"),
    OutputFault.RUNTIME: lambda: RuntimeError("broken on purpose"),
    OutputFault.MEMORY: MemoryError,
}


class FaultyOutput(Worker[T]):
    """An output that keeps what it takes, with faults; for safe frames or packets.

    Attributes:
        taken: What it took, newest last: pictures as copies, since their memory is used again.
        happened: How often each fault happened, wherever.
    """

    def __init__(
        self,
        meters: Meters,
        quiet: Quiet,
        *,
        name: str = "faulty",
        taking: Iterable[OutputFault] = (),
        opening: Iterable[OutputFault] = (),
        ticking: Iterable[OutputFault] = (),
        shutting: Iterable[OutputFault] = (),
        hanging: Hanging | None = None,
        keep: int = 10_000,
        capacity: int = 4,
        wait: bool = False,
    ) -> None:
        super().__init__(name, meters, quiet, capacity=capacity, wait=wait)
        self.hanging = hanging or Hanging()
        self.taken: deque[Any] = deque(maxlen=keep)
        self.happened: Counter[OutputFault] = Counter()
        well = OutputFault.NONE
        self._taking, self._opening = Script(taking, well), Script(opening, well)
        self._ticking, self._shutting = Script(ticking, well), Script(shutting, well)

    def open_up(self) -> None:
        self._fail(self._opening)

    def take(self, thing: T) -> None:
        self._fail(self._taking)
        self.taken.append(copied(thing.image) if isinstance(thing, SafeFrame) else thing)

    def tick(self) -> None:
        self._fail(self._ticking)

    def shut(self, *, broken: bool) -> None:
        self._fail(self._shutting)

    def _fail(self, script: Script[OutputFault]) -> None:
        fault = script.next()
        self.happened[fault] += 1
        if fault is OutputFault.HANG:
            self.hanging.wait()
        refuses = _REFUSES.get(fault)
        if refuses is not None:
            raise refuses()


def copied(image: Image) -> Image:
    """A picture in memory of its own: not of a pool, which it would exhaust."""
    copy = Image.blank(image.format, image.width, image.height, full_range=image.full_range)
    for into, plane in zip(copy.planes, image.planes, strict=True):
        np.copyto(into, plane)
    return copy
