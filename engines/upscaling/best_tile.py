"""The tile with which the least is computed, of those up to a size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from faceguard.engines.upscaling.footprint import GRAIN_PX, work_pixels
from faceguard.engines.upscaling.tile import Tile

Asked: TypeAlias = tuple[int, int, int]
"""Width and height of a picture in pixels, and how many pictures of that size there are."""

_USUAL_SIDE_PX = 256
_USUAL_OVERLAPS = 12
_LEAST_SIDE_PX = 32
_LEAST_OVERLAPS = 3
_CALL_PIXELS = 1024
_BATCH_PIXELS = 128 * 128


def usual_pixels(overlap_px: int) -> int:
    """Pixels of a tile above which little is gained.

    Of the sides of a square one that is 12 overlaps long, five sixths are kept.

    Args:
        overlap_px: What each side of a tile shares with its neighbour.
    """
    side = max(_USUAL_SIDE_PX, _USUAL_OVERLAPS * overlap_px)
    return side * side


@dataclass(frozen=True)
class Takes:
    """Which tiles an engine was built for; a graph takes any.

    Attributes:
        least: The smallest, and the fewest at a time.
        most: The largest, and the most at a time.
    """

    least: Tile
    most: Tile


def least_tile(asked: Asked, overlap_px: int, takes: Takes | None = None) -> Tile:
    """The smallest tile: of each side a third is kept, or it is all of a small picture.

    Args:
        asked: The pictures.
        overlap_px: What each side of a tile shares with its neighbour.
        takes: What an engine takes.
    """
    width, height, _ = asked
    side = max(_LEAST_SIDE_PX, _LEAST_OVERLAPS * overlap_px)
    across, down = min(side, width), min(side, height)
    if takes is None:
        return Tile(across, down)
    low, high = takes.least, takes.most
    return Tile(
        max(low.width, min(across, high.width)),
        max(low.height, min(down, high.height)),
        low.batch,
    )


def best_tile(asked: Asked, pixels: int, overlap_px: int, takes: Takes | None = None) -> Tile:
    """The tile with which the fewest pixels are computed for a picture.

    Tiles are equal (`tiles.cut`), so each further column makes all of them narrower. Where whole
    pictures are small, several go together, since each inference costs something by itself.

    Args:
        asked: The pictures.
        pixels: The most that one inference may take, as `work_pixels` counts them.
        overlap_px: What each side of a tile shares with its neighbour.
        takes: What an engine takes.

    Returns:
        The best; the smallest where all others are above `pixels`.
    """
    width, height, pictures = asked
    least = least_tile(asked, overlap_px, takes)
    # A smaller picture is filled up.
    width, height = max(width, least.width), max(height, least.height)
    widest, highest, together = width, height, pictures
    if takes is not None:
        widest, highest, together = takes.most.width, takes.most.height, takes.most.batch
    # Wider ones leave no room for a single block's height: spares going through them.
    widest = min(widest, pixels // (GRAIN_PX * least.batch) // GRAIN_PX * GRAIN_PX)
    costs: list[tuple[int, int, int]] = []
    for columns, across in _sides(width, least.width, widest, 2 * overlap_px):
        room = pixels // (_blocks(across) * least.batch) // GRAIN_PX * GRAIN_PX
        # The highest that fits is the best for this width, or within a block of it: fewer rows
        # share less.
        found = next(_sides(height, least.height, min(highest, room), 2 * overlap_px), None)
        if found is not None:
            rows, down = found
            each = work_pixels(Tile(across, down)) + _CALL_PIXELS
            costs.append((columns * rows * each, across, down))
    _, across, down = min(costs, default=(0, least.width, least.height))
    if (across, down) != (width, height):
        return Tile(across, down, least.batch)
    fitting = min(pixels, _BATCH_PIXELS) // work_pixels(Tile(across, down))
    return Tile(across, down, max(least.batch, min(pictures, together, fitting)))


def _sides(length: int, least: int, most: int, shared: int) -> Iterator[tuple[int, int]]:
    """How a side can be cut: the number of tiles and the length of each, longest first.

    Of lengths that end in the same block, which cost the same, the longest: there are fewest of it.
    So there are never more than blocks in `most`, however long the side is.
    """
    if least <= length <= most:
        yield 1, length
    core = most - shared
    if core < 1 or length <= shared:
        return
    count = max(2, -(-(length - shared) // core))
    while (side := -(-(length - shared) // count) + shared) >= max(least, shared + 1):
        yield count, side
        shorter = _blocks(side) - GRAIN_PX - shared
        if shorter < 1:
            return
        count = -(-(length - shared) // shorter)


def _blocks(side: int) -> int:
    return -(-side // GRAIN_PX) * GRAIN_PX
