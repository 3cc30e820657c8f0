"""Which part of a picture is enlarged, how much, and the picture that comes of it plainly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from faceguard.edge.enhance.region import cut_out
from faceguard.edge.sinks.area import Area
from faceguard.edge.types import Image, ImageKind
from faceguard.engines.upscaling.plain import enlarge_plain

# Encoders want even sides, and chroma of 4:2:0 has half of them.
_EVEN = 2
LEAST_PX = 16
"""A region is no smaller: two macroblocks of H.264 across, when it is enlarged twice."""


class View(NamedTuple):
    """A part of a picture, and by what each side grows.

    Attributes:
        area: In even whole pixels of the picture.
        scale: 1 where it would become too large.
    """

    area: Area
    scale: int


@dataclass(frozen=True)
class Zoom:
    """What is enlarged, for pictures of any size.

    Attributes:
        scale: By what each side grows.
        region: The part, as x, y, width and height in shares of the picture; None for all of it.
        most_pixels: What would become larger keeps its size.
    """

    scale: int
    region: tuple[float, float, float, float] | None = None
    most_pixels: int = 1 << 62

    def view(self, width: int, height: int) -> View:
        """The part of a picture of this size; an odd side loses a pixel.

        Args:
            width: In pixels.
            height: In pixels.
        """
        x, y, wide, tall = self.region or (0.0, 0.0, 1.0, 1.0)
        left, columns = _span(x, wide, width)
        top, rows = _span(y, tall, height)
        is_fit = columns * rows * self.scale**2 <= self.most_pixels
        return View(Area(left, top, columns, rows), self.scale if is_fit else 1)

    def kind(self, kind: ImageKind) -> ImageKind:
        """What pictures of a kind become."""
        area, scale = self.view(kind.width, kind.height)
        return kind._replace(width=area.width * scale, height=area.height * scale)


def enlarged_plainly(image: Image, view: View) -> Image:
    """A part of a picture by bicubic interpolation, with memory of its own.

    Args:
        image: In any format; it is not written to.
        view: The part.
    """
    part = cut_out(image, view.area)
    width, height = view.area.width * view.scale, view.area.height * view.scale
    planes = tuple(enlarge_plain(plane, view.scale, bits=part.format.bits) for plane in part.planes)
    return Image(part.format, width, height, planes, part.full_range)


def _span(start: float, length: float, of: int) -> tuple[int, int]:
    """Start and length in even pixels, within a side of so many."""
    whole = max(1, of - of % _EVEN)
    pixels = max(min(LEAST_PX, whole), round(length * of) // _EVEN * _EVEN)
    pixels = min(whole, pixels)
    first = min(round(start * of) // _EVEN * _EVEN, whole - pixels)
    return max(0, first), pixels
