"""Cutting a picture into equal tiles that overlap, and which part of each is kept.

A network pads its input with zeros, so near a tile's edge its answer is not what it would say of
the whole picture. Neighbours therefore overlap, and of each tile only its core is kept: what lies
at least the overlap away from each edge that is not the picture's own. At the picture's own edge
the tile ends where the picture ends, and the network pads as it does for the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faceguard.engines.upscaling.tile import Tile


@dataclass(frozen=True)
class Span:
    """A tile on one axis, in pixels of the picture.

    Attributes:
        start: Where the tile begins.
        keep_from: Where its core begins.
        keep_to: Where its core ends, exclusive.
    """

    start: int
    keep_from: int
    keep_to: int


@dataclass(frozen=True)
class Axis:
    """All tiles of one axis.

    Attributes:
        side: Each tile's length; above the picture's, the rest is to be filled up.
        spans: The tiles in order; their cores follow each other without a gap.
    """

    side: int
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Plan:
    """A picture in tiles of one size.

    Attributes:
        across: The columns.
        down: The rows.
    """

    across: Axis
    down: Axis

    @property
    def tile_shape(self) -> tuple[int, int]:
        """Height and width of each tile in pixels."""
        return self.down.side, self.across.side

    def __len__(self) -> int:
        """How many tiles."""
        return len(self.across.spans) * len(self.down.spans)

    def __iter__(self) -> Iterator[tuple[Span, Span]]:
        """Each tile's columns and rows, row by row."""
        for row in self.down.spans:
            for column in self.across.spans:
                yield column, row


def cut(
    width: int,
    height: int,
    tile: Tile,
    overlap_px: int,
    *,
    least: tuple[int, int] = (1, 1),
) -> Plan:
    """Plans the tiles of a picture.

    Where several are needed they are made as small as their number allows, since each pixel that
    two tiles share is computed twice.

    Args:
        width: Of the picture in pixels.
        height: Of the picture in pixels.
        tile: The largest tile; its batch plays no part.
        overlap_px: How far from a tile's edge its answer is not to be used.
        least: Width and height of the smallest tile that the engine takes; a picture below it is
            to be filled up. The same as `tile` where the engine knows one size only.

    Raises:
        ValueError: A side below 1, a tile below `least`, or one that the overlap uses up while the
            picture is larger.
    """
    return Plan(
        _axis("width", width, tile.width, least[0], overlap_px),
        _axis("height", height, tile.height, least[1], overlap_px),
    )


def _axis(name: str, length: int, most: int, least: int, overlap_px: int) -> Axis:
    if length < 1 or least < 1 or overlap_px < 0:
        raise ValueError(f"{name}: {length} px in tiles of {least} px with {overlap_px} px overlap")
    if most < least:
        raise ValueError(f"{name}: a tile of {most} px, where the engine takes {least} px or more")
    if length <= most:
        return Axis(max(length, least), (Span(0, 0, length),))
    step = most - 2 * overlap_px
    if step < 1:
        raise ValueError(
            f"{name}: a tile of {most} px has no core with {overlap_px} px overlap on both sides; "
            f"take at least {2 * overlap_px + 1} px"
        )
    count = _up(length - 2 * overlap_px, step)
    side = max(least, _up(length - 2 * overlap_px, count) + 2 * overlap_px)
    starts = [(length - side) * place // (count - 1) for place in range(count)]
    # In the middle of what two neighbours share, which is twice the overlap or more.
    seams = [(before + side + start) // 2 for before, start in pairwise(starts)]
    cores = pairwise([0, *seams, length])
    return Axis(side, tuple(Span(at, *core) for at, core in zip(starts, cores, strict=True)))


def _up(length: int, step: int) -> int:
    """Quotient, rounded up."""
    return -(-length // step)
