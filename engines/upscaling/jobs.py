"""Tiles to be enlarged: of one picture or of several, those of one size together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2

from faceguard.engines.upscaling.colour import Core

if TYPE_CHECKING:
    from collections.abc import Sequence

    from faceguard.engines.upscaling.colour import Samples
    from faceguard.engines.upscaling.tiles import Plan, Span


@dataclass(frozen=True)
class Job:
    """One tile of one picture.

    Attributes:
        picture: What it is cut from; read, never written.
        out: The whole output; each of its samples belongs to one job.
        across: The tile's columns.
        down: The tile's rows.
    """

    picture: Samples
    out: Samples
    across: Span
    down: Span

    def pixels(self, tile_shape: tuple[int, int]) -> Samples:
        """The tile; where the picture is smaller, it is mirrored outward to fill it."""
        y, x = self.down.start, self.across.start
        pixels = self.picture[y : y + tile_shape[0], x : x + tile_shape[1]]
        below, right = tile_shape[0] - pixels.shape[0], tile_shape[1] - pixels.shape[1]
        if not below and not right:
            return pixels
        filled: Samples = cv2.copyMakeBorder(  # type: ignore[assignment]
            pixels, 0, below, 0, right, cv2.BORDER_REFLECT
        )
        return filled

    def core(self, tile_shape: tuple[int, int]) -> Core:
        """Which part of the tile is kept."""
        x, y = self.across, self.down
        return Core(
            x.keep_from - x.start,
            y.keep_from - y.start,
            x.keep_to - x.start,
            y.keep_to - y.start,
            min(tile_shape[1], self.picture.shape[1] - x.start),
            min(tile_shape[0], self.picture.shape[0] - y.start),
        )

    def place(self, core: Core, scale: int) -> Samples:
        """Where in the output the core, or a strip of it, belongs."""
        x, y = self.across.start, self.down.start
        return self.out[
            (y + core.y0) * scale : (y + core.y1) * scale,
            (x + core.x0) * scale : (x + core.x1) * scale,
        ]


@dataclass(frozen=True)
class Group:
    """Jobs whose tiles have one size.

    Attributes:
        tile_shape: Height and width of each in pixels.
        batch: How many go together.
        jobs: All of them.
    """

    tile_shape: tuple[int, int]
    batch: int
    jobs: list[Job]

    def batches(self) -> list[list[Job]]:
        """The jobs, as many at a time as go together."""
        starts = range(0, len(self.jobs), self.batch)
        return [self.jobs[start : start + self.batch] for start in starts]


def grouped(
    pictures: Sequence[Samples], outs: Sequence[Samples], plans: Sequence[tuple[Plan, int]]
) -> list[Group]:
    """The tiles of all pictures, by size.

    Args:
        pictures: The pictures.
        outs: Their outputs.
        plans: Their tiles, and how many may go together; where two pictures have tiles of one size,
            the smaller number holds.
    """
    batches: dict[tuple[int, int], int] = {}
    jobs: dict[tuple[int, int], list[Job]] = {}
    for picture, out, (plan, batch) in zip(pictures, outs, plans, strict=True):
        shape = plan.tile_shape
        batches[shape] = min(batch, batches.get(shape, batch))
        jobs.setdefault(shape, []).extend(Job(picture, out, *spans) for spans in plan)
    return [Group(shape, batches[shape], those) for shape, those in jobs.items()]
