"""Whether two looks at a picture found the same faces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from faceguard.engines.nms import pairwise_iou

if TYPE_CHECKING:
    from faceguard.engines.types import Detections


@dataclass(frozen=True)
class Pair:
    """A face, and the one nearest to it in the other look.

    Attributes:
        iou: Their overlap; 0 where the other look found none.
        score: Difference of their scores.
        landmark: Largest distance between two landmarks of the same kind, in sides of a square
            as large as the face; None where the detector has no landmarks, or there is no pair.
    """

    iou: float
    score: float
    landmark: float | None


def pairs_of(ours: Detections, theirs: Detections, sure: float) -> Iterator[Pair]:
    """Each face that either look is sure of, with what the other saw there, at least weakly.

    Args:
        ours: The faces of one look.
        theirs: Those of the other.
        sure: From which score on a face counts.
    """
    yield from _matched(ours.above(sure), theirs)
    yield from _matched(theirs.above(sure), ours)


def _matched(sure: Detections, other: Detections) -> Iterator[Pair]:
    if not len(sure):
        return
    if not len(other):
        for score in sure.scores:
            yield Pair(0.0, float(score), None)
        return
    overlaps = pairwise_iou(sure.boxes, other.boxes)
    for row, near in enumerate(overlaps.argmax(axis=1)):
        landmark = None
        if sure.landmarks is not None and other.landmarks is not None and overlaps[row, near] > 0:
            apart = np.linalg.norm(sure.landmarks[row] - other.landmarks[near], axis=-1)
            x0, y0, x1, y1 = map(float, sure.boxes[row])
            side = np.sqrt(max((x1 - x0) * (y1 - y0), 1e-6))
            landmark = float(apart.max(initial=0.0) / side)
        difference = abs(float(sure.scores[row]) - float(other.scores[near]))
        yield Pair(float(overlaps[row, near]), difference, landmark)
