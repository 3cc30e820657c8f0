"""Fitting a picture of any shape into a detector's input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from faceguard.engines.types import Region

if TYPE_CHECKING:
    from faceguard.engines.types import F32, U8, PixelSource


# Part of a side by which proportions may change; detectors were trained with more.
_STRETCH = 0.04


@dataclass(frozen=True)
class Letterbox:
    """Where a region of the source lies within a padded input.

    The content sits at the input's top left corner and padding follows to the right and below, so
    that one multiplication and one addition lead back to the source.

    Attributes:
        region: The part of the source, in source pixels.
        content_width: Width of the content in input pixels, even.
        content_height: Height of the content in input pixels, even.
        input_width: Width of the input in pixels.
        input_height: Height of the input in pixels.
    """

    region: Region
    content_width: int
    content_height: int
    input_width: int
    input_height: int

    @classmethod
    def within(cls, region: Region, width: int, height: int) -> Letterbox:
        """Fits the region into an input of exactly this size, keeping its proportions."""
        scale = min(width / region.width, height / region.height)
        return cls(
            region,
            _even(region.width * scale, width),
            _even(region.height * scale, height),
            width,
            height,
        )

    @classmethod
    def long_side(cls, region: Region, side: int, stride: int) -> Letterbox:
        """Fits the region into the smallest input whose content has about this long side.

        Args:
            region: Part of the source; a picture smaller than `side` is not enlarged.
            side: Long side of the content in input pixels.
            stride: Both sides of the input are multiples of it.
        """
        scale = min(1.0, side / max(region.width, region.height))
        width = _even(region.width * scale, 1 << 30)
        height = _even(region.height * scale, 1 << 30)
        if scale < 1.0:
            width = _snapped(width, stride, region.width)
            height = _snapped(height, stride, region.height)
        return cls(region, width, height, _up(width, stride), _up(height, stride))

    def fill(self, source: PixelSource) -> U8:
        """The input's pixels: B, G, R (input_height, input_width, 3), padding black."""
        content = source.sample_bgr(self.region, self.content_width, self.content_height)
        if (self.content_width, self.content_height) == (self.input_width, self.input_height):
            return content
        padded = np.zeros((self.input_height, self.input_width, 3), np.uint8)
        padded[: self.content_height, : self.content_width] = content
        return padded

    def to_source(self, points: F32) -> F32:
        """Input pixels to source pixels.

        Args:
            points: float32 (..., 2K): x and y in turn, in input pixels.

        Returns:
            The same shape, in source pixels.
        """
        pairs = points.reshape(*points.shape[:-1], points.shape[-1] // 2, 2)
        scale = np.array(
            [self.region.width / self.content_width, self.region.height / self.content_height],
            np.float32,
        )
        offset = np.array([self.region.x0, self.region.y0], np.float32)
        return np.asarray(pairs * scale + offset, np.float32).reshape(points.shape)


def _even(length: float, limit: int) -> int:
    return min(limit - limit % 2, max(2, round(length / 2) * 2))


def _snapped(length: int, stride: int, limit: float) -> int:
    """The nearest multiple, where a face looks the same for it: 16:9 then needs no padding."""
    near = max(stride, round(length / stride) * stride)
    return near if near <= limit and abs(near - length) <= _STRETCH * length else length


def _up(length: int, stride: int) -> int:
    return -(-length // stride) * stride
