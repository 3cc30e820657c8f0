"""Detectors whose answers a test decides: the seam that the camera itself uses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from faceguard.engines.types import Detections, PixelSource


def detections(*boxes: tuple[float, float, float, float], score: float = 0.9) -> Detections:
    """These boxes with one score."""
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), score, np.float32)
    )


class Scripted:
    """Answers each question with the next thing of a list: detections, an error, or a call."""

    def __init__(self, *answers: Detections | BaseException | Callable[[], Detections]) -> None:
        self.answers = answers
        self.asked = 0

    def detect(self, source: PixelSource) -> Detections:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if isinstance(answer, BaseException):
            raise answer
        return answer() if callable(answer) else answer
