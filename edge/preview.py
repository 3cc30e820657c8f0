"""Boxes and scores drawn over a redacted picture, for whoever sets a camera up."""

from __future__ import annotations

import cv2
import numpy as np

from faceguard.edge.types import Image, Mask, PixelFormat, Plane, PlaneSpec, SafeFrame

_THICK_PX = 2
_TEXT_PX = 14
# Pure green as luma and chroma (BT.601, television range), and as B, G, R, alpha.
_GREEN_YUV = (145, 54, 34)
_GREEN_BGRA: tuple[int, ...] = (0, 255, 0, 255)


def draw(frame: SafeFrame) -> None:
    """Draws each mask's face box in green, with its score beside it, into the redacted frame.

    Nothing is drawn in frames that have nothing to show: those may share memory with the source.
    """
    for mask in frame.cover.masks if frame.cover.whole is None else ():
        _box(frame.image, mask)
        if mask.score > 0:
            _score(frame.image, mask)


def _box(image: Image, mask: Mask) -> None:
    x0, y0 = round(mask.face.x0), round(mask.face.y0)
    x1, y1 = round(mask.face.x1), round(mask.face.y1)
    for left, top, right, bottom in (
        (x0, y0, x1, y0 + _THICK_PX),
        (x0, y1 - _THICK_PX, x1, y1),
        (x0, y0, x0 + _THICK_PX, y1),
        (x1 - _THICK_PX, y0, x1, y1),
    ):
        for number, (spec, plane) in enumerate(zip(image.format.planes, image.planes, strict=True)):
            inside = (
                slice(_at(top, spec.sub_y), _at(bottom, spec.sub_y) or None),
                slice(_at(left, spec.sub_x), _at(right, spec.sub_x) or None),
            )
            if bottom > 0 and right > 0:
                plane[inside] = _green(image, number, spec)


def _score(image: Image, mask: Mask) -> None:
    """The score above the box, or inside at its top where there is no room above."""
    x, y = max(0, round(mask.face.x0)), round(mask.face.y0) - 4
    if y < _TEXT_PX:
        y = max(0, round(mask.face.y0)) + _TEXT_PX + _THICK_PX
    # In luma (or the packed plane) alone: letters are too thin for chroma at half size.
    plane: Plane = image.planes[0]
    color = 235 << (image.format.bits - 8) if image.format.is_yuv else _GREEN_BGRA[: plane.shape[2]]
    # OpenCV writes text into 8 bits only.
    letters = np.zeros(plane.shape[:2], np.uint8)
    where = (x, y)
    cv2.putText(
        letters, f"{mask.score:.2f}", where, cv2.FONT_HERSHEY_SIMPLEX, _TEXT_PX / 22, (255,), 1
    )
    plane[letters > 0] = color


def _at(place: int, sub: int) -> int:
    return max(0, -(-place // sub))


def _green(image: Image, number: int, spec: PlaneSpec) -> tuple[int, ...] | int:
    if image.format in (PixelFormat.BGR, PixelFormat.BGRA):
        return tuple(_GREEN_BGRA[: spec.channels])
    scale = 1 << (image.format.bits - 8)
    if spec.channels == 2:
        return (_GREEN_YUV[1] * scale, _GREEN_YUV[2] * scale)
    return (_GREEN_YUV[number] if len(image.planes) > 1 else 235) * scale
