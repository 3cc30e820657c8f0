"""BlazeFace: MediaPipe's face detectors for a fixed square input, with 6 landmarks.

The architecture is that of Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on
Mobile GPUs" (arXiv 1907.05047); input sizes and ranges are those of MediaPipe's model cards for the
short-range and the full-range (dense and sparse) detector, anchors those of its graphs
`face_detection_short_range`, `face_detection_full_range` and, for the 256-pixel variant,
`face_detection_back`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np

from faceguard.engines.detectors.anchors import anchor_centers
from faceguard.engines.detectors.family import Candidates
from faceguard.engines.errors import InferenceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from faceguard.engines.types import F32, U8, Array

_VALUES = 16  # centre x, y, width, height, then 6 landmarks x, y
_LANDMARKS = 6
# e^80 is still a float32; a logit beyond it changes no score.
_LOGIT_LIMIT = 80.0


@dataclass(frozen=True)
class _Variant:
    side: int
    maps: tuple[tuple[int, int], ...]


_FULL = _Variant(192, ((4, 1),))
VARIANTS = {
    # Strides 8, 16, 16, 16 with two anchors a layer: the three of stride 16 share one map.
    "short": _Variant(128, ((8, 2), (16, 6))),
    "back": _Variant(256, ((16, 2), (32, 6))),
    "full": _FULL,
    "full-sparse": _FULL,
}


@dataclass(frozen=True)
class BlazeFace:
    """One of the four BlazeFace networks; a `Family`.

    Attributes:
        variant: "short", "back", "full" or "full-sparse".
    """

    variant: str
    stride: int = 1
    nms_iou: float = 0.3

    def __post_init__(self) -> None:
        """Checks the variant.

        Raises:
            UsageError: There is no such variant.
        """
        if self.variant not in VARIANTS:
            raise UsageError(
                f"BlazeFace has no variant {self.variant!r}; choose from {', '.join(VARIANTS)}"
            )

    @property
    def name(self) -> str:
        """For messages."""
        return f"blazeface-{self.variant}"

    @property
    def input_size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        side = VARIANTS[self.variant].side
        return side, side

    @cached_property
    def anchors(self) -> F32:
        """Anchor centres, float32 (N, 2): x, y in input pixels."""
        variant = VARIANTS[self.variant]
        return anchor_centers(variant.side, variant.maps)

    def tensor(self, bgr: U8) -> F32:
        """R, G, B from -1 to 1, float32 (1, height, width, 3)."""
        tensor = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)[None].astype(np.float32)
        tensor *= np.float32(1 / 127.5)
        tensor -= np.float32(1)
        return np.asarray(tensor, np.float32)

    def decode(
        self, outputs: Mapping[str, Array], input_width: int, input_height: int, score: float
    ) -> Candidates:
        """Candidates of at least this score; see `Family.decode`.

        A box is the anchor's centre plus an offset, then width and height, all in input pixels;
        landmarks are offsets from the same centre; the score is the sigmoid of a logit.
        """
        del input_width, input_height  # fixed, as are the anchors
        values = self._output(outputs, _VALUES)
        logits = self._output(outputs, 1)[:, 0]
        picks = np.flatnonzero(logits >= math.log(score / (1 - score)))
        anchors, values = self.anchors[picks], values[picks]
        centers = values[:, :2] + anchors
        half = np.maximum(values[:, 2:4], 0) / 2
        landmarks = values[:, 4:].reshape(-1, _LANDMARKS, 2) + anchors[:, None]
        bounded = np.clip(logits[picks], -_LOGIT_LIMIT, _LOGIT_LIMIT)
        return Candidates(
            np.concatenate([centers - half, centers + half], axis=1),
            np.asarray(1 / (1 + np.exp(-bounded)), np.float32),
            landmarks,
        )

    def _output(self, outputs: Mapping[str, Array], values: int) -> F32:
        """The output with so many values an anchor, (anchors, values); names vary by exporter."""
        want = (1, len(self.anchors), values)
        for array in outputs.values():
            if array.shape == want:
                return np.asarray(array[0], np.float32)
        have = ", ".join(f"{name} {array.shape}" for name, array in outputs.items())
        raise InferenceError(
            f"{self.name}: no output of shape {want} among {have}; "
            "the model file belongs to another family or variant"
        )
