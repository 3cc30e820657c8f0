"""What is asked of an engine: which backend runs it, in what precision, for which shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Precision = Literal["fp32", "fp16", "int8"]
Backend = Literal["tensorrt", "tensorrt-rtx", "onnx"]

PRECISIONS: tuple[Precision, ...] = get_args(Precision)
BACKENDS: tuple[Backend, ...] = get_args(Backend)

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Profile:
    """The shapes that an engine takes at one input; all three alike where the shape is fixed.

    Attributes:
        minimum: Smallest side on each axis.
        optimum: The shape that the engine is tuned for.
        maximum: Largest side on each axis; memory is taken for it.
    """

    minimum: Shape
    optimum: Shape
    maximum: Shape

    def __post_init__(self) -> None:
        """Checks that the three belong together.

        Raises:
            ValueError: They differ in rank, or a side is below 1 or out of order.
        """
        if not len(self.minimum) == len(self.optimum) == len(self.maximum):
            raise ValueError(f"{self}: minimum, optimum and maximum differ in rank")
        sides = zip(self.minimum, self.optimum, self.maximum, strict=True)
        if not all(1 <= low <= best <= high for low, best, high in sides):
            raise ValueError(f"{self}: on each axis it must be 1 <= minimum <= optimum <= maximum")

    @classmethod
    def fixed(cls, shape: Shape) -> Profile:
        """One shape and no other."""
        return cls(shape, shape, shape)

    @property
    def is_fixed(self) -> bool:
        """Whether there is one shape only."""
        return self.minimum == self.maximum

    def __str__(self) -> str:
        """As it is written on the command line: 1x3x640x640, or MIN,OPT,MAX."""
        shapes = [self.optimum] if self.is_fixed else [self.minimum, self.optimum, self.maximum]
        return ",".join("x".join(map(str, shape)) for shape in shapes)
