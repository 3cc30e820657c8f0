"""What passes between an engine and its users: tensors, picture samples, detections.

Coordinates are pixels of the source picture, x to the right and y down, with (0, 0) at the outer
corner of the first pixel, so a picture of width W spans x from 0 to W.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]
Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class TensorSpec:
    """Name, shape and dtype of one input or output.

    Attributes:
        name: The tensor's name in the graph.
        shape: One entry an axis; None where the graph leaves it open.
        dtype: The numpy dtype of its elements.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[np.generic]

    def accepts(self, array: Array) -> bool:
        """Whether the array has this dtype and fits this shape."""
        return (
            array.dtype == self.dtype
            and array.ndim == len(self.shape)
            and all(
                want is None or want == have
                for want, have in zip(self.shape, array.shape, strict=True)
            )
        )


@dataclass(frozen=True)
class Region:
    """An axis-aligned rectangle in source pixels, right and bottom edges exclusive."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        """Width in pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Height in pixels."""
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        """Area in square pixels; 0 for an empty or inverted rectangle."""
        return max(0.0, self.width) * max(0.0, self.height)

    @property
    def center(self) -> tuple[float, float]:
        """Middle point (x, y)."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    def grown(self, x_px: float, y_px: float) -> Region:
        """The rectangle with each edge moved outward."""
        return Region(self.x0 - x_px, self.y0 - y_px, self.x1 + x_px, self.y1 + y_px)

    def union(self, other: Region) -> Region:
        """The smallest rectangle that holds both."""
        return Region(
            min(self.x0, other.x0),
            min(self.y0, other.y0),
            max(self.x1, other.x1),
            max(self.y1, other.y1),
        )

    def iou(self, other: Region) -> float:
        """Intersection over union, 0 to 1."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.area + other.area - shared)


class PixelSource(Protocol):
    """A picture that can be looked at in part and at any size.

    A detector never sees a frame itself. It asks for a region at the size it wants, and whoever
    holds the frame makes just those pixels, from whatever planes it has.
    """

    @property
    def width(self) -> int:
        """Width in pixels."""
        ...

    @property
    def height(self) -> int:
        """Height in pixels."""
        ...

    def sample_bgr(self, region: Region, width: int, height: int) -> U8:
        """The region, resized.

        Args:
            region: Part of the picture; lies within it.
            width: Width of the answer in pixels, even.
            height: Height of the answer in pixels, even.

        Returns:
            A C-contiguous array (height, width, 3) of B, G, R from 0 to 255, the caller's own.
        """
        ...


@dataclass(frozen=True)
class Detections:
    """Faces found in one picture, best first.

    Attributes:
        boxes: float32 (N, 4): x0, y0, x1, y1 in source pixels; may reach past the picture's edge.
        scores: float32 (N,): the detector's confidence, 0 to 1.
        landmarks: float32 (N, K, 2) in source pixels, or None where the family has none.
    """

    boxes: F32
    scores: F32
    landmarks: F32 | None = None

    def __post_init__(self) -> None:
        """Checks that the arrays belong together."""
        count = len(self.scores)
        if self.boxes.shape != (count, 4) or self.scores.shape != (count,):
            raise ValueError(f"boxes {self.boxes.shape} do not fit scores {self.scores.shape}")
        if self.landmarks is not None and self.landmarks.shape[:1] != (count,):
            raise ValueError(f"landmarks {self.landmarks.shape} do not fit {count} boxes")

    @classmethod
    def empty(cls) -> Detections:
        """No faces."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))

    def __len__(self) -> int:
        """How many faces."""
        return len(self.scores)

    def above(self, score: float) -> Detections:
        """The faces with at least this score."""
        return self.take(np.flatnonzero(self.scores >= score))

    def take(self, index: npt.NDArray[np.intp]) -> Detections:
        """The faces at these places, in this order."""
        landmarks = None if self.landmarks is None else self.landmarks[index]
        return Detections(self.boxes[index], self.scores[index], landmarks)

    def regions(self) -> list[Region]:
        """The boxes as rectangles."""
        return [Region(*map(float, box)) for box in self.boxes]
