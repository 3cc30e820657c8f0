"""YuNet: a small detector without anchors, for any input size, with 5 landmarks.

Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20
(2023). Decoding agrees with OpenCV's `FaceDetectorYN`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from faceguard.engines.detectors.family import Candidates, planar, take_output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from faceguard.engines.types import F32, U8, Array

_STRIDES = (8, 16, 32)
_LANDMARKS = 5


@dataclass(frozen=True)
class YuNet:
    """The 2023 network; a `Family`."""

    name: str = "yunet"
    stride: int = 32
    input_size: tuple[int, int] | None = None
    nms_iou: float = 0.3

    def tensor(self, bgr: U8) -> F32:
        """B, G, R from 0 to 255, float32 (1, 3, height, width)."""
        return planar(bgr, (0, 1, 2))

    def decode(
        self, outputs: Mapping[str, Array], input_width: int, input_height: int, score: float
    ) -> Candidates:
        """Candidates of at least this score; see `Family.decode`."""
        parts = [
            self._decode_map(outputs, stride, input_width // stride, input_height // stride, score)
            for stride in _STRIDES
        ]
        return Candidates(
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.landmarks for part in parts]),
        )

    def _decode_map(
        self, outputs: Mapping[str, Array], stride: int, columns: int, rows: int, score: float
    ) -> Candidates:
        """The candidates of one feature map.

        The score is the geometric mean of the class's and the object's probability. Centre and
        landmarks are offsets from the cell's corner in cells, width and height logarithms of cells.
        """

        def take(kind: str, values: int) -> F32:
            want = (1, columns * rows, values)
            return take_output(self.name, outputs, f"{kind}_{stride}", want).reshape(-1, values)

        classes, objects = take("cls", 1)[:, 0], take("obj", 1)[:, 0]
        squares = np.clip(classes, 0, 1) * np.clip(objects, 0, 1)
        picks = np.flatnonzero(squares >= np.float32(score * score))
        cells = np.stack([picks % columns, picks // columns], axis=1).astype(np.float32)
        values = take("bbox", 4)[picks]
        centers = (cells + values[:, :2]) * stride
        half = np.exp(values[:, 2:]) * (stride / 2)
        points = take("kps", 2 * _LANDMARKS)[picks].reshape(-1, _LANDMARKS, 2)
        return Candidates(
            np.concatenate([centers - half, centers + half], axis=1),
            np.sqrt(squares[picks]),
            (cells[:, None] + points) * stride,
        )
