"""A picture that lies in memory as B, G, R, seen the way a detector wants it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from faceguard.engines.resize import resized

if TYPE_CHECKING:
    from faceguard.engines.types import U8, Region


@dataclass(frozen=True)
class BgrArray:
    """A numpy picture as a `faceguard.engines.types.PixelSource`.

    Attributes:
        pixels: uint8 (height, width, 3): B, G, R from 0 to 255. It is read, never written.
    """

    pixels: U8

    def __post_init__(self) -> None:
        """Refuses what is no picture.

        Raises:
            ValueError: Another dtype or shape, or no pixels at all.
        """
        pixels = self.pixels
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
            raise ValueError(f"want uint8 (height, width, 3), not {pixels.dtype} {pixels.shape}")

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[0])

    def sample_bgr(self, region: Region, width: int, height: int) -> U8:
        """The region, resized; see `PixelSource.sample_bgr`."""
        x0 = min(max(0, math.floor(region.x0)), self.width - 1)
        y0 = min(max(0, math.floor(region.y0)), self.height - 1)
        x1 = max(x0 + 1, math.ceil(region.x1))
        y1 = max(y0 + 1, math.ceil(region.y1))
        part = self.pixels[y0:y1, x0:x1]
        pixels = resized(part, width, height)
        return np.array(pixels, np.uint8, copy=pixels is part)
