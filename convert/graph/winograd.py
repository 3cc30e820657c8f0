"""Convolutions of 3x3 are computed with a quarter of the multiplications.

Winograd's minimal filtering in two dimensions, F(4x4, 3x3) of Lavin and Gray, "Fast Algorithms for
Convolutional Neural Networks", arXiv 1509.09308, section 4: a tile of 4x4 results is made of a tile
of 6x6 inputs d and a kernel g as

    Y = A^T [ (G g G^T) * (B^T d B) ] A

where * goes element by element. Summed over channels, that product is 36 matrix products, one for
each place in a tile, and these have 36 multiplications where the plain form has 144. What takes
part besides is written in plain operations of ONNX, so that no runtime needs to know of it:

    kernels    U [1, 36, O, I]     a Conv of the stored kernels; constant, so a runtime computes it
                                   once when it loads the graph, and the file stays small
    inputs     V [1, 36, I, tiles] a Conv of stride 4 with the outer product of B^T with itself
    products   M [1, 36, O, tiles] a MatMul
    results    Y [1, O, H, W]      a MatMul, two Transposes that put tiles side by side, a Slice

The order of axes is such that ONNX Runtime reads V through its Transpose without a copy. That works
for one picture at a time, so a Scan goes through the batch; memory does not grow with it either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from faceguard.convert.fresh_name import fresh_name
from faceguard.convert.graph.fold import drop_unused, replace_nodes
from faceguard.convert.graph.nodes import attribute_of, int_of, subgraphs, text_of
from faceguard.convert.graph.tensors import STANDARD, Side, array_of, copy_of, type_of
from faceguard.engines.errors import ConvertError

if TYPE_CHECKING:
    from faceguard.engines.types import Array

_TILE = 4
_WINDOW = 6
_PLACES = _WINDOW * _WINDOW

# The three matrices stand in section 4.3.
_INPUT = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    np.float64,
)
_KERNEL = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    np.float64,
)
_RESULT = np.array(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
    np.float64,
)

# With fewer, what the transformations cost is not won back.
_FEWEST_CHANNELS = 128
_LARGE_BYTES = 1 << 20
# Shape has `start` from here on.
_OLDEST_OPSET = 15


def rewritten(model: onnx.ModelProto, *, name: str) -> onnx.ModelProto:
    """Rewrites the large 3x3 convolutions of a network; all else stays as it is.

    Args:
        model: A graph with one float input (N, C, H, W) and one output of four axes, whose
            pictures do not depend on one another; not changed.
        name: The model's name, for messages.

    Returns:
        A graph with the same input and output, which gives the same but for rounding.

    Raises:
        ConvertError: No convolution is worth it, or the graph is of another form.
    """
    _check_form(model, name)
    made = copy_of(model)
    graph = made.graph
    body = _Body(graph)
    found = 0
    for node in graph.node:
        if _is_worth_it(node, body.weights):
            body.convolve(node)
            found += 1
        else:
            body.nodes.append(node)
    if not found:
        raise ConvertError(
            f"{name}: no 3x3 convolution of {_FEWEST_CHANNELS} channels and more; "
            "take `rewritten` off its entry"
        )
    once, each = body.ended()
    replace_nodes(graph, [*once, each])
    del graph.value_info[:]
    # The kernels in their plain form.
    drop_unused(graph)
    return made


def _check_form(model: onnx.ModelProto, name: str) -> None:
    graph = model.graph
    versions = [entry.version for entry in model.opset_import if entry.domain in STANDARD]
    if min(versions, default=0) < _OLDEST_OPSET:
        raise ConvertError(f"{name}: rewriting needs opset {_OLDEST_OPSET}; export it with 17")
    ends = [*graph.input, *graph.output]
    shapes = [type_of(value).shape or () for value in ends]
    if len(graph.input) != 1 or len(graph.output) != 1 or any(len(it) != 4 for it in shapes):
        raise ConvertError(f"{name}: only a network of pictures to pictures can be rewritten")
    if any(True for node in graph.node for _ in subgraphs(node)):
        raise ConvertError(f"{name}: a network with If, Loop or Scan cannot be rewritten")


def _is_worth_it(node: onnx.NodeProto, weights: dict[str, onnx.TensorProto]) -> bool:
    """Whether it is a plain 3x3 convolution that keeps the picture's size, with many channels."""
    if node.op_type != "Conv" or node.domain not in STANDARD:
        return False
    kernel = weights.get(node.input[1])
    if any(name and name not in weights for name in node.input[1:]) or kernel is None:
        return False
    if kernel.data_type != TensorProto.FLOAT or len(kernel.dims) != 4:
        return False
    return (
        list(kernel.dims[2:]) == [3, 3]
        and min(kernel.dims[:2]) >= _FEWEST_CHANNELS
        and int_of(node, "group", 1) == 1
        and attribute_of(node, "strides", [1, 1]) == [1, 1]
        and attribute_of(node, "dilations", [1, 1]) == [1, 1]
        and attribute_of(node, "pads", [0, 0, 0, 0]) == [1, 1, 1, 1]
        and text_of(node, "auto_pad", "NOTSET") == "NOTSET"
    )


