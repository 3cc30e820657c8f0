"""An ONNX graph in the making, each value in the layout that its readers want.

TensorFlow keeps pictures as (N, H, W, C) unless told otherwise, ONNX convolves (N, C, H, W). Each
value is kept in the layout in which its node made it; when another reads it in the other layout,
one Transpose is added and remembered. What comes in and goes out has the layout of the file.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from faceguard.convert.fresh_name import fresh_name
from faceguard.convert.frozen.sides import Open, show
from faceguard.engines.errors import BadModelFile, UnsupportedOp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from faceguard.convert.frozen.sides import Shape
    from faceguard.engines.types import Array

OPSET = 17
IR_VERSION = 8
TO_CHANNELS_FIRST = (0, 3, 1, 2)
TO_PLAIN = (0, 2, 3, 1)
_MAX_RANK = 8
_MAX_ELEMENTS = 1 << 28
# Quantized weights grow by 4, and are claimed once as arrays and once as bytes: factor 8 in sound
# files. The limits only stop a small forged file from claiming all memory.
_MAX_GROWTH = 64
_MAX_WEIGHT_BYTES = 1 << 30
_LARGE_WEIGHT_BYTES = 1 << 12
_TYPES = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64}


class Layout(enum.Enum):
    """How the axes of a value are ordered."""

    PLAIN = "as in the file"
    CHANNELS_FIRST = "a (N, H, W, C) of the file, turned to (N, C, H, W)"


class GraphBuilder:
    """Collects nodes and weights, and remembers what holds the result of each TensorFlow node."""

    def __init__(self, name: str, size: int, reserved: Iterable[str]) -> None:
        """Starts an empty graph.

        Args:
            name: The graph's name.
            size: Length of the file in bytes.
            reserved: Names that inputs and outputs will bear.
        """
        self._model = onnx.ModelProto(ir_version=IR_VERSION, producer_name="faceguard")
        self._model.opset_import.append(helper.make_opsetid("", OPSET))
        self._model.graph.name = name
        self._size = size
        self._bytes_left = min(_MAX_WEIGHT_BYTES, _MAX_GROWTH * size + (1 << 20))
        self._taken = set(reserved)
        self._values: dict[tuple[str, Layout], str] = {}
        self._shapes: dict[str, Shape] = {}
        self._constants: dict[str, Array] = {}
        self._shared: dict[tuple[str, Layout, int], str] = {}

    def spend(self, count: int) -> None:
        """Takes bytes from what the file may claim.

        Raises:
            BadModelFile: It claims more than its size can mean.
        """
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise BadModelFile(f"its weights claim more memory than {self._size} bytes can mean")

    def add_input(self, source: str, shape: Shape) -> None:
        """Makes a placeholder an input of the graph, float32 and of this shape."""
        self._model.graph.input.append(_value_info(source, shape))
        self.define(source, source, Layout.PLAIN, shape)

    def define(self, source: str, value: str, layout: Layout, shape: Shape) -> None:
        """Says which ONNX value holds the result of a node.

        Args:
            source: The TensorFlow node.
            value: The ONNX name.
            layout: How its axes are ordered.
            shape: Its shape in the file's layout.

        Raises:
            BadModelFile: The shape is impossible.
        """
        elements = 1
        for side in shape:
            elements *= side if isinstance(side, int) else 1
            if isinstance(side, int) and side < 1:
                elements = 0
        if not 1 <= elements <= _MAX_ELEMENTS or len(shape) > _MAX_RANK:
            raise BadModelFile(f"it makes something of the shape {show(shape)}")
        self._values[source, layout] = value
        self._shapes[source] = shape

    def set_constant(self, source: str, array: Array) -> None:
        """Says that the result of a node is known now."""
        self._constants[source] = array

    def alias(self, source: str, original: str) -> None:
        """Makes the result of one node that of another too."""
        if original in self._constants:
            self._constants[source] = self._constants[original]
            return
        self._shapes[source] = self.shape(original)
        for layout in Layout:
            if self.has(original, layout):
                self._values[source, layout] = self._values[original, layout]

    def is_constant(self, source: str) -> bool:
        """Whether its elements are known now."""
        return source in self._constants

    def constant(self, source: str) -> Array:
        """The elements of a constant; objects where some are open sides."""
        return self._constants[source]

    def forget(self, source: str) -> None:
        """Lets go of a constant that is not read any more; what was made of it stays."""
        self._constants.pop(source, None)

    def shape(self, source: str) -> Shape:
        """The shape of a node's result, in the file's layout."""
        if source in self._constants:
            return self._constants[source].shape
        return self._shapes[source]

    def has(self, source: str, layout: Layout) -> bool:
        """Whether it can be read in this layout without a Transpose."""
        return (source, layout) in self._values

    def value(self, source: str, layout: Layout, rank: int | None = None) -> str:
        """The ONNX name of a node's result in this layout.

        Args:
            source: The TensorFlow node.
            layout: How the reader wants its axes.
            rank: For a constant: leading axes of one element are added up to this many, as
                broadcasting does it, before the layout is changed.

        Raises:
            UnsupportedOp: It is a constant of another type than float32.
        """
        if source in self._constants:
            return self._constant_value(source, layout, rank)
        if (source, layout) not in self._values:
            first = layout is Layout.CHANNELS_FIRST
            held = self._values[source, Layout.PLAIN if first else Layout.CHANNELS_FIRST]
            perm = TO_CHANNELS_FIRST if first else TO_PLAIN
            self._values[source, layout] = self.node("Transpose", [held], source, perm=perm)
        return self._values[source, layout]

    def node(self, kind: str, inputs: list[str], label: str, **attributes: Any) -> str:  # noqa: ANN401
        """Adds a node of one output.

        Args:
            kind: The ONNX operator.
            inputs: ONNX names.
            label: Where it comes from; the node's name starts with it.
            **attributes: The operator's attributes.

        Returns:
            The ONNX name of its output.
        """
        output = self._fresh(f"{label}/{kind}")
        self._model.graph.node.append(
            helper.make_node(kind, inputs, [output], name=output, **attributes)
        )
        return output

    def weight(self, array: Array, label: str) -> str:
        """Adds a constant, float32 or int64, and gives its ONNX name.

        Raises:
            BadModelFile: The weights are larger than the file can mean.
        """
        self.spend(array.nbytes)
        name = self._fresh(f"{label}/weight")
        made = self._model.graph.initializer.add(
            name=name, dims=array.shape, data_type=_TYPES[array.dtype]
        )
        made.raw_data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        return name

    def finish(self, outputs: Iterable[str]) -> onnx.ModelProto:
        """Names the outputs, checks the whole graph and gives it.

        Args:
            outputs: The nodes whose results the graph gives.

        Raises:
            BadModelFile: onnx.checker finds a contradiction in it.
        """
        graph = self._model.graph
        for source in outputs:
            value = self.value(source, Layout.PLAIN)
            graph.node.append(helper.make_node("Identity", [value], [source], name=source))
            graph.output.append(_value_info(source, self.shape(source)))
        try:
            onnx.checker.check_model(self._without_large_weights(), full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            why = " ".join(str(error).split())[:200]
            raise BadModelFile(f"its graph contradicts itself: {why}") from error
        return self._model

    def _without_large_weights(self) -> onnx.ModelProto:
        """The same graph with large weights as inputs: the checker would copy them all."""
        light = onnx.ModelProto(
            ir_version=self._model.ir_version, opset_import=self._model.opset_import
        )
        graph = self._model.graph
        light.graph.name = graph.name
        for field in ("node", "input", "output"):
            getattr(light.graph, field).extend(getattr(graph, field))
        for weight in graph.initializer:
            if len(weight.raw_data) < _LARGE_WEIGHT_BYTES:
                light.graph.initializer.append(weight)
            else:
                light.graph.input.append(
                    helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims)
                )
        return light

    def _constant_value(self, source: str, layout: Layout, rank: int | None) -> str:
        array = self._constants[source]
        if array.dtype != np.float32:
            raise UnsupportedOp(f"it computes with {source[:80]!r}, which is {array.dtype}")
        axes = array.ndim if rank is None else rank
        key = (source, layout, axes)
        if key not in self._shared:
            array = array.reshape((1,) * (axes - array.ndim) + array.shape)
            if layout is Layout.CHANNELS_FIRST:
                array = array.transpose(TO_CHANNELS_FIRST)
            self._shared[key] = self.weight(array, source)
        return self._shared[key]

    def _fresh(self, label: str) -> str:
        return fresh_name(label, self._taken)


def _value_info(name: str, shape: Shape) -> onnx.ValueInfoProto:
    sides = [str(side) if isinstance(side, Open) else side for side in shape]
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, sides)
