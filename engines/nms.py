"""Non-maximum suppression: one box a face out of the many that a detector gives.

Boxes are float32 (N, 4), x0 y0 x1 y1 in pixels of any one frame. A box without area overlaps
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from faceguard.engines.types import F32

Index = npt.NDArray[np.intp]

# Boxes compared with one another at a time: 256 x 256 overlaps stay in the cache, and memory does
# not grow with the square of a crowd.
_BLOCK = 256


def areas(boxes: F32) -> F32:
    """Areas in square pixels, float32 (N,); 0 for empty or inverted boxes."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return np.asarray(sides[:, 0] * sides[:, 1], np.float32)


def intersections(first: F32, second: F32) -> F32:
    """Shared areas of each pair.

    Args:
        first: float32 (N, 4).
        second: float32 (M, 4).

    Returns:
        float32 (N, M), square pixels.
    """
    width = np.minimum(first[:, None, 2], second[:, 2])
    width -= np.maximum(first[:, None, 0], second[:, 0])
    height = np.minimum(first[:, None, 3], second[:, 3])
    height -= np.maximum(first[:, None, 1], second[:, 1])
    np.maximum(width, 0, out=width)
    np.maximum(height, 0, out=height)
    width *= height
    return np.asarray(width, np.float32)


def pairwise_iou(first: F32, second: F32) -> F32:
    """Intersection over union of each pair.

    Args:
        first: float32 (N, 4).
        second: float32 (M, 4).

    Returns:
        float32 (N, M), 0 to 1.
    """
    shared = intersections(first, second)
    union = areas(first)[:, None] + areas(second) - shared
    return np.asarray(shared / np.maximum(union, np.finfo(np.float32).tiny), np.float32)


def nms(boxes: F32, scores: F32, iou: float) -> Index:
    """Greedy suppression: the best box stays and takes those that overlap it away, and so on.

    Args:
        boxes: float32 (N, 4).
        scores: float32 (N,); between equal ones the earlier box is the better.
        iou: Boxes that overlap a kept one by more than this are dropped.

    Returns:
        Indices of the kept boxes, best first.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[Index] = []
    for start in range(0, len(order), _BLOCK):
        block = order[start : start + _BLOCK]
        for earlier in kept:
            if len(block):
                clash = pairwise_iou(boxes[block], boxes[earlier]) > iou
                block = block[~clash.any(axis=1)]
        overlaps = pairwise_iou(boxes[block], boxes[block]) > iou
        alive = np.ones(len(block), np.bool_)
        for place in range(len(block)):
            if alive[place]:
                alive[place + 1 :] &= ~overlaps[place, place + 1 :]
        kept.append(block[alive])
    return np.concatenate(kept) if kept else np.zeros(0, np.intp)
