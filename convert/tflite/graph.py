"""An ONNX graph in the making, each tensor in the layout that its readers want.

TFLite keeps pictures as (N, H, W, C), ONNX convolves (N, C, H, W). Each tensor is kept in the
layout in which its operation made it; when another reads it in the other layout, one Transpose is
added and remembered. So a chain of convolutions runs without any, and what comes in and goes out
has the layout of the TFLite file.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, helper

from faceguard.convert.tflite.nodes import Nodes
from faceguard.convert.tflite.scaled import meaning
from faceguard.convert.tflite.schema import DTYPES
from faceguard.convert.tflite.sparse import densify
from faceguard.engines.errors import BadModelFile, UnsupportedOp

if TYPE_CHECKING:
    import onnx

    from faceguard.convert.tflite.schema import Model, Quantization, Tensor
    from faceguard.engines.types import Array

OPSET = 17
IR_VERSION = 8
_TO_CHANNELS_FIRST = (0, 3, 1, 2)
_TO_PLAIN = (0, 2, 3, 1)
_ONNX_TYPES: dict[str, int] = {
    "FLOAT32": TensorProto.FLOAT,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "INT8": TensorProto.INT8,
    "UINT8": TensorProto.UINT8,
}
_MAX_ELEMENTS = 1 << 28


class Layout(enum.Enum):
    """How the axes of a tensor are ordered."""

    PLAIN = "as in the TFLite file"
    CHANNELS_FIRST = "(N, C, H, W); only tensors of four axes"


class GraphBuilder:
    """Collects nodes and weights, and remembers what holds each TFLite tensor."""

    def __init__(self, model: Model) -> None:
        """Starts with the graph's inputs.

        Args:
            model: The TFLite graph.

        Raises:
            BadModelFile: Inputs or outputs have no name, share one, or have an impossible shape.
            UnsupportedOp: An input or output has an element type that is not converted.
        """
        self._model = model
        self.nodes = Nodes(model.size)
        self._values: dict[tuple[int, Layout], str] = {}
        self._constants: dict[int, Array] = {}
        self._integers: dict[tuple[int, tuple[int, ...]], str] = {}
        self._shared: dict[tuple[int, Layout, int], str] = {}
        for index in (*model.inputs, *model.outputs):
            tensor = model.tensors[index]
            self._check_computed(tensor, "an input or output")
            if not tensor.name or not self.nodes.claim(tensor.name):
                raise BadModelFile(f"{tensor} needs a name of its own, as input or output")
        for index in model.inputs:
            tensor = model.tensors[index]
            value = tensor.name
            if tensor.scaled and tensor.quantization is not None:
                value = self.nodes.unscaled(value, tensor, tensor.quantization)
            self._values[index, Layout.PLAIN] = value

    def tensor(self, index: int) -> Tensor:
        """The TFLite tensor of this index."""
        return self._model.tensors[index]

    def is_constant(self, index: int) -> bool:
        """Whether its elements are known now."""
        return index in self._constants or self.tensor(index).data is not None

    def constant(self, index: int) -> Array:
        """The elements of a constant, dense, in the TFLite file's layout.

        Raises:
            BadModelFile: Its sparse storage is damaged, or it is larger than the file can mean.
            UnsupportedOp: Its element type cannot be read.
        """
        if index not in self._constants:
            tensor = self.tensor(index)
            dtype = DTYPES.get(tensor.kind)
            if tensor.data is None or dtype is None:
                raise UnsupportedOp(f"{tensor} holds {tensor.kind}, which is not read")
            values = tensor.data.view(dtype)
            if tensor.sparsity is None:
                self._constants[index] = values.reshape(tensor.shape)
            else:
                self.nodes.spend(tensor.elements * dtype.itemsize)
                self._constants[index] = densify(values, tensor.shape, tensor.sparsity)
        return self._constants[index]

    def set_constant(self, index: int, array: Array) -> None:
        """Gives a tensor elements that were worked out during conversion.

        Raises:
            BadModelFile: Something gave it a value before, or its shape is another.
        """
        tensor = self.tensor(index)
        self._check_new(tensor, array.shape)
        if DTYPES.get(tensor.kind) != array.dtype:
            raise BadModelFile(f"{tensor} comes out as {array.dtype}, the file says {tensor.kind}")
        self.nodes.spend(array.nbytes)
        self._constants[index] = array

    def has(self, index: int, layout: Layout) -> bool:
        """Whether it can be read in this layout without a Transpose."""
        return (index, layout) in self._values

    def value(self, index: int, layout: Layout, rank: int | None = None) -> str:
        """The ONNX name of a tensor in this layout.

        Args:
            index: The TFLite tensor.
            layout: How the reader wants its axes.
            rank: For a constant: leading axes of one element are added up to this many, as
                TFLite's broadcasting does it, before the layout is changed.

        Raises:
            BadModelFile: No operation before this one gave it a value.
            UnsupportedOp: It is a constant of a type that no operation here works on.
        """
        if self.is_constant(index):
            return self._constant_value(index, layout, rank)
        if (index, layout) not in self._values:
            other = Layout.PLAIN if layout is Layout.CHANNELS_FIRST else Layout.CHANNELS_FIRST
            if (index, other) not in self._values:
                raise BadModelFile(f"{self.tensor(index)} is read before it is made")
            perm = _TO_CHANNELS_FIRST if layout is Layout.CHANNELS_FIRST else _TO_PLAIN
            made = self.nodes.node(
                "Transpose", [self._values[index, other]], f"tensor_{index}", perm=perm
            )
            self._values[index, layout] = made
        return self._values[index, layout]

    def real_constant(self, index: int) -> Array:
        """A constant's numbers: scaled integers are given as what they mean."""
        array, quantization = self.constant(index), self.tensor(index).quantization
        return array if quantization is None else meaning(array, quantization)

    def define(
        self,
        index: int,
        value: str,
        layout: Layout,
        shape: tuple[int, ...],
        kind: str = "FLOAT32",
        *,
        moved: bool = False,
    ) -> None:
        """Says which ONNX value holds a tensor.

        That of a scaled tensor is what its integers mean, in FLOAT32: the value is rounded to
        them by a QuantizeLinear and a DequantizeLinear behind it.

        Args:
            index: The TFLite tensor.
            value: The ONNX name.
            layout: How its axes are ordered.
            shape: The shape that follows from its operation, in the TFLite file's layout.
            kind: The value's element type.
            moved: Its numbers come from tensors of the same scale, and are rounded already.

        Raises:
            BadModelFile: The file gives it another shape or type, or something gave it a value
                before.
            UnsupportedOp: Its element type is not converted.
        """
        tensor = self.tensor(index)
        self._check_computed(tensor, "a result")
        self._check_new(tensor, shape)
        if tensor.meaning != kind:
            raise BadModelFile(f"{tensor} comes out as {kind}, the file says {tensor.kind}")
        if tensor.scaled and tensor.quantization is not None and not moved:
            value = self.nodes.scaled(value, tensor, tensor.quantization)
            value = self.nodes.unscaled(value, tensor, tensor.quantization)
        self._values[index, layout] = value

    def scaled_weight(self, index: int, quantization: Quantization, order: tuple[int, ...]) -> str:
        """Adds a scaled constant once, as its integers with a DequantizeLinear behind.

        Args:
            index: The TFLite tensor.
            quantization: Its scale.
            order: Its axes in the order that the reader wants them.

        Returns:
            The ONNX name of the numbers that it means.
        """
        key = (index, order)
        if key not in self._integers:
            name = self.nodes.weight(self.constant(index).transpose(order), f"tensor_{index}")
            axis = None if quantization.axis is None else order.index(quantization.axis)
            self._integers[key] = self.nodes.unscaled(name, self.tensor(index), quantization, axis)
        return self._integers[key]

    def finish(self, name: str) -> onnx.ModelProto:
        """Names the outputs and gives the whole graph, not yet checked.

        Args:
            name: The graph's name.

        Raises:
            BadModelFile: An output was never given a value.
        """
        for index in self._model.outputs:
            value, tensor = self.value(index, Layout.PLAIN), self.tensor(index)
            if tensor.scaled and tensor.quantization is not None:
                value = self.nodes.scaled(value, tensor, tensor.quantization)
            self.nodes.alias(value, tensor.name)
        graph = helper.make_graph(
            self.nodes.nodes,
            name,
            [_value_info(self.tensor(index)) for index in self._model.inputs],
            [_value_info(self.tensor(index)) for index in self._model.outputs],
            self.nodes.weights,
        )
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="faceguard",
        )

    def _constant_value(self, index: int, layout: Layout, rank: int | None) -> str:
        scaled = self.tensor(index).scaled
        array = self.real_constant(index) if scaled else self.constant(index)
        if array.dtype not in (np.float32, np.int32, np.int64):
            raise UnsupportedOp(f"{self.tensor(index)} holds {self.tensor(index).kind}")
        axes = array.ndim if rank is None else rank
        key = (index, layout, axes)
        if key not in self._shared:
            array = array.reshape((1,) * (axes - array.ndim) + array.shape)
            if layout is Layout.CHANNELS_FIRST:
                array = array.transpose(_TO_CHANNELS_FIRST)
            self._shared[key] = self.nodes.weight(array, f"tensor_{index}")
        return self._shared[key]

    def _check_computed(self, tensor: Tensor, role: str) -> None:
        if tensor.kind not in _ONNX_TYPES:
            raise UnsupportedOp(f"{tensor}, {role}, holds {tensor.kind}, which is not converted")
        quantization = tensor.quantization
        if (
            tensor.scaled
            and quantization is not None
            and (quantization.axis is not None or not quantization.scale[0] > 0)
        ):
            raise UnsupportedOp(f"{tensor}, {role}, needs a single scale above 0")
        if min(tensor.shape, default=1) < 1 or tensor.elements > _MAX_ELEMENTS:
            raise BadModelFile(f"{tensor} has the shape {list(tensor.shape)}")

    def _check_new(self, tensor: Tensor, shape: tuple[int, ...]) -> None:
        if self.is_constant(tensor.index) or any(
            self.has(tensor.index, layout) for layout in Layout
        ):
            raise BadModelFile(f"{tensor} is given a value twice")
        if shape != tensor.shape:
            raise BadModelFile(
                f"{tensor} comes out as {list(shape)}, the file says {list(tensor.shape)}"
            )


def _value_info(tensor: Tensor) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, _ONNX_TYPES[tensor.kind], tensor.shape)
