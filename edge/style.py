"""What a covered area looks like, and how strong it is.

Every style goes through the same few cells: the area is shrunk to a coarse grid by averaging, and
the grid is what gets enlarged again. Nothing finer than a cell is ever read, so the cost hardly
grows with the face, and what cannot be seen in the cells cannot be brought back.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

import cv2
import numpy as np

from faceguard.edge.types import Shape
from faceguard.engines.errors import UsageError

if TYPE_CHECKING:
    from faceguard.edge.types import Plane


_LEAST_CELL_PX = 14.0
# The most cells that hide a face: of a mosaic, of a blurred box, of a blurred ellipse.
_MOST_HARD, _MOST_SMOOTH, _MOST_SMOOTH_ELLIPSE = 3.0, 2.0, 1.5
_SAMPLES_A_SIDE = 16


class Look(Enum):
    """The styles by the names that the command line and the configuration use."""

    PIXELATE = "pixelate"
    BLUR = "blur"
    SOLID = "solid"
    PIXELATE_NOISE = "pixelate-noise"
    BLUR_NOISE = "blur-noise"


@dataclass(frozen=True)
class Style:
    """How areas are covered.

    The strengths are the weakest that detectors no longer found faces behind; see
    docs/measurements.md. A smooth patch of skin reads as a face more readily than a hard mosaic
    does, and most of all in an ellipse, so blur gets fewer cells.

    Attributes:
        look: The style.
        cells: Cells across the longer side of a face, before margins; None takes 3, or 2 for blur.
            A blurred ellipse gets no more than 1.5.
        least_cell_px: No cell is smaller than this, so that small faces get fewer cells.
        noise: Standard deviation of the noise styles on an 8-bit scale. It is drawn once a track
            and not once a frame: noise that changes with each frame averages out over a second.
        key: What the noise is drawn from; secret and new for each run, so nobody can subtract it.
    """

    look: Look = Look.PIXELATE
    cells: float | None = None
    least_cell_px: float = _LEAST_CELL_PX
    noise: float = 18.0
    key: int = field(default_factory=lambda: secrets.randbits(64), repr=False)

    def __post_init__(self) -> None:
        """Refuses a style that leaves too much.

        Raises:
            UsageError: More or smaller cells than hide a face.
        """
        if self.cells is not None and not 0 < self.cells <= self._most_cells:
            raise UsageError(
                f"{self.look.value} with {self.cells:g} cells leaves faces that are still found; "
                f"at most {self._most_cells:g} hide one"
            )
        if not self.least_cell_px >= _LEAST_CELL_PX:
            raise UsageError(
                f"cells of {self.least_cell_px:g} px do not hide small faces; "
                f"at least {_LEAST_CELL_PX:g} do"
            )

    @property
    def _most_cells(self) -> float:
        return _MOST_SMOOTH if self.smooth else _MOST_HARD

    @property
    def noisy(self) -> bool:
        """Whether the style adds noise."""
        return self.look in (Look.PIXELATE_NOISE, Look.BLUR_NOISE)

    @property
    def smooth(self) -> bool:
        """Whether cells run into one another."""
        return self.look in (Look.BLUR, Look.BLUR_NOISE)

    def grid(
        self, width_px: float, height_px: float, face_px: float, shape: Shape
    ) -> tuple[int, int]:
        """Cells across and down an area.

        Args:
            width_px: Width of the area to cover, in source pixels.
            height_px: Its height.
            face_px: Longer side of the face in it.
            shape: Outline of the mask.
        """
        cells = self.cells or self._most_cells
        if self.smooth and shape is Shape.ELLIPSE:
            cells = min(cells, _MOST_SMOOTH_ELLIPSE)
        cell = max(self.least_cell_px, face_px / cells)
        return max(1, int(width_px / cell)), max(1, int(height_px / cell))

    def paint(self, area: Plane, grid: tuple[int, int], bits: int, noise_seed: int) -> Plane:
        """What shall stand in place of an area of one plane, for every look but SOLID.

        Args:
            area: Samples (rows, columns) or (rows, columns, channels); is not changed.
            grid: Cells across and down.
            bits: Bits of a sample.
            noise_seed: Tells one area's noise from another's.

        Returns:
            An array of the same shape and dtype.
        """
        rows, columns = area.shape[:2]
        size = (min(grid[0], columns), min(grid[1], rows))
        cells = _averages(area, size)
        if self.noisy:
            cells = self._with_noise(cells, bits, noise_seed)
        how = cv2.INTER_LINEAR if self.smooth else cv2.INTER_NEAREST
        painted: Plane = np.asarray(cv2.resize(cells, (columns, rows), interpolation=how))
        return painted.reshape(area.shape)

    def _with_noise(self, cells: Plane, bits: int, noise_seed: int) -> Plane:
        noise = np.random.default_rng((self.key, noise_seed)).normal(
            0.0, self.noise * 2 ** (bits - 8), cells.shape
        )
        return np.clip(cells + noise, 0, 2**bits - 1).astype(cells.dtype)


def _averages(area: Plane, size: tuple[int, int]) -> Plane:
    """The mean of each cell, from so many samples of it that more would change nothing.

    To read every sample of a large face costs ten times as much, for means that differ by a grey
    level or two.
    """
    rows, columns = area.shape[:2]
    fine = (size[0] * _SAMPLES_A_SIDE, size[1] * _SAMPLES_A_SIDE)
    if fine[0] < columns and fine[1] < rows:
        area = np.asarray(cv2.resize(area, fine, interpolation=cv2.INTER_LINEAR))
    return np.asarray(cv2.resize(area, size, interpolation=cv2.INTER_AREA))
