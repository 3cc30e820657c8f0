"""Small faces in large pictures: overlapping tiles at full resolution, beside the whole picture.

A face on the line between two tiles is seen in part by each. Such a box ends at its tile's edge
and says less than one that the whole picture or the next tile gives, so it yields to those; where
only parts were seen, they are joined, since covering too much is the safe side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from faceguard.engines.nms import areas, intersections, nms, pairwise_iou
from faceguard.engines.types import Detections, Region

if TYPE_CHECKING:
    import numpy.typing as npt

    from faceguard.engines.types import F32

OVERLAP = 0.25
"""Least share of a tile's side that it has in common with the next: faces up to this size are whole
in one of the two."""

_EDGE_SHARE = 0.1  # a box is cut when it ends this near to its tile's edge, in sides of the box
_EDGE_PX = 2.0
_INSIDE = 0.7  # share of a cut box that lies in a whole one of the same face
_JOIN = 0.5  # share of the smaller of two cut boxes that they have in common


@dataclass(frozen=True)
class View:
    """What was found in one part of a picture.

    Attributes:
        region: The part, in source pixels.
        found: Its faces, in source pixels.
    """

    region: Region
    found: Detections


def tiles(width: int, height: int, side: int) -> list[Region]:
    """Overlapping squares that cover a picture.

    Args:
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
        side: Side of a tile in pixels; the last of a row or column may be one pixel longer.

    Returns:
        The tiles from left to right and down; none where one tile would hold the whole picture.
    """
    if max(width, height) <= side:
        return []
    return [
        Region(x0, y0, x1, y1) for y0, y1 in _spans(height, side) for x0, x1 in _spans(width, side)
    ]


def merge(views: list[View], width: int, height: int, iou: float) -> Detections:
    """One list of faces from several views of the same picture.

    Args:
        views: The views; at least one.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
        iou: Whole boxes that overlap a better one by more than this are the same face.

    Returns:
        The faces, best first.
    """
    views = [view for view in views if len(view.found)] or views[:1]
    everything = _join([view.found for view in views])
    cut = np.concatenate([_is_cut(view.found.boxes, view.region, width, height) for view in views])
    whole = everything.take(np.flatnonzero(~cut))
    whole = whole.take(nms(whole.boxes, whole.scores, iou))
    parts = everything.take(np.flatnonzero(cut))
    if len(parts) and len(whole):
        inside = intersections(parts.boxes, whole.boxes) >= _INSIDE * areas(parts.boxes)[:, None]
        same = inside | (pairwise_iou(parts.boxes, whole.boxes) > iou)
        parts = parts.take(np.flatnonzero(~same.any(axis=1)))
    result = _join([whole, _unite(parts)])
    return result.take(np.argsort(-result.scores, kind="stable"))


def _spans(length: int, side: int) -> list[tuple[int, int]]:
    """Evenly spaced starts and ends; starts are even, as chroma planes want them."""
    if length <= side:
        return [(0, length)]
    count = 1 + -(-(length - side) // max(1, round(side * (1 - OVERLAP))))
    starts = [(length - side) * place // (count - 1) & ~1 for place in range(count)]
    return [(start, start + side) for start in starts[:-1]] + [(starts[-1], length)]


def _is_cut(boxes: F32, region: Region, width: int, height: int) -> npt.NDArray[np.bool_]:
    """Which boxes end at an edge of the tile that is not an edge of the picture."""
    sides = boxes[:, 2:] - boxes[:, :2]
    x_px, y_px = np.maximum(sides * _EDGE_SHARE, _EDGE_PX).T
    cut = np.zeros(len(boxes), np.bool_)
    if region.x0 > 0:
        cut |= boxes[:, 0] < region.x0 + x_px
    if region.y0 > 0:
        cut |= boxes[:, 1] < region.y0 + y_px
    if region.x1 < width:
        cut |= boxes[:, 2] > region.x1 - x_px
    if region.y1 < height:
        cut |= boxes[:, 3] > region.y1 - y_px
    return cut


def _unite(parts: Detections) -> Detections:
    """Joins the parts of one face: around all of them, with the best one's score and landmarks."""
    parts = parts.take(np.argsort(-parts.scores, kind="stable"))
    boxes = parts.boxes.copy()
    alive = np.ones(len(parts), np.bool_)
    for place in range(len(parts)):
        while alive[place]:  # a box that grew may reach parts that it did not touch before
            size = areas(boxes)
            shared = intersections(boxes[place : place + 1], boxes)[0]
            joins = alive & (shared >= _JOIN * np.minimum(size[place], size)) & (shared > 0)
            joins[place] = False
            if not joins.any():
                break
            joins[place] = True
            boxes[place, :2] = boxes[joins, :2].min(axis=0)
            boxes[place, 2:] = boxes[joins, 2:].max(axis=0)
            joins[place] = False
            alive &= ~joins
    kept = np.flatnonzero(alive)
    landmarks = None if parts.landmarks is None else parts.landmarks[kept]
    return Detections(boxes[kept], parts.scores[kept], landmarks)


def _join(lists: list[Detections]) -> Detections:
    marks = [found.landmarks for found in lists if found.landmarks is not None]
    return Detections(
        np.concatenate([found.boxes for found in lists]),
        np.concatenate([found.scores for found in lists]),
        np.concatenate(marks) if len(marks) == len(lists) else None,
    )
