"""Making a detector's small input straight from a frame's planes.

A 1080p frame turned into BGR whole costs more than the detection that follows; resizing the planes
first and changing colour afterwards costs about half a millisecond.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from faceguard.edge.types import Image, PixelFormat
from faceguard.engines.resize import resized

if TYPE_CHECKING:
    from faceguard.edge.types import Plane, PlaneSpec
    from faceguard.engines.types import U8, Region


@dataclass(frozen=True)
class ImageSampler:
    """An `Image` as a detector sees it; a `faceguard.engines.types.PixelSource`."""

    image: Image

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.image.width

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.image.height

    def sample_bgr(self, region: Region, width: int, height: int) -> U8:
        """The region as B, G, R; see `PixelSource.sample_bgr`.

        Colour is converted with BT.601's matrix whatever the frame says: detectors were trained on
        pictures of every kind, and the difference to BT.709 is below their notice.
        """
        image = self.image
        parts = [
            _crop(plane, spec, region)
            for plane, spec in zip(image.planes, image.format.planes, strict=True)
        ]
        if not image.format.is_yuv:
            return np.ascontiguousarray(resized(parts[0], width, height)[..., :3])
        luma = _to_8_bits(resized(parts[0], width, height), image.format.bits)
        if image.format is PixelFormat.GRAY:
            return np.asarray(cv2.cvtColor(luma, cv2.COLOR_GRAY2BGR), np.uint8)
        if image.full_range:
            return _from_full_range(luma, parts[1:], width, height, image.format.bits)
        chroma = [
            _to_8_bits(resized(part, width // 2, height // 2), image.format.bits)
            for part in parts[1:]
        ]
        if image.format is PixelFormat.NV12:
            return np.asarray(
                cv2.cvtColorTwoPlane(luma, chroma[0], cv2.COLOR_YUV2BGR_NV12), np.uint8
            )
        joined = np.concatenate([luma.ravel(), *(plane.ravel() for plane in chroma)])
        return np.asarray(
            cv2.cvtColor(joined.reshape(height * 3 // 2, width), cv2.COLOR_YUV2BGR_I420), np.uint8
        )


def looks(image: Image) -> list[ImageSampler]:
    """Every way in which a picture can show a face.

    A picture with alpha has three: its colours as they are stored, which anybody can lay bare, and
    what a viewer sees over a white page and over a black one. A face can be in one and not in the
    others.
    """
    if image.format is not PixelFormat.BGRA or bool((image.planes[0][..., 3] == 255).all()):
        return [ImageSampler(image)]
    color = image.planes[0][..., :3].astype(np.uint16)
    alpha = image.planes[0][..., 3:].astype(np.uint16)
    on_black = (color * alpha + 127) // 255
    on_white = on_black + (255 - alpha)
    flat = [np.ascontiguousarray(pixels, np.uint8) for pixels in (on_white, on_black)]
    return [ImageSampler(image), *(ImageSampler(Image.from_bgr(pixels)) for pixels in flat)]


def _crop(plane: Plane, spec: PlaneSpec, region: Region) -> Plane:
    """The plane's samples under the region, at least one."""
    x0 = min(max(0, math.floor(region.x0 / spec.sub_x)), plane.shape[1] - 1)
    y0 = min(max(0, math.floor(region.y0 / spec.sub_y)), plane.shape[0] - 1)
    x1 = max(x0 + 1, math.ceil(region.x1 / spec.sub_x))
    y1 = max(y0 + 1, math.ceil(region.y1 / spec.sub_y))
    return plane[y0:y1, x0:x1]


def _to_8_bits(plane: Plane, bits: int) -> U8:
    return np.ascontiguousarray(plane if bits == 8 else plane >> (bits - 8), np.uint8)


def _from_full_range(luma: U8, chroma: list[Plane], width: int, height: int, bits: int) -> U8:
    """BGR from luma and chroma that span 0-255, as in JPEG."""
    full = [_to_8_bits(resized(part, width, height), bits) for part in chroma]
    cb, cr = (full[0][..., 0], full[0][..., 1]) if len(full) == 1 else full
    return np.asarray(cv2.cvtColor(cv2.merge([luma, cr, cb]), cv2.COLOR_YCrCb2BGR), np.uint8)
