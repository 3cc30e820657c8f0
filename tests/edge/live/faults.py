"""Faults on order: the script that gives them, hangs that end on demand, a detector that fails.

A script is any iterable of faults, one for each call; when it ends, all is well. The cameras that
fail are in `camera_faults`, the outputs in `output_faults`. What is filmed, and who knows where the
faces are, is in `scene`; looking for leaks in `marks`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, Generic, TypeVar

import numpy as np

from faceguard.edge.types import Image
from faceguard.engines.errors import InferenceError
from faceguard.engines.types import Detections, PixelSource
from tests.edge.live.scene import Scene, Truthful, boxed

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


def copied(image: Image) -> Image:
    """A picture in memory of its own: not of a pool, which it would exhaust."""
    copy = Image.blank(image.format, image.width, image.height, full_range=image.full_range)
    for into, plane in zip(copy.planes, image.planes, strict=True):
        np.copyto(into, plane)
    return copy
