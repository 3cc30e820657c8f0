"""Which part of a frame differs from the one before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from faceguard.engines.types import U8


@dataclass(frozen=True)
class Area:
    """A rectangle of whole pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def rows(self) -> slice:
        """The rows it spans."""
        return slice(self.y, self.y + self.height)

    @property
    def columns(self) -> slice:
        """The columns it spans."""
        return slice(self.x, self.x + self.width)


def changed(before: U8 | None, after: U8, *, even: bool = False) -> Area:
    """The smallest rectangle that holds every difference; one pixel where there is none.

    Args:
        before: The earlier frame, or None for the first, which is new all over.
        after: The frame, of the same shape: (height, width, channels).
        even: Whether x and y must be even, as WebP has it.
    """
    height, width = after.shape[:2]
    if before is None:
        return Area(0, 0, width, height)
    differs = np.any(before != after, axis=2)
    rows = np.flatnonzero(differs.any(axis=1))
    columns = np.flatnonzero(differs.any(axis=0))
    if not rows.size:
        return Area(0, 0, 1, 1)
    x, y = int(columns[0]), int(rows[0])
    if even:
        x, y = x & ~1, y & ~1
    return Area(x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y)