class _Body:
    """The operations for one picture, and the constants that they read, in the making.

    Attributes:
        weights: The stored tensors that were there before, by name.
        nodes: The operations for one picture, in order.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.weights = {weight.name: weight for weight in graph.initializer}
        self.nodes: list[onnx.NodeProto] = []
        self._graph = graph
        self._once: list[onnx.NodeProto] = []
        self._taken = {name for node in graph.node for name in (*node.input, *node.output)}
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._kernels: dict[str, str] = {}

    def convolve(self, node: onnx.NodeProto) -> None:
        """Adds one convolution in the rewritten form."""
        source, kernel, result = node.input[0], node.input[1], node.output[0]
        outputs, inputs = self.weights[kernel].dims[:2]
        tiles, places = self._windows(source, inputs, result)
        products = self._node("MatMul", [self._transformed(kernel), places], result)
        flat = self._node("Reshape", [products, self._sizes(_PLACES, -1)], result)
        final = self._floats(np.kron(_RESULT, _RESULT), "results")
        made = self._node("MatMul", [final, flat], result)
        whole = self._side_by_side(made, tiles, outputs, result)
        biased = len(node.input) > 2 and node.input[2] != ""
        cut = self._cut(whole, source, None if biased else result, result)
        if biased:
            bias = array_of(self.weights[node.input[2]]).reshape(-1, 1, 1)
            self._node("Add", [cut, self._floats(bias, node.input[2])], result, gives=result)

    def ended(self) -> tuple[list[onnx.NodeProto], onnx.NodeProto]:
        """What is computed once, and the Scan that does the rest for each picture."""
        source, result = self._graph.input[0], self._graph.output[0]
        first = self._sizes(0)
        one, four = self._fresh("picture"), self._fresh("picture/batch")
        large, five = self._fresh("large"), self._fresh("large/batch")
        renamed = {source.name: four, result.name: five}
        inner = [
            helper.make_node("Unsqueeze", [one, first], [four], name=four),
            *(_renamed(node, renamed) for node in self.nodes),
            helper.make_node("Squeeze", [five, first], [large], name=large),
        ]
        body = helper.make_graph(
            inner,
            "one picture",
            [helper.make_tensor_value_info(one, TensorProto.FLOAT, _sides(source))],
            [helper.make_tensor_value_info(large, TensorProto.FLOAT, _sides(result))],
        )
        each = helper.make_node(
            "Scan", [source.name], [result.name], name="each", body=body, num_scan_inputs=1
        )
        return self._once, each

    def _transformed(self, kernel: str) -> str:
        """U, computed by the runtime when it loads the graph."""
        if kernel not in self._kernels:
            stored = array_of(self.weights[kernel])
            outputs, inputs = stored.shape[:2]
            # The nine places of a kernel as channels of one picture of O x I pixels.
            small = stored.transpose(2, 3, 0, 1).reshape(1, 9, outputs, inputs)
            matrix = np.kron(_KERNEL, _KERNEL).reshape(_PLACES, 9, 1, 1)
            self._kernels[kernel] = made = self._fresh(f"{kernel}/transformed")
            read = [self._floats(small, kernel), self._floats(matrix, "kernels")]
            self._once.append(
                helper.make_node("Conv", read, [made], name=made, kernel_shape=[1, 1])
            )
        return self._kernels[kernel]

    def _windows(self, source: str, channels: int, label: str) -> tuple[str, str]:
        """How many tiles there are in a row, and V."""
        matrix = np.kron(_INPUT, _INPUT).reshape(_PLACES, 1, _WINDOW, _WINDOW)
        windows = self._node(
            "Conv",
            [source, self._floats(np.tile(matrix, (channels, 1, 1, 1)), "inputs")],
            label,
            group=channels,
            kernel_shape=[_WINDOW, _WINDOW],
            strides=[_TILE, _TILE],
            # As many tiles as it takes to cover the picture; what lies beyond it counts as zero.
            pads=[1, 1, _TILE, _TILE],
        )
        tiles = self._node("Shape", [windows], label, start=3)
        split = self._node("Reshape", [windows, self._sizes(channels, 1, _PLACES, -1)], label)
        return tiles, self._node("Transpose", [split], label, perm=[1, 2, 0, 3])

    def _side_by_side(self, made: str, tiles: str, channels: int, label: str) -> str:
        """(4 * 4, O * tiles) becomes (1, O, rows, columns), whole tiles."""
        width = self._node("Mul", [tiles, self._sizes(_TILE)], label)
        split = self._node("Reshape", [made, self._sizes(_TILE, _TILE, -1)], label)
        columns = self._node("Transpose", [split], label, perm=[0, 2, 1])
        shape = self._node("Concat", [self._sizes(_TILE, -1), width], label, axis=0)
        rows = self._node("Reshape", [columns, shape], label)
        turned = self._node("Transpose", [rows], label, perm=[1, 0, 2])
        shape = self._node("Concat", [self._sizes(1, channels, -1), width], label, axis=0)
        return self._node("Reshape", [turned, shape], label)

    def _cut(self, whole: str, source: str, gives: str | None, label: str) -> str:
        """Takes off what the last tiles have beyond the picture."""
        size = self._node("Shape", [source], label, start=2)
        read = [whole, self._sizes(0, 0), size, self._sizes(2, 3)]
        return self._node("Slice", read, label, gives=gives)

    def _node(
        self,
        kind: str,
        inputs: list[str],
        label: str,
        *,
        gives: str | None = None,
        **attributes: Any,  # noqa: ANN401
    ) -> str:
        output = gives or self._fresh(f"{label}/{kind}")
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def _floats(self, values: Array, label: str) -> str:
        return self._constant(np.asarray(values, np.float32), f"{label}/winograd")

    def _sizes(self, *sizes: int) -> str:
        label = "sizes/" + "_".join(map(str, sizes))
        return self._constant(np.asarray(sizes, np.int64), label)

    def _constant(self, values: Array, label: str) -> str:
        """A stored tensor's name; the same one for the same small values."""
        # The large ones have names of their own.
        key = (label, values.shape, values.tobytes() if values.nbytes < _LARGE_BYTES else b"")
        if key not in self._constants:
            self._constants[key] = made = self._fresh(label)
            values = np.ascontiguousarray(values)
            self._graph.initializer.append(onnx.numpy_helper.from_array(values, made))
        return self._constants[key]

    def _fresh(self, label: str) -> str:
        return fresh_name(label, self._taken)


def _renamed(node: onnx.NodeProto, names: dict[str, str]) -> onnx.NodeProto:
    made = onnx.NodeProto()
    made.CopyFrom(node)
    for part in (made.input, made.output):
        for place, name in enumerate(part):
            part[place] = names.get(name, name)
    return made


def _sides(value: onnx.ValueInfoProto) -> list[Side]:
    """The sides of one picture of a batch."""
    return list((type_of(value).shape or ())[1:])
