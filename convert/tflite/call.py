"""One operation being converted: its operands, its settings, its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from faceguard.convert.tflite.graph import Layout
from faceguard.engines.errors import BadModelFile, UnsupportedOp

if TYPE_CHECKING:
    import numpy.typing as npt

    from faceguard.convert.tflite.graph import GraphBuilder
    from faceguard.convert.tflite.schema import Operator, Options, Tensor
    from faceguard.engines.types import F32, Array

_NONE, _RELU, _RELU_N1_TO_1, _RELU6 = 0, 1, 2, 3
_PICTURE_RANK = 4


@dataclass(frozen=True)
class Call:
    """What a converter of `ops` works with.

    Operands are named by their place in the operation's list of inputs.

    Attributes:
        graph: The ONNX graph in the making.
        operator: The operation.
    """

    graph: GraphBuilder
    operator: Operator

    @property
    def kind(self) -> str:
        """The operation's name in the schema."""
        return self.operator.kind

    @property
    def options(self) -> Options:
        """The operation's settings."""
        return self.operator.options

    @property
    def count(self) -> int:
        """How many operands it has."""
        return len(self.operator.inputs)

    @property
    def result(self) -> Tensor:
        """Its one output."""
        if len(self.operator.outputs) != 1:
            raise BadModelFile(f"{len(self.operator.outputs)} outputs instead of one")
        return self.graph.tensor(self.operator.outputs[0])

    def given(self, place: int) -> bool:
        """Whether an optional operand is there."""
        return place < self.count and self.operator.inputs[place] >= 0

    def tensor(self, place: int) -> Tensor:
        """An operand that has to be there."""
        if not self.given(place):
            raise BadModelFile(f"operand {place} is missing")
        return self.graph.tensor(self.operator.inputs[place])

    def shape(self, place: int) -> tuple[int, ...]:
        """An operand's shape, in TFLite's order."""
        return self.tensor(place).shape

    def picture(self, place: int) -> tuple[int, int, int, int]:
        """The shape of an operand that has to be (N, H, W, C), each 1 or more."""
        shape = self.shape(place)
        if len(shape) != _PICTURE_RANK or min(shape) < 1:
            raise BadModelFile(f"operand {place} is {list(shape)}, not a picture (N, H, W, C)")
        return shape[0], shape[1], shape[2], shape[3]

    def constant(self, place: int) -> Array:
        """The elements of an operand that has to be known now."""
        tensor = self.tensor(place)
        if not self.graph.is_constant(tensor.index):
            raise UnsupportedOp(f"operand {place} ({tensor}) is not a constant")
        return self.graph.constant(tensor.index)

    def real_constant(self, place: int) -> F32:
        """The numbers of a FLOAT32 constant, or those that scaled integers mean."""
        array = self.constant(place)
        tensor = self.tensor(place)
        if array.dtype != np.float32 and tensor.quantization is None:
            raise UnsupportedOp(f"{tensor}, weights of {tensor.kind} without a scale")
        return self.graph.real_constant(tensor.index).astype(np.float32, copy=False)

    def weights(self, place: int, rank: int) -> F32:
        """The weights of a layer: a constant of so many axes."""
        self._check_rank(place, rank)
        return self.real_constant(place)

    def filters(self, place: int) -> tuple[int, ...]:
        """The shape of a convolution's filters: a constant of four axes."""
        self._check_rank(place, 4)
        return self.shape(place)

    def filters_first(self, place: int, order: tuple[int, ...]) -> str:
        """The ONNX name of a convolution's filters, with their axes in this order.

        Scaled filters stay integers where the picture is scaled too, so that a runtime may
        convolve in integers; else they become FLOAT32.
        """
        tensor = self.tensor(place)
        if tensor.scaled and tensor.quantization is not None and self.tensor(0).scaled:
            return self.graph.scaled_weight(tensor.index, tensor.quantization, order)
        return self.weight(self.weights(place, 4).transpose(order))

    def numbers(self, place: int) -> npt.NDArray[np.int64]:
        """An operand of integers that says what to do, such as a size."""
        array = self.constant(place)
        if array.dtype.kind != "i":
            raise BadModelFile(f"operand {place} is {array.dtype} instead of integers")
        return array.astype(np.int64)

    def shared_layout(self, count: int) -> Layout:
        """The layout for an operation that works in any, as long as all operands have the same.

        Channels first where one of the first `count` operands has it already and all can have it.
        """
        tensors = [self.tensor(place) for place in range(count)]
        fits = all(
            len(tensor.shape) == _PICTURE_RANK
            or (len(tensor.shape) < _PICTURE_RANK and self.graph.is_constant(tensor.index))
            for tensor in tensors
        )
        if fits and any(self.graph.has(tensor.index, Layout.CHANNELS_FIRST) for tensor in tensors):
            return Layout.CHANNELS_FIRST
        return Layout.PLAIN

    def broadcast(self) -> tuple[int, ...]:
        """The shape of a result for each pair of numbers of the first two operands."""
        left, right = self.shape(0), self.shape(1)
        try:
            return np.broadcast_shapes(left, right)
        except ValueError:
            raise BadModelFile(f"the shapes {list(left)} and {list(right)} do not fit") from None

    def read(self, place: int, layout: Layout, rank: int | None = None) -> str:
        """The ONNX name of an operand of real numbers; see `GraphBuilder.value`."""
        tensor = self.tensor(place)
        if tensor.meaning != "FLOAT32":
            raise UnsupportedOp(f"{tensor} holds {tensor.kind} without a scale, not real numbers")
        return self.stored(place, layout, rank)

    def integers(self, place: int) -> str:
        """The ONNX name of an operand of integers that have no scale."""
        tensor = self.tensor(place)
        if tensor.meaning == "FLOAT32":
            raise UnsupportedOp(f"{tensor} holds {tensor.kind}, not integers without a scale")
        return self.stored(place, Layout.PLAIN)

    def stored(self, place: int, layout: Layout, rank: int | None = None) -> str:
        """The ONNX name of an operand of either."""
        return self.graph.value(self.tensor(place).index, layout, rank)

    def weight(self, array: Array) -> str:
        """Adds a constant and gives its ONNX name."""
        return self.graph.nodes.weight(array, f"{self._label}/weight")

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:  # noqa: ANN401
        """Adds a node and gives the ONNX name of its output."""
        return self.graph.nodes.node(kind, inputs, self._label, **attributes)

    def clip(self, value: str, lowest: float, highest: float) -> str:
        """Adds a node that keeps values within bounds."""
        bounds = [self.weight(np.array(bound, np.float32)) for bound in (lowest, highest)]
        return self.node("Clip", [value, *bounds])

    def give(
        self, value: str, layout: Layout, shape: tuple[int, ...], kind: str = "FLOAT32"
    ) -> None:
        """Ends the operation: the fused activation, then the value becomes its output.

        Args:
            value: ONNX name of what the operation computes.
            layout: How its axes are ordered.
            shape: The shape that follows from the operands, in TFLite's order.
            kind: The value's element type; only FLOAT32 is rounded to a scaled result.
        """
        activation = self.options.activation
        if activation != _NONE and kind != "FLOAT32":
            raise UnsupportedOp(f"a fused activation on {kind} is not converted")
        if activation == _RELU:
            value = self.node("Relu", [value])
        elif activation == _RELU_N1_TO_1:
            value = self.clip(value, -1, 1)
        elif activation == _RELU6:
            value = self.clip(value, 0, 6)
        elif activation != _NONE:
            raise UnsupportedOp(f"its fused activation of kind {activation} is not known")
        self.graph.define(self.result.index, value, layout, shape, kind)

    def move(self, value: str, layout: Layout, shape: tuple[int, ...]) -> None:
        """Ends an operation whose result has the first operand's numbers, in other places."""
        self.move_to(self.result, value, layout, shape)

    def move_to(self, result: Tensor, value: str, layout: Layout, shape: tuple[int, ...]) -> None:
        """The same for an operation of several results."""
        source = self.tensor(0)
        if source.scaled and not _same_scale(source, result):
            raise UnsupportedOp(f"{source} and {result} differ in scale")
        self.graph.define(result.index, value, layout, shape, source.meaning, moved=True)

    def give_constant(self, array: Array) -> None:
        """Ends an operation whose output is known now."""
        self.graph.set_constant(self.result.index, array)

    def _check_rank(self, place: int, rank: int) -> None:
        shape = self.constant(place).shape
        if len(shape) != rank:
            raise BadModelFile(f"weights {list(shape)} instead of {rank} axes")

    def same_scale(self, count: int) -> bool:
        """Whether its first operands are of one type and scale."""
        first, *others = (self.tensor(place) for place in range(count))
        return all(first.kind == other.kind and _same_scale(first, other) for other in others)

    @property
    def _label(self) -> str:
        return f"{self.operator.index}_{self.kind}"


def _same_scale(one: Tensor, other: Tensor) -> bool:
    if one.quantization is None:
        return other.quantization is None
    return one.quantization.same_as(other.quantization)
