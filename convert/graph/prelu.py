"""A PReLU that was spelled out in six operations becomes four.

TensorFlow writes the layer (He et al., arXiv 1502.01852) into frozen graphs as
relu(x) + alpha * (x - |x|) * 0.5. The same is alpha * x + (1 - alpha) * relu(x), with two factors
that are known beforehand, so that two operations fewer pass over the picture. ONNX has an operation
PRelu, but on a CPU ONNX Runtime runs it no faster than the six.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx

from faceguard.convert.fresh_name import fresh_name
from faceguard.convert.graph.fold import drop_unused, replace_nodes
from faceguard.convert.graph.nodes import reads_of
from faceguard.convert.graph.tensors import STANDARD, array_of

_HALF = 0.5


def shorten_prelu(graph: onnx.GraphProto) -> int:
    """Rewrites each PReLU that is spelled out.

    Args:
        graph: Changed in place; the results of each PReLU keep their names.

    Returns:
        How many there were.
    """
    look = _Look(graph)
    kept: list[onnx.NodeProto] = []
    count = 0
    for node in graph.node:
        found = look.prelu(node)
        if found is None:
            kept.append(node)
            continue
        source, slope = found
        count += 1
        kept += _shorter(graph, source, slope, node.output[0])
    if count:
        replace_nodes(graph, kept)
        # The operations in between, which only this PReLU read.
        drop_unused(graph)
    return count


class _Look:
    """Who makes a tensor, and whether anyone else reads it."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._weights = {weight.name: weight for weight in graph.initializer}
        self._makers = {name: node for node in graph.node for name in node.output}
        self._readers = Counter(name for node in graph.node for name in reads_of(node))
        self._readers.update(value.name for value in graph.output)

    def prelu(self, node: onnx.NodeProto) -> tuple[str, onnx.TensorProto] | None:
        """What goes into a PReLU that ends in this Add, and its slopes; None where none does."""
        if node.op_type != "Add" or node.domain not in STANDARD:
            return None
        for relu, tail in (node.input, reversed(node.input)):
            rest = self._times(tail, half=True)
            below = rest and self._times(rest[0], half=False)
            if not below:
                continue
            source = self._negative_twice(below[0])
            if source is not None and self._inputs(relu, "Relu") == [source]:
                return source, below[1]
        return None

    def _inputs(self, name: str, kind: str) -> list[str] | None:
        """What is read by the operation that makes a tensor, where it is of this kind."""
        maker = self._makers.get(name)
        if maker is None or maker.op_type != kind or maker.domain not in STANDARD:
            return None
        return list(maker.input)

    def _times(self, name: str, *, half: bool) -> tuple[str, onnx.TensorProto] | None:
        """The two sides of a product of a tensor and a weight, which may have to be one half."""
        sides = self._inputs(name, "Mul")
        if sides is None or self._readers[name] != 1:
            return None
        for other, factor in (sides, reversed(sides)):
            weight = self._weights.get(factor)
            if weight is None or weight.data_type != onnx.TensorProto.FLOAT:
                continue
            values = array_of(weight)
            if not half or (values.size == 1 and values.item() == _HALF):
                return other, weight
        return None

    def _negative_twice(self, name: str) -> str | None:
        """The x of x - |x|."""
        sides = self._inputs(name, "Sub")
        if sides is None or self._readers[name] != 1 or self._readers[sides[1]] != 1:
            return None
        return sides[0] if self._inputs(sides[1], "Abs") == [sides[0]] else None


def _shorter(
    graph: onnx.GraphProto, source: str, slope: onnx.TensorProto, result: str
) -> list[onnx.NodeProto]:
    """The four operations; their two factors become weights of the graph."""
    taken = {weight.name for weight in graph.initializer}
    taken |= {name for node in graph.node for name in node.output}
    alpha = array_of(slope).astype(np.float32)

    below, above = (fresh_name(f"{result}/{label}", taken) for label in ("slope", "rest"))
    for name, values in ((below, alpha), (above, np.float32(1) - alpha)):
        graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(values), name))
    labels = ("relu", "slanted", "bent")
    relu, slanted, bent = (fresh_name(f"{result}/{label}", taken) for label in labels)
    return [
        onnx.helper.make_node("Relu", [source], [relu], name=relu),
        onnx.helper.make_node("Mul", [source, below], [slanted], name=slanted),
        onnx.helper.make_node("Mul", [relu, above], [bent], name=bent),
        onnx.helper.make_node("Add", [slanted, bent], [result], name=result),
    ]
