"""What half precision really does to a graph, computed on a processor that has none.

ONNX Runtime has next to no FP16 on a CPU: it computes such operations in single precision and
leaves out the casts between two of them, so that a half precision graph gives there what single
precision with rounded weights would. 300 * 300 stays 90000, where a GPU makes it infinite. Here
every cast is written out, and ONNX Runtime keeps those.
"""

from __future__ import annotations

import numpy as np
import onnx

from faceguard.convert.graph.fold import replace_nodes
from faceguard.convert.graph.tensors import array_of, copy_of, tensor_types
from faceguard.convert.precision.half import name_nodes, unused

_FLOAT = onnx.TensorProto.FLOAT
_HALF = onnx.TensorProto.FLOAT16


def rounded(model: onnx.ModelProto) -> onnx.ModelProto:
    """Makes a single precision graph that rounds each value where a half precision one would.

    Sums inside one operation stay in single precision, as tensor cores add them up.

    Args:
        model: A graph with half precision in it, such as `to_half` makes; it is not changed.

    Returns:
        A graph for ONNX Runtime with the same inputs and outputs; for measuring, not for building.
        A graph without half precision comes back as it was.
    """
    made = copy_of(model)
    graph = made.graph
    halves = {name for name, kind in tensor_types(model).items() if kind.elem == _HALF}
    for weight in graph.initializer:
        if weight.data_type == _HALF:
            values = array_of(weight).astype(np.float32)
            weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
            halves.discard(weight.name)
    name_nodes(graph)
    taken = {tensor for node in graph.node for tensor in (*node.input, *node.output)}
    names = {node.name for node in graph.node}
    outputs = {value.name for value in graph.output}
    renamed: dict[str, str] = {}
    order: list[onnx.NodeProto] = []

    def cast(source: str, target: str, to: int) -> None:
        name = unused(f"{target}_rounding", names)
        order.append(onnx.helper.make_node("Cast", [source], [target], name, to=to))

    for value in graph.input:
        if value.name in halves:
            renamed[value.name] = unused(f"{value.name}_single", taken)
            cast(value.name, renamed[value.name], _FLOAT)
    for node in graph.node:
        for place, tensor in enumerate(node.input):
            node.input[place] = renamed.get(tensor, tensor)
        order.append(node)
        for place, tensor in enumerate(node.output):
            if tensor not in halves:
                continue
            half = tensor if tensor in outputs else unused(f"{tensor}_half", taken)
            renamed[tensor] = unused(f"{tensor}_single", taken)
            if node.op_type == "Cast":
                node.output[place] = half
            else:
                exact = unused(f"{tensor}_exact", taken)
                node.output[place] = exact
                cast(exact, half, _HALF)
            cast(half, renamed[tensor], _FLOAT)
    replace_nodes(graph, order)
    del graph.value_info[:]
    return made
