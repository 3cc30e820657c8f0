"""Frozen TensorFlow graphs (.pb) become ONNX graphs, without TensorFlow.

`messages` says how a file is laid out and `schema` what it holds; `reader` and `tensor` read it
safely, `order` finds inputs, outputs and the order of work, `sides` are sizes that stay open,
`graph` builds the ONNX side, and `ops` has a function for each operation, which works on a `call`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from faceguard.convert.frozen.call import Call
from faceguard.convert.frozen.graph import GraphBuilder
from faceguard.convert.frozen.ops import CONVERTERS
from faceguard.convert.frozen.order import PLACEHOLDER, picture_shape, plan
from faceguard.convert.frozen.reader import read_graph
from faceguard.convert.named import named
from faceguard.engines.errors import BadModelFile, UnsupportedOp

if TYPE_CHECKING:
    import onnx

    from faceguard.convert.frozen.schema import Graph

__all__ = ["convert_frozen"]


def convert_frozen(data: bytes, *, name: str) -> onnx.ModelProto:
    """Converts a frozen TensorFlow graph of floating point layers.

    Inputs are the placeholders, outputs the results that no other node reads; both keep their
    names and the file's layout, so that a network may well take (N, H, W, C) and give
    (N, C, H, W). A batch that the file leaves open becomes 1; height and width that it leaves open
    stay so, named `height` and `width`, and the sides of outputs are formulas of these, such as
    `2*height`. Quantized weights become FLOAT32. The same bytes give the same graph.

    Args:
        data: The whole `.pb` file, a serialized GraphDef.
        name: The model's name, for the graph and for messages.

    Returns:
        A graph of opset 17 that has passed onnx.checker with full shape inference.

    Raises:
        BadModelFile: It is no GraphDef, is truncated, or contradicts itself.
        UnsupportedOp: It has an operation that is not converted; named with its node.
    """
    with named(name, kind="frozen graph", again="freeze it anew"):
        return _convert(data, name)


def _convert(data: bytes, name: str) -> onnx.ModelProto:
    graph = read_graph(data)
    todo = plan(graph)
    inputs = [node.name for node in todo.nodes if node.op == PLACEHOLDER]
    builder = GraphBuilder(name, graph.size, (*inputs, *todo.outputs))
    readers = Counter(wanted for node in todo.nodes for wanted in node.inputs)
    for node in todo.nodes:
        _convert_node(graph, Call(builder, node), alone=len(inputs) == 1)
        for wanted in node.inputs:
            readers[wanted] -= 1
            if not readers[wanted]:
                builder.forget(wanted)
    outputs = [output for output in todo.outputs if not builder.is_constant(output)]
    if not inputs or not outputs:
        raise BadModelFile("it has no input, or nothing that depends on one")
    return builder.finish(outputs)


def _convert_node(graph: Graph, call: Call, *, alone: bool) -> None:
    """Converts one node; its errors gain the node's name and operation."""
    node = call.source
    try:
        if node.op == PLACEHOLDER:
            prefix = "" if alone else f"{node.name}_"
            call.graph.add_input(node.name, picture_shape(graph, node, prefix))
            return
        converter = CONVERTERS.get(node.op)
        if converter is None:
            raise UnsupportedOp("this operation is not converted")
        converter(call)
    except BadModelFile as error:
        raise BadModelFile(f"{node}: {error}") from error
    except UnsupportedOp as error:
        raise UnsupportedOp(f"{node}: {error}") from error
