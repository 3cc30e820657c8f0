"""The points that an SSD detector measures its boxes from.

MediaPipe's SSD anchor options, with fixed anchor sizes: a feature map of stride s has its cells'
centres at (column + 0.5) s, (row + 0.5) s, and layers of equal stride share one map whose cells
hold all of their anchors in turn. As all anchors have size 1, only the centres are left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from faceguard.engines.types import F32


def anchor_centers(side: int, maps: tuple[tuple[int, int], ...]) -> F32:
    """Centres of all anchors, in the order of the network's outputs.

    Args:
        side: Side of the square input in pixels.
        maps: Stride in pixels and anchors a cell, for each feature map in turn.

    Returns:
        float32 (N, 2): x, y in input pixels.
    """
    parts = []
    for stride, per_cell in maps:
        middles = (np.arange(side // stride, dtype=np.float32) + np.float32(0.5)) * stride
        y, x = np.meshgrid(middles, middles, indexing="ij")
        parts.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), per_cell, axis=0))
    return np.asarray(np.concatenate(parts), np.float32)
