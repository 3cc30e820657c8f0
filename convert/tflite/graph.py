"""An ONNX graph in the making, each tensor in the layout that its readers want.

TFLite keeps pictures as (N, H, W, C), ONNX convolves (N, C, H, W). Each tensor is kept in the
layout in which its operation made it; when another reads it in the other layout, one Transpose is
added and remembered. So a chain of convolutions runs without any, and what comes in and goes out
has the layout of the TFLite file.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from faceguard.convert.tflite.schema import DTYPES
from faceguard.convert.tflite.sparse import densify
from faceguard.engines.errors import BadModelFile, UnsupportedOp

if TYPE_CHECKING:
    import onnx

    from faceguard.convert.tflite.schema import Model, Tensor
    from faceguard.engines.types import Array

OPSET = 17
IR_VERSION = 8
_TO_CHANNELS_FIRST = (0, 3, 1, 2)
_TO_PLAIN = (0, 2, 3, 1)
_MAX_ELEMENTS = 1 << 28
# Half precision becomes single, and weights are held as arrays and as bytes: factor 4 to 8 in
# sound files. The limits only stop a small forged file from claiming all memory.
_MAX_GROWTH = 64
_MAX_WEIGHT_BYTES = 512 << 20


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
            UnsupportedOp: An input or output is not FLOAT32.
        """
        self._model = model
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._values: dict[tuple[int, Layout], str] = {}
        self._constants: dict[int, Array] = {}
        self._shared: dict[tuple[int, Layout, int], str] = {}
        self._bytes_left = min(_MAX_WEIGHT_BYTES, _MAX_GROWTH * model.size + (1 << 20))
        self._taken: set[str] = set()
        for index in (*model.inputs, *model.outputs):
            tensor = model.tensors[index]
            self._check_computed(tensor, "an input or output")
            if not tensor.name or tensor.name in self._taken:
                raise BadModelFile(f"{tensor} needs a name of its own, as input or output")
            self._taken.add(tensor.name)
        for index in model.inputs:
            self._values[index, Layout.PLAIN] = model.tensors[index].name

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
                self._spend(tensor.elements * dtype.itemsize)
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
        self._spend(array.nbytes)
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
            UnsupportedOp: It is a constant of another type than FLOAT32.
        """
        if self.is_constant(index):
            return self._constant_value(index, layout, rank)
        if (index, layout) not in self._values:
            other = Layout.PLAIN if layout is Layout.CHANNELS_FIRST else Layout.CHANNELS_FIRST
            if (index, other) not in self._values:
                raise BadModelFile(f"{self.tensor(index)} is read before it is made")
            perm = _TO_CHANNELS_FIRST if layout is Layout.CHANNELS_FIRST else _TO_PLAIN
            made = self.node(
                "Transpose", [self._values[index, other]], f"tensor_{index}", perm=perm
            )
            self._values[index, layout] = made
        return self._values[index, layout]

    def define(self, index: int, value: str, layout: Layout, shape: tuple[int, ...]) -> None:
        """Says which ONNX value holds a tensor.

        Args:
            index: The TFLite tensor.
            value: The ONNX name.
            layout: How its axes are ordered.
            shape: The shape that follows from its operation, in the TFLite file's layout.

        Raises:
            BadModelFile: The file gives it another shape, or something gave it a value before.
            UnsupportedOp: It is not FLOAT32.
        """
        tensor = self.tensor(index)
        self._check_computed(tensor, "a result")
        self._check_new(tensor, shape)
        self._values[index, layout] = value

    def node(self, kind: str, inputs: list[str], label: str, **attributes: Any) -> str:  # noqa: ANN401
        """Adds a node of one output.

        Args:
            kind: The ONNX operator.
            inputs: ONNX names; empty for an optional one that is left out.
            label: Where it comes from; the node's name starts with it.
            **attributes: The operator's attributes.

        Returns:
            The ONNX name of its output.
        """
        output = self._fresh(f"{label}/{kind}")
        self._nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def weight(self, array: Array, label: str) -> str:
        """Adds a constant and gives its ONNX name.

        Raises:
            BadModelFile: The weights are larger than the file can mean.
        """
        self._spend(array.nbytes)
        name = self._fresh(label)
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def finish(self, name: str) -> onnx.ModelProto:
        """Names the outputs and gives the whole graph, not yet checked.

        Args:
            name: The graph's name.

        Raises:
            BadModelFile: An output was never given a value.
        """
        for index in self._model.outputs:
            value = self.value(index, Layout.PLAIN)
            target = self.tensor(index).name
            self._nodes.append(helper.make_node("Identity", [value], [target], name=target))
        graph = helper.make_graph(
            self._nodes,
            name,
            [_value_info(self.tensor(index)) for index in self._model.inputs],
            [_value_info(self.tensor(index)) for index in self._model.outputs],
            self._weights,
        )
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="faceguard",
        )

    def _constant_value(self, index: int, layout: Layout, rank: int | None) -> str:
        array = self.constant(index)
        if array.dtype != np.float32:
            raise UnsupportedOp(f"{self.tensor(index)} holds {self.tensor(index).kind}")
        axes = array.ndim if rank is None else rank
        key = (index, layout, axes)
        if key not in self._shared:
            array = array.reshape((1,) * (axes - array.ndim) + array.shape)
            if layout is Layout.CHANNELS_FIRST:
                array = array.transpose(_TO_CHANNELS_FIRST)
            self._shared[key] = self.weight(array, f"tensor_{index}")
        return self._shared[key]

    def _check_computed(self, tensor: Tensor, role: str) -> None:
        if tensor.kind != "FLOAT32":
            raise UnsupportedOp(f"{tensor}, {role}, holds {tensor.kind}; only FLOAT32 is converted")
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

    def _spend(self, count: int) -> None:
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise BadModelFile(
                f"its weights claim more memory than {self._model.size} bytes can mean"
            )

    def _fresh(self, label: str) -> str:
        name = label
        number = 1
        while name in self._taken:
            number += 1
            name = f"{label}_{number}"
        self._taken.add(name)
        return name


def _value_info(tensor: Tensor) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, tensor.shape)
