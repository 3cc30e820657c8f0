"""A part of a picture that is cut out before it is enlarged: digital zoom."""

from __future__ import annotations

import re

from faceguard.edge.sinks.area import Area
from faceguard.edge.types import Image
from faceguard.engines.errors import UsageError

_FOUR = re.compile(r"(-?\d{1,7}),(-?\d{1,7}),(\d{1,7}),(\d{1,7})", re.ASCII)


Part = tuple[int, int, int, int]
"""x and y of the upper left corner, width and height, in pixels of the upright picture."""


def parse_region(text: str) -> Part:
    """Reads `x,y,w,h`.

    Raises:
        UsageError: It is no such thing, or has no size.
    """
    found = _FOUR.fullmatch(text.replace(" ", ""))
    x, y, width, height = map(int, found.groups()) if found else (0, 0, 0, 0)
    if width < 1 or height < 1:
        raise UsageError(f"--roi {text[:40]!r} must be x,y,w,h in whole pixels, as in 100,50,64,64")
    return x, y, width, height


def show_region(area: Area) -> str:
    """A region as messages write it, as `parse_region` reads it."""
    return f"{area.x},{area.y},{area.width},{area.height}"


def within(region: Area, width: int, height: int, *, columns: int = 1, rows: int = 1) -> Area:
    """The part of a region that lies in a picture, moved outward to whole samples of every plane.

    Args:
        region: What was asked for.
        width: The picture's.
        height: The picture's.
        columns: Pixels across that the coarsest plane has one sample for.
        rows: Pixels down, likewise.

    Raises:
        UsageError: None of it lies in the picture.
    """
    left, top = max(0, region.x), max(0, region.y)
    right, bottom = min(width, region.x + region.width), min(height, region.y + region.height)
    if left >= right or top >= bottom:
        raise UsageError(
            f"--roi {show_region(region)} lies outside the picture, which is {width}x{height}"
        )
    left, top = left - left % columns, top - top % rows
    right = min(width, -(-right // columns) * columns)
    bottom = min(height, -(-bottom // rows) * rows)
    return Area(left, top, right - left, bottom - top)


def cut_out(image: Image, region: Area) -> Image:
    """The part of an image under a region, over the same memory.

    Raises:
        UsageError: None of the region lies in the image.
    """
    specs = image.format.planes
    columns, rows = max(spec.sub_x for spec in specs), max(spec.sub_y for spec in specs)
    area = within(region, image.width, image.height, columns=columns, rows=rows)
    planes = []
    for spec, plane in zip(specs, image.planes, strict=True):
        left, top = area.x // spec.sub_x, area.y // spec.sub_y
        shape = spec.shape(area.width, area.height)
        planes.append(plane[top : top + shape[0], left : left + shape[1]])
    return Image(image.format, area.width, area.height, tuple(planes), image.full_range)
