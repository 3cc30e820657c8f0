"""One TensorFlow node being converted: its operands, its settings, its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from faceguard.convert.frozen.graph import Layout
from faceguard.convert.frozen.sides import Open, show
from faceguard.engines.errors import BadModelFile, UnsupportedOp

if TYPE_CHECKING:
    from faceguard.convert.frozen.graph import GraphBuilder
    from faceguard.convert.frozen.schema import Node
    from faceguard.convert.frozen.sides import Shape, Side
    from faceguard.engines.types import F32, Array

_PICTURE_RANK = 4


@dataclass(frozen=True)
class Call:
    """What a converter works with. Operands are named by their place in the node's inputs.

    Attributes:
        graph: The ONNX graph in the making.
        source: The TensorFlow node.
    """

    graph: GraphBuilder
    source: Node

    @property
    def op(self) -> str:
        """The operation's name in TensorFlow."""
        return self.source.op

    @property
    def count(self) -> int:
        """How many operands it has."""
        return len(self.source.inputs)

    def expect(self, count: int) -> None:
        """Checks that it has so many operands."""
        if self.count != count:
            raise BadModelFile(f"{self.count} inputs instead of {count}")

    def name(self, place: int) -> str:
        """The node that gives an operand."""
        return self.source.inputs[place]

    def shape(self, place: int) -> Shape:
        """An operand's shape, in the file's layout."""
        return self.graph.shape(self.name(place))

    def picture(self, place: int) -> tuple[Side, Side, Side, Side]:
        """The shape of an operand that has to be a picture of four axes."""
        shape = self.shape(place)
        if len(shape) != _PICTURE_RANK:
            raise BadModelFile(f"it reads {show(shape)}, not a picture of four axes")
        return shape[0], shape[1], shape[2], shape[3]

    def channels(self, shape: Shape, axis: int) -> int:
        """How many channels a picture of this shape has; they cannot be open."""
        side = shape[axis]
        if isinstance(side, Open):
            raise UnsupportedOp(f"it reads {show(shape)}; the number of channels has to be known")
        return side

    def is_constant(self, place: int) -> bool:
        """Whether an operand's elements are known now."""
        return self.graph.is_constant(self.name(place))

    def all_constant(self) -> bool:
        """Whether the result can be worked out now."""
        return all(self.is_constant(place) for place in range(self.count))

    def constant(self, place: int) -> Array:
        """The elements of an operand that has to be known now."""
        if not self.is_constant(place):
            raise UnsupportedOp(f"its input {self.name(place)[:80]!r} is not a constant")
        return self.graph.constant(self.name(place))

    def weights(self, place: int, rank: int) -> F32:
        """The weights of a layer: a float32 constant of so many axes."""
        array = self.constant(place)
        if array.dtype != np.float32:
            raise UnsupportedOp(f"weights of {array.dtype}; only floating point is converted")
        if array.ndim != rank:
            raise BadModelFile(f"weights {show(array.shape)} instead of {rank} axes")
        return array.astype(np.float32, copy=False)

    def sides(self, place: int) -> list[Side]:
        """A vector of sizes, some of which may be open."""
        array = self.constant(place)
        if array.dtype.kind not in "iO" or array.ndim != 1 or array.size > _PICTURE_RANK * 2:
            raise BadModelFile(f"its input {self.name(place)[:80]!r} is no list of sizes")
        sizes: list[Side] = array.tolist()
        return sizes

    def numbers(self, place: int) -> list[int]:
        """A vector of a few whole numbers, none of them open."""
        return [self._definite(side) for side in self.sides(place)]

    def number(self, place: int) -> int:
        """A single whole number that is not open."""
        array = self.constant(place)
        if array.dtype.kind not in "iO" or array.size != 1:
            raise BadModelFile(f"its input {self.name(place)[:80]!r} is no single number")
        return self._definite(array.reshape(-1).tolist()[0])

    def channels_last(self) -> bool:
        """Whether its pictures are (N, H, W, C) and not (N, C, H, W)."""
        order = self.source.text("data_format", "NHWC")
        if order not in ("NHWC", "NCHW"):
            raise UnsupportedOp(f"the order of axes {order} is not converted")
        return order == "NHWC"

    def shared_layout(self) -> Layout:
        """The layout for an operation that works in any, as long as all operands have the same.

        Channels first where an operand has it already and all can have it.
        """
        found = False
        for place in range(self.count):
            rank = len(self.shape(place))
            if rank != _PICTURE_RANK and not (rank < _PICTURE_RANK and self.is_constant(place)):
                return Layout.PLAIN
            found |= self.graph.has(self.name(place), Layout.CHANNELS_FIRST)
        return Layout.CHANNELS_FIRST if found else Layout.PLAIN

    def read(self, place: int, layout: Layout, rank: int | None = None) -> str:
        """The ONNX name of an operand; see `GraphBuilder.value`."""
        return self.graph.value(self.name(place), layout, rank)

    def weight(self, array: Array) -> str:
        """Adds a constant and gives its ONNX name."""
        return self.graph.weight(array, self.source.name)

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:  # noqa: ANN401
        """Adds a node and gives the ONNX name of its output."""
        return self.graph.node(kind, inputs, self.source.name, **attributes)

    def give(self, value: str, layout: Layout, shape: Shape) -> None:
        """Ends the operation: the value becomes its result, of this shape in the file's layout."""
        self.graph.define(self.source.name, value, layout, shape)

    def give_constant(self, array: Array) -> None:
        """Ends an operation whose result is known now."""
        self.graph.set_constant(self.source.name, array)

    def give_input(self, place: int) -> None:
        """Ends an operation that hands on what it reads."""
        self.graph.alias(self.source.name, self.name(place))

    def _definite(self, side: Side) -> int:
        if isinstance(side, Open):
            raise UnsupportedOp(f"it needs a number, and the size {side} is open")
        return side
