"""What a TFLite file says, as plain records: nothing here points into the file's tables any more.

Names and meanings follow the schema of TensorFlow Lite (schema.fbs, version 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from faceguard.engines.types import U8

DTYPES: dict[str, np.dtype[np.generic]] = {
    "FLOAT32": np.dtype("<f4"),
    "FLOAT16": np.dtype("<f2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "INT8": np.dtype("i1"),
    "UINT8": np.dtype("u1"),
}
"""The element types whose constants can be read."""


@dataclass(frozen=True)
class Level:
    """One level of a sparse tensor's tree, outermost first.

    Attributes:
        dense_size: How many children each node has, all of them stored; 0 for a sparse level.
        segments: Sparse only: the children of node k are indices[segments[k] : segments[k + 1]].
        indices: Sparse only: which coordinate each stored child has.
    """

    dense_size: int
    segments: npt.NDArray[np.integer] | None = None
    indices: npt.NDArray[np.integer] | None = None


@dataclass(frozen=True)
class Sparsity:
    """How the stored values of a sparse tensor are spread over its shape.

    Attributes:
        order: The dimension that each level walks; from the tensor's rank on, block dimensions.
        block_map: The dimension that each block dimension cuts.
        levels: One for each entry of `order`.
    """

    order: tuple[int, ...]
    block_map: tuple[int, ...]
    levels: tuple[Level, ...]


@dataclass(frozen=True, eq=False)
class Quantization:
    """What integers stand for: scale * (integer - zero).

    Attributes:
        scale: One factor, or one for each place along the axis; 0 or more.
        zero: As many integers that mean 0, each within the type's range.
        axis: The dimension that the factors run along; None where there is only one.
    """

    scale: npt.NDArray[np.float32]
    zero: npt.NDArray[np.int64]
    axis: int | None

    def same_as(self, other: Quantization | None) -> bool:
        """Whether the same integers stand for the same numbers."""
        return (
            other is not None
            and self.axis == other.axis
            and np.array_equal(self.scale, other.scale)
            and np.array_equal(self.zero, other.zero)
        )


@dataclass(frozen=True)
class Tensor:
    """One tensor of the graph.

    Attributes:
        index: Its place in the file.
        name: As the file gives it; may be empty or used twice.
        shape: Sides, each 0 or more; pictures are (N, H, W, C).
        kind: Element type as the schema calls it, such as FLOAT32.
        data: The stored bytes of a constant, or None.
        sparsity: How a constant's values are spread, or None where all are stored.
        quantization: What integers stand for, or None where they are only integers.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    kind: str
    data: U8 | None
    sparsity: Sparsity | None
    quantization: Quantization | None = None

    @property
    def scaled(self) -> bool:
        """Whether it stores real numbers as integers of 8 bits."""
        return self.quantization is not None and self.kind in ("INT8", "UINT8")

    @property
    def meaning(self) -> str:
        """The element type of what it means: FLOAT32 for scaled integers."""
        return "FLOAT32" if self.scaled else self.kind

    @property
    def elements(self) -> int:
        """How many elements the shape has; Python's integers do not overflow."""
        return math.prod(self.shape)

    def __str__(self) -> str:
        """Number and name, short enough for a message."""
        name = self.name if len(self.name) <= 80 else self.name[:77] + "..."
        return f"tensor {self.index} {name!r}"


@dataclass(frozen=True)
class Options:
    """The settings of an operation; each reads only those that its kind has.

    Attributes:
        activation: Fused activation, a number of ActivationFunctionType.
        padding: 0 for SAME, 1 for VALID.
        strides: Steps (y, x).
        dilations: Spacing of a kernel's taps (y, x).
        kernel: A pool's window (height, width); a convolution's follows from its weights.
        axis: The axis that a concatenation grows, and that PACK adds or UNPACK takes away.
        block_size: The side of DEPTH_TO_SPACE's blocks.
        align_corners: A resize maps the corner pixels' centres onto each other.
        half_pixel_centers: A resize counts positions from the pixels' centres.
        alpha: The factor of LEAKY_RELU below 0.
    """

    activation: int = 0
    padding: int = 0
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    kernel: tuple[int, int] = (1, 1)
    axis: int = 0
    block_size: int = 0
    align_corners: bool = False
    half_pixel_centers: bool = False
    alpha: float = 0


@dataclass(frozen=True)
class Operator:
    """One operation of the graph.

    Attributes:
        index: Its place in the order of execution.
        kind: Its name in the schema, such as CONV_2D.
        inputs: Tensor indices; -1 for an optional one that is left out.
        outputs: Tensor indices.
        options: Its settings.
    """

    index: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options

    def __str__(self) -> str:
        """Number and kind, for messages."""
        return f"op {self.index} {self.kind}"


@dataclass(frozen=True)
class Model:
    """The main graph of a TFLite file.

    Attributes:
        size: Length of the file in bytes.
        tensors: All tensors, by index.
        operators: All operations, in the order of execution.
        inputs: Tensor indices of the graph's inputs.
        outputs: Tensor indices of the graph's outputs.
    """

    size: int
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
