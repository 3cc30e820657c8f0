"""The gate before an engine is published: does it still see what its FP32 graph sees?

Raw outputs are compared always. A detector is judged by what counts besides: the same faces after
suppression, each with IoU of 0.9 or more, a score within 0.05, and landmarks within a tenth of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from faceguard.convert.accuracy.differences import Difference, Tally
from faceguard.convert.accuracy.faces import Pair, pairs_of
from faceguard.engines.errors import InferenceError, ProofFailed
from faceguard.engines.types import Detections

if TYPE_CHECKING:
    from faceguard.convert.accuracy.golden import Golden
    from faceguard.convert.accuracy.looks import Looker
    from faceguard.convert.accuracy.reference import Reference
    from faceguard.engines.runtime import Runtime
    from faceguard.engines.spec import Precision

LEAST_IOU = 0.9
MOST_SCORE_DIFFERENCE = 0.05
MOST_LANDMARK_SHIFT = 0.1
"""In sides of a square as large as the face. Measured: FP16 to 0.001, INT8 to 0.03."""

TOLERANCES: dict[Precision, float] = {"fp32": 1e-3, "fp16": 2e-2, "int8": 1e-1}
"""Root of the mean square difference, as a share of the output's range; for what is no detector,
and for one that finds nobody.

Half precision comes to some 1e-3 on sound networks, eight bits to a few hundredths.
"""

DETECTOR_TOLERANCES: dict[Precision, float] = {"fp32": 5e-2, "fp16": 5e-2, "int8": 2.5e-1}
"""The same for a detector that finds the same faces: its outputs mean nothing where no face is.

Wide, for a network of which a part broke where no golden face shows it. Detectors whose faces were
the same came to 3e-3 in half precision and to 0.12 in eight bits.
"""


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
        worst_landmark: Largest shift of a landmark, in sides of a square as large as its face;
            None without landmarks.
    """

    pictures: int
    judged_on: str
    outputs: dict[str, Difference]
    faces: int | None = None
    worst_iou: float | None = None
    worst_score: float | None = None
    worst_landmark: float | None = None

    def facts(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    def __str__(self) -> str:
        """For people, one line."""
        worst = max((found.rms_share for found in self.outputs.values()), default=0.0)
        text = f"{self.pictures} golden pictures on {self.judged_on}: "
        if self.faces == 0:
            text += "no face in FP32 and none in the result, judged by outputs alone: "
        elif self.faces is not None:
            text += f"the same {self.faces} faces, "
        if self.worst_iou is not None:
            text += f"IoU >= {self.worst_iou:.3f}, scores within {self.worst_score:.4f}, "
        if self.worst_landmark is not None:
            text += f"landmarks within {self.worst_landmark:.1%} of the face, "
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

    def check(self, name: str, reference: Reference, result: Runtime, on: str) -> Accuracy:
        """Lets a result through, or not.

        Args:
            name: The model's, for messages.
            reference: What the FP32 graph made of the pictures.
            result: The engine, or the graph that it was built from; stays open.
            on: What runs it, for the report.

        Raises:
            ProofFailed: It sees other faces, its outputs are too far off, or hold NaN.
        """
        tallies: dict[str, Tally] = {}
        pairs: list[Pair] = []
        faces = 0
        # One picture after another, so that never two of a picture's outputs are held.
        looks = self.looker.looks(result, self.pictures)
        try:
            for before, after in zip(reference.seen, looks, strict=True):
                for output, wanted in before.outputs.items():
                    tallies.setdefault(output, Tally()).add(wanted, after.outputs[output])
                if self.sure is not None:
                    ours, theirs = (look.faces or Detections.empty() for look in (before, after))
                    faces += len(ours.above(self.sure))
                    found = list(pairs_of(ours, theirs, self.sure))
                    self._same_faces(name, before.name, found)
                    pairs += found
        except InferenceError as error:
            raise ProofFailed(
                f"{name}: {self.precision} fails where FP32 does not: {error}"
            ) from error
        outputs = {output: tally.difference() for output, tally in tallies.items()}
        # Where nobody is seen, the same nobody says nothing.
        self._near_enough(name, outputs, far=bool(pairs))
        seen = Accuracy(len(reference.seen), on, outputs)
        if self.sure is None:
            return seen
        shifts = [pair.landmark for pair in pairs if pair.landmark is not None]
        return replace(
            seen,
            faces=faces,
            worst_iou=min((pair.iou for pair in pairs), default=None),
            worst_score=max((pair.score for pair in pairs), default=None),
            worst_landmark=max(shifts, default=None),
        )

    def _same_faces(self, name: str, picture: str, pairs: Sequence[Pair]) -> None:
        for pair in pairs:
            if pair.iou < LEAST_IOU or pair.score > MOST_SCORE_DIFFERENCE:
                raise ProofFailed(
                    f"{name}: in {self.precision} golden picture {picture!r} shows other "
                    f"faces than in FP32 (IoU {pair.iou:.2f}, at least {LEAST_IOU} is asked for; "
                    f"score off by {pair.score:.2f}, at most {MOST_SCORE_DIFFERENCE}); "
                    f"{self._mend()}"
                )
            if pair.landmark is not None and pair.landmark > MOST_LANDMARK_SHIFT:
                raise ProofFailed(
                    f"{name}: in {self.precision} a landmark of golden picture {picture!r} is off "
                    f"by {pair.landmark:.2f} of the face's size, at most {MOST_LANDMARK_SHIFT} is "
                    f"allowed; {self._mend()}"
                )

    def _near_enough(self, name: str, outputs: dict[str, Difference], *, far: bool) -> None:
        limits = DETECTOR_TOLERANCES if far else TOLERANCES
        limit = limits[self.precision]
        for output, found in outputs.items():
            if not np.isfinite(found.max_abs):
                raise ProofFailed(
                    f"{name}: output {output!r} holds NaN or infinity, or has another shape, in "
                    f"{self.precision} and not in FP32; {self._mend()}"
                )
            if found.rms_share > limit:
                raise ProofFailed(
                    f"{name}: output {output!r} is off by {found.rms_share:.1%} of its range (rms) "
                    f"in {self.precision}, {limit:.1%} is allowed; {self._mend()}"
                )

    def _mend(self) -> str:
        return {
            "int8": "give more, or more typical, pictures to --calibration, or take --fp16",
            "fp16": "take --fp32",
            "fp32": "report it with the model",
        }[self.precision]
