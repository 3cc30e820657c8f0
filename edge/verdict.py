"""Asking the detector, and what counts as an answer.

This is where failing closed begins: whatever goes wrong in there, a `Blind` comes out, and a frame
with a blind verdict is covered whole.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from queue import Empty, SimpleQueue
from typing import Protocol

import numpy as np

from faceguard.edge.sampling import looks
from faceguard.edge.types import Image
from faceguard.engines.errors import InferenceError, InferenceTimeout
from faceguard.engines.nms import nms
from faceguard.engines.types import Detections, PixelSource

_SAME_FACE_IOU = 0.5
# More than in any picture of a crowd; matching them all would take seconds.
_MOST_FACES = 3000
NOT_READY = "detector not ready"
_log = logging.getLogger(__name__)


class FaceFinder(Protocol):
    """What a detector is to the camera."""

    def detect(self, source: PixelSource) -> Detections:
        """Faces in a picture.

        Raises:
            InferenceError: The engine failed.
        """
        ...


class Bare(Enum):
    """In place of a judge: faces stay bare. No None, which a mistake would give as well."""

    ASKED_FOR = "a user asked for it aloud"


@dataclass(frozen=True)
class Blind:
    """The detector gave no answer that can be trusted.

    Attributes:
        cause: "time-out", "not finite", "absurd", "detector not ready", or the name of the error's
            class.
    """

    cause: str


@dataclass
class Judge:
    """Asks a detector with a time limit, and counts what went wrong.

    Attributes:
        detector: Whom to ask.
        timeout_s: How long one answer may take.
        failures: How often each cause made a frame blind.
    """

    detector: FaceFinder
    timeout_s: float = 30.0
    failures: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Makes the room that the detector is asked in."""
        self._desk: _Desk | None = None

    def look(self, image: Image) -> Detections | Blind:
        """Faces in a frame, or why nobody knows."""
        if self._desk is None:
            self._desk = _Desk(self.detector.detect)
        try:
            found = _together([self._ask(self._desk, view) for view in looks(image)])
        except NotReady:
            # No failure: it says itself why, where it has been so for long.
            self.failures[NOT_READY] += 1
            return Blind(NOT_READY)
        except InferenceTimeout as error:
            return self._blind("time-out", error)
        except _NotFinite as error:
            return self._blind("not finite", error)
        except _Absurd as error:
            return self._blind("absurd", error)
        except Exception as error:  # noqa: BLE001 - any failure at all must cover the frame
            return self._blind(type(error).__name__, error)
        return found

    def _ask(self, desk: _Desk, view: PixelSource) -> Detections:
        found = desk.ask(view, self.timeout_s)
        _check(found)
        return found

    def close(self) -> None:
        """Lets the detector's thread go."""
        if self._desk is not None:
            self._desk.close()
            self._desk = None

    def _blind(self, cause: str, error: Exception) -> Blind:
        self.failures[cause] += 1
        if self.failures[cause] == 1:
            _log.warning("the detector failed (%s), so frames are covered whole: %s", cause, error)
        return Blind(cause)


class NotReady(InferenceError):
    """The detector is still being opened, or opened again."""


class _NotFinite(InferenceError):
    """A box or score that is NaN or infinite."""


class _Absurd(InferenceError):
    """A box without an area, a score that is none, or more faces than there can be."""


def _check(found: Detections) -> None:
    if not isinstance(found, Detections):
        raise InferenceError(f"the detector answered with {type(found).__name__}")
    if not (np.isfinite(found.boxes).all() and np.isfinite(found.scores).all()):
        raise _NotFinite("the detector gave a box or score that is no number")
    if len(found) > _MOST_FACES:
        raise _Absurd(f"the detector found {len(found)} faces in one picture")
    boxes, scores = found.boxes, found.scores
    if (boxes[:, 2:] <= boxes[:, :2]).any() or (scores < 0).any() or (scores > 1).any():
        raise _Absurd("the detector gave a box turned inside out, or a score beyond 0 to 1")


def _together(found: list[Detections]) -> Detections:
    """What several looks at one picture found, each face once."""
    if len(found) == 1:
        return found[0]
    boxes = np.concatenate([one.boxes for one in found])
    scores = np.concatenate([one.scores for one in found])
    return Detections(boxes, scores).take(nms(boxes, scores, _SAME_FACE_IOU))


class _Desk:
    """One thread that the detector runs in, so that a hang there is no hang here."""

    def __init__(self, answer: Callable[[PixelSource], Detections]) -> None:
        self._answer = answer
        self._questions: SimpleQueue[PixelSource | None] = SimpleQueue()
        self._answers: SimpleQueue[Detections | BaseException] = SimpleQueue()
        self._late = False
        # A daemon: an engine that never returns must not keep the process from ending.
        threading.Thread(target=self._work, name="detect", daemon=True).start()

    def ask(self, question: PixelSource, timeout_s: float) -> Detections:
        if self._late:
            # Still at the last question. Its answer, when it comes, is about another frame.
            try:
                self._answers.get_nowait()
            except Empty:
                raise InferenceTimeout("the detector is still busy with an earlier frame") from None
            self._late = False
        self._questions.put(question)
        try:
            answer = self._answers.get(timeout=timeout_s)
        except Empty:
            self._late = True
            raise InferenceTimeout(f"no answer from the detector in {timeout_s:g} s") from None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def close(self) -> None:
        self._questions.put(None)

    def _work(self) -> None:
        while (question := self._questions.get()) is not None:
            self._answers.put(self._tried(question))

    def _tried(self, question: PixelSource) -> Detections | BaseException:
        try:
            return self._answer(question)
        except BaseException as error:  # noqa: BLE001 - handed to whoever asked
            return error
