"""The size of the pieces that a network is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Tile:
    """What one inference takes.

    Attributes:
        width: Columns, with the overlap on both sides, in pixels of the picture.
        height: Rows, likewise.
        batch: Tiles at a time.
    """

    width: int
    height: int
    batch: int = 1

    @property
    def pixels(self) -> int:
        """Pixels of one inference."""
        return self.width * self.height * self.batch


class ChooseTile(Protocol):
    """Says which tile to take for a picture, by what is free now."""

    def __call__(self, width: int, height: int, pictures: int = 1) -> Tile:
        """Chooses.

        Args:
            width: Of the picture in pixels.
            height: Of the picture in pixels.
            pictures: How many of that size there are.

        Raises:
            NoRoom: There is too little even for the smallest tile; the message has the figures.
        """
        ...
