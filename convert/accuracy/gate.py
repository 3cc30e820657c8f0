"""The gate before an engine is published: does it still see what its FP32 graph sees?

Raw outputs are compared always. A detector is judged by what counts besides: the same faces after
suppression, each with IoU of 0.9 or more and a score within 0.05.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from faceguard.engines.errors import InferenceError, ProofFailed
from faceguard.engines.nms import pairwise_iou
from faceguard.engines.types import Detections

if TYPE_CHECKING:
    from faceguard.convert.accuracy.golden import Golden
    from faceguard.convert.accuracy.looks import Look, Looker
    from faceguard.engines.runtime import Runtime
    from faceguard.engines.spec import Precision
    from faceguard.engines.types import Array

F64 = npt.NDArray[np.float64]

LEAST_IOU = 0.9
MOST_SCORE_DIFFERENCE = 0.05
TOLERANCES: dict[Precision, float] = {"fp32": 1e-3, "fp16": 2e-2, "int8": 1e-1}
"""For what is no detector: root of the mean square difference, as a share of the output's range.

Half precision comes to some 1e-3 on sound networks, eight bits to a few hundredths.
"""


@dataclass(frozen=True)
class Difference:
    """How far one output is from the reference's, over all golden pictures.

    Attributes:
        max_abs: Largest absolute difference.
        range: Largest minus smallest value of the reference.
        rms_share: Root of the mean square of the difference, as a share of the range.
    """

    max_abs: float
    range: float
    rms_share: float


@dataclass(frozen=True)
class Accuracy:
    """What the gate saw.

    Attributes:
        pictures: How many golden pictures.
        judged_on: What ran the result: the engine, or its graph on ONNX Runtime.
        outputs: Raw differences by output.
        faces: How many faces were looked for; None where it is no detector.
        worst_iou: Least overlap of a face found by both; None without faces.
        worst_score: Largest difference of its score; None without faces.
    """

    pictures: int
    judged_on: str
    outputs: dict[str, Difference]
    faces: int | None = None
    worst_iou: float | None = None
    worst_score: float | None = None

    def facts(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    def __str__(self) -> str:
        """For people, one line."""
        worst = max((found.rms_share for found in self.outputs.values()), default=0.0)
        text = f"{self.pictures} golden pictures on {self.judged_on}: "
        if self.faces is not None:
            text += f"the same {self.faces} faces, "
        if self.worst_iou is not None:
            text += f"IoU >= {self.worst_iou:.3f}, scores within {self.worst_score:.4f}, "
        return f"{text}outputs within {worst:.1e} of their range (rms)"


@dataclass(frozen=True)
class Gate:
    """What is asked of a result.

    Attributes:
        looker: Shows pictures to graphs.
        pictures: The golden ones.
        sure: From which score on a detector's face counts; None for what is no detector.
        precision: What was asked for.
    """

    looker: Looker
    pictures: Sequence[Golden]
    sure: float | None
    precision: Precision

    def check(self, name: str, reference: Sequence[Look], result: Runtime, on: str) -> Accuracy:
        """Lets a result through, or not.

        Args:
            name: The model's, for messages.
            reference: What the FP32 graph made of the pictures.
            result: The engine, or the graph that it was built from; stays open.
            on: What runs it, for the report.

        Raises:
            ProofFailed: It sees other faces, its outputs are too far off, or hold NaN.
        """
        try:
            looks = list(self.looker.looks(result, self.pictures))
        except InferenceError as error:
            raise ProofFailed(
                f"{name}: {self.precision} fails where FP32 does not: {error}"
            ) from error
        outputs = {
            output: _difference(
                [look.outputs[output] for look in reference],
                [look.outputs[output] for look in looks],
            )
            for output in reference[0].outputs
        }
        for output, found in outputs.items():
            if not np.isfinite(found.max_abs):
                raise ProofFailed(
                    f"{name}: output {output!r} holds NaN or infinity, or has another shape, in "
                    f"{self.precision} and not in FP32; {self._mend()}"
                )
        seen = Accuracy(len(looks), on, outputs)
        if self.sure is None:
            return self._judged_by_outputs(name, seen)
        return self._judged_by_faces(name, self.sure, reference, looks, seen)

    def _judged_by_outputs(self, name: str, seen: Accuracy) -> Accuracy:
        limit = TOLERANCES[self.precision]
        for output, found in seen.outputs.items():
            if found.rms_share > limit:
                raise ProofFailed(
                    f"{name}: output {output!r} is off by {found.rms_share:.1%} of its range (rms) "
                    f"in {self.precision}, {limit:.1%} is allowed; {self._mend()}"
                )
        return seen

    def _judged_by_faces(
        self,
        name: str,
        sure: float,
        reference: Sequence[Look],
        looks: Sequence[Look],
        seen: Accuracy,
    ) -> Accuracy:
        ious: list[float] = []
        scores: list[float] = []
        faces = 0
        for before, after in zip(reference, looks, strict=True):
            ours, theirs = before.faces or Detections.empty(), after.faces or Detections.empty()
            faces += len(ours.above(sure))
            # Either way around: a face that one is sure of, the other must see at least weakly.
            pairs = _matched(ours.above(sure), theirs) + _matched(theirs.above(sure), ours)
            for iou, difference in pairs:
                if iou < LEAST_IOU or difference > MOST_SCORE_DIFFERENCE:
                    raise ProofFailed(
                        f"{name}: in {self.precision} golden picture {before.name!r} shows other "
                        f"faces than in FP32 (IoU {iou:.2f}, at least {LEAST_IOU} is asked for; "
                        f"score off by {difference:.2f}, at most {MOST_SCORE_DIFFERENCE}); "
                        f"{self._mend()}"
                    )
                ious.append(iou)
                scores.append(difference)
        # Where nobody is seen, the same nobody says nothing.
        checked = seen if ious else self._judged_by_outputs(name, seen)
        return replace(
            checked,
            faces=faces,
            worst_iou=min(ious, default=None),
            worst_score=max(scores, default=None),
        )

    def _mend(self) -> str:
        return {
            "int8": "give more, or more typical, pictures to --calibration, or take --fp16",
            "fp16": "take --fp32",
            "fp32": "report it with the model",
        }[self.precision]


def _matched(sure: Detections, other: Detections) -> list[tuple[float, float]]:
    """For each sure face: overlap with the nearest other one, and the difference of scores."""
    if not len(sure):
        return []
    if not len(other):
        return [(0.0, float(score)) for score in sure.scores]
    overlaps = pairwise_iou(sure.boxes, other.boxes)
    nearest = overlaps.argmax(axis=1)
    return [
        (float(overlaps[row, near]), abs(float(score) - float(other.scores[near])))
        for row, (near, score) in enumerate(zip(nearest, sure.scores, strict=True))
    ]


def _difference(reference: Sequence[Array], result: Sequence[Array]) -> Difference:
    """Over all pictures together; infinite where a shape differs, or a value is not finite."""
    squares, count, largest = 0.0, 0, 0.0
    low, high = np.inf, -np.inf
    for ours, theirs in zip(reference, result, strict=True):
        if ours.shape != theirs.shape:
            return Difference(np.inf, np.inf, np.inf)
        wanted, found = ours.astype(np.float64), theirs.astype(np.float64)
        # What the model itself gives, such as the logarithm of nothing, is its own affair.
        wanted, found = _numbers(wanted, found)
        with np.errstate(invalid="ignore"):
            delta = np.abs(found - wanted)
        if not np.isfinite(delta).all():
            return Difference(np.inf, np.inf, np.inf)
        largest = max(largest, float(delta.max(initial=0.0)))
        squares += float(np.square(delta).sum())
        count += delta.size
        low = min(low, float(wanted.min(initial=np.inf)))
        high = max(high, float(wanted.max(initial=-np.inf)))
    rms = float(np.sqrt(squares / count)) if count else 0.0
    span = max(high - low, 0.0)
    if rms == 0:
        return Difference(largest, span, 0.0)
    return Difference(largest, span, rms / span if span else np.inf)


def _numbers(wanted: F64, found: F64) -> tuple[F64, F64]:
    """The values without those that are no numbers, where these are the same in both."""
    odd = ~np.isfinite(wanted)
    if not odd.any() or not np.array_equal(wanted[odd], found[odd], equal_nan=True):
        return wanted, found
    return wanted[~odd], found[~odd]
