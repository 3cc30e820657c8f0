"""The last convolution of a small enlarging network makes four pixels at a time.

ESPCN (Shi et al., arXiv 1609.05158) at twice the size ends in a 3x3 convolution to 4 channels,
which become blocks of 2x2 pixels. Libraries work on 16 channels at once, so that three quarters of
the work would be for nothing. The same sums come out of a 4x4 convolution with a stride of 2 to 16
channels, which become blocks of 4x4 pixels: more multiplications with zero, less work.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from faceguard.convert.fresh_name import fresh_name
from faceguard.convert.graph.fold import drop_unused, replace_nodes
from faceguard.convert.graph.nodes import attribute_of, int_of, reads_of, text_of
from faceguard.convert.graph.tensors import array_of
from faceguard.engines.types import Array

_CHANNELS = 4
_BLOCK = 2


@dataclass(frozen=True)
class _Tail:
    convolution: onnx.NodeProto
    bias: onnx.TensorProto
    spread: onnx.NodeProto


def widen_tail(graph: onnx.GraphProto) -> bool:
    """Rewrites the end of a network, where it has this form.

    Args:
        graph: Of one input (N, C, H, W) that is enlarged twice; changed in place. What comes out
            keeps its name.

    Returns:
        Whether it had.
    """
    tail = _find(graph)
    if tail is None:
        return False
    weights = {weight.name: weight for weight in graph.initializer}
    kernel = array_of(weights[tail.convolution.input[1]])
    made = _nodes(graph, tail, kernel)
    kept: list[onnx.NodeProto] = []
    for node in graph.node:
        kept += made if node is tail.spread else [node]
    replace_nodes(graph, kept)
    drop_unused(graph)
    return True


def _find(graph: onnx.GraphProto) -> _Tail | None:
    weights = {weight.name: weight for weight in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    readers = Counter(name for node in graph.node for name in reads_of(node))
    readers.update(value.name for value in graph.output)
    for spread in graph.node:
        is_blocks = spread.op_type == "DepthToSpace" and int_of(spread, "blocksize", 0) == _BLOCK
        if not is_blocks or text_of(spread, "mode", "DCR") != "DCR":
            continue
        add = makers.get(spread.input[0])
        if add is None or add.op_type != "Add" or readers[add.output[0]] != 1:
            continue
        for source, other in (add.input, reversed(add.input)):
            found, bias = makers.get(source), weights.get(other)
            if bias is None or list(bias.dims) != [1, _CHANNELS, 1, 1] or readers[source] != 1:
                continue
            if found is not None and _is_narrow(found, weights):
                return _Tail(found, bias, spread)
    return None


def _is_narrow(node: onnx.NodeProto, weights: dict[str, onnx.TensorProto]) -> bool:
    """Whether it is a plain 3x3 convolution to four channels, without a bias of its own."""
    if node.op_type != "Conv" or len(node.input) != 2 or node.input[1] not in weights:
        return False
    dims = list(weights[node.input[1]].dims)
    return (
        dims[0] == _CHANNELS
        and dims[2:] == [3, 3]
        and attribute_of(node, "pads") == [1, 1, 1, 1]
        and attribute_of(node, "strides", [1, 1]) == [1, 1]
        and attribute_of(node, "dilations", [1, 1]) == [1, 1]
        and int_of(node, "group", 1) == 1
    )


def _nodes(graph: onnx.GraphProto, tail: _Tail, kernel: Array) -> list[onnx.NodeProto]:
    """The operations that take the place of the last one."""
    wide = np.zeros((_BLOCK * _BLOCK * _CHANNELS, kernel.shape[1], 4, 4), np.float32)
    bias = np.zeros(len(wide), np.float32)
    narrow_bias = array_of(tail.bias).reshape(-1)
    for y in range(_BLOCK):
        for x in range(_BLOCK):
            for channel in range(_CHANNELS):
                # Of a block of 4x4, by rows; each pixel sees what it saw before.
                row, column = _BLOCK * y + channel // _BLOCK, _BLOCK * x + channel % _BLOCK
                place = row * 2 * _BLOCK + column
                wide[place, :, y : y + 3, x : x + 3] = kernel[channel]
                bias[place] = narrow_bias[channel]
    name = tail.spread.output[0]
    taken = {weight.name for weight in graph.initializer}
    taken |= {made for node in graph.node for made in node.output}
    keys = ("wide", "bias", "blocks", "sums", "sides", "ends", "two", "none", "axes")
    names = {key: fresh_name(f"{name}/{key}", taken) for key in keys}
    weights: dict[str, Array] = {
        "wide": wide,
        "bias": bias,
        "two": np.array(_BLOCK, np.int64),
        "none": np.zeros(2, np.int64),
        "axes": np.array([2, 3], np.int64),
    }
    for key, values in weights.items():
        graph.initializer.append(numpy_helper.from_array(values, names[key]))
    source = tail.convolution.input[0]
    # Odd sides are filled up, and what that makes is cut off.
    return [
        helper.make_node(
            "Conv",
            [source, names["wide"], names["bias"]],
            [names["sums"]],
            name=names["sums"],
            kernel_shape=[4, 4],
            strides=[_BLOCK, _BLOCK],
            pads=[1, 1, 2, 2],
        ),
        helper.make_node(
            "DepthToSpace",
            [names["sums"]],
            [names["blocks"]],
            name=names["blocks"],
            blocksize=2 * _BLOCK,
            mode="DCR",
        ),
        helper.make_node("Shape", [graph.input[0].name], [names["sides"]], start=2),
        helper.make_node("Mul", [names["sides"], names["two"]], [names["ends"]]),
        helper.make_node(
            "Slice",
            [names["blocks"], names["none"], names["ends"], names["axes"]],
            [name],
            name=name,
        ),
    ]
