"""In what order a graph is worked out, and what its pictures look like.

A frozen graph lists its nodes in any order and names neither inputs nor outputs: inputs are its
placeholders, outputs the results that no other node reads.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from faceguard.convert.frozen.schema import StatedShape, TensorBytes
from faceguard.convert.frozen.sides import Open
from faceguard.convert.frozen.tensor import FLOAT, stored_sides
from faceguard.engines.errors import BadModelFile, UnsupportedOp

if TYPE_CHECKING:
    from faceguard.convert.frozen.schema import Graph, Node
    from faceguard.convert.frozen.sides import Shape, Side

PLACEHOLDER = "Placeholder"
_IDLE = {"Const", PLACEHOLDER, "NoOp"}
_RANK = 4
# These give a picture with the axes and, but for broadcasting, the channels of the one they read.
_KEEP_CHANNELS = {
    "Identity", "Add", "AddV2", "Sub", "Mul", "Maximum", "Minimum", "BiasAdd",
    "Relu", "Tanh", "Sigmoid", "Abs", "Neg", "Pad", "MirrorPad",
}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """What to work out.

    Attributes:
        nodes: Each after all that it reads; none that leads nowhere.
        outputs: The names of the nodes that no other reads, as the file lists them.
    """

    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]


def plan(graph: Graph) -> Plan:
    """Finds the outputs, and an order in which each node comes after its inputs.

    Raises:
        BadModelFile: There is no output, or nodes read one another in a circle.
    """
    read = {wanted for node in graph.nodes.values() for wanted in node.inputs}
    outputs = tuple(
        node.name for node in graph.nodes.values() if node.name not in read and node.op not in _IDLE
    )
    done: dict[str, bool] = {}
    ordered: list[Node] = []
    for output in outputs:
        stack = [output]
        while stack:
            node = graph.nodes[stack[-1]]
            if node.name not in done:
                done[node.name] = False
                for wanted in reversed(node.inputs):
                    if done.get(wanted) is False:
                        raise BadModelFile(f"{node} reads itself, by way of others")
                    if wanted not in done:
                        stack.append(wanted)
                continue
            stack.pop()
            if not done[node.name]:
                done[node.name] = True
                ordered.append(node)
    circling = [n for n in graph.nodes.values() if n.name not in done and n.op not in _IDLE]
    if circling:
        raise BadModelFile(f"{circling[0]} is read by others, but none of them is an output")
    if not outputs:
        raise BadModelFile("none of its nodes makes anything")
    return Plan(tuple(ordered), outputs)


def picture_shape(graph: Graph, node: Node, prefix: str) -> Shape:
    """The shape of a placeholder: as the file states it, or else as its first convolution asks.

    Args:
        graph: The graph.
        node: The placeholder.
        prefix: Begins the names of open sides.

    Returns:
        A batch of 1 where the file leaves it open; sides that the file states; the others open,
        called height and width where the order of axes is known.

    Raises:
        BadModelFile: It has an impossible side.
        UnsupportedOp: It is not float32, or nothing tells its shape.
    """
    if node.integer("dtype", FLOAT) != FLOAT:
        raise UnsupportedOp(f"it takes elements of type {node.integer('dtype')}, not float32")
    stated = node.attributes.get("shape")
    sides = stated.sides if isinstance(stated, StatedShape) else None
    if sides is not None and 0 in sides:
        raise BadModelFile(f"its shape is {list(sides)}")
    # Builders that knew no shape wrote an empty one.
    if not sides:
        sides = (-1,) * _RANK
    elif len(sides) != _RANK:
        return _fill(sides, prefix, {})
    convolution = _first_convolution(graph, node.name)
    if convolution is not None:
        last = convolution.text("data_format", "NHWC") != "NCHW"
    elif sides[3] > 0 or sides[1] > 0:
        last = sides[3] > 0
    else:
        raise UnsupportedOp("neither the file nor a Conv2D behind it tells its shape")
    height, axis = (1, 3) if last else (2, 1)
    if convolution is not None and sides[axis] < 0:
        channels = _filter_channels(graph, convolution)
        sides = (*sides[:axis], channels, *sides[axis + 1 :])
    return _fill(sides, prefix, {height: "height", height + 1: "width"})


def _fill(sides: tuple[int, ...], prefix: str, names: dict[int, str]) -> Shape:
    filled: list[Side] = [1 if axis == 0 and side < 0 else side for axis, side in enumerate(sides)]
    for axis, side in enumerate(sides):
        if axis and side < 0:
            filled[axis] = Open(prefix + names.get(axis, f"axis_{axis}"))
    return tuple(filled)


def _first_convolution(graph: Graph, source: str) -> Node | None:
    """The nearest Conv2D that sees a picture with the axes and channels that it came in with."""
    readers: dict[str, list[Node]] = {}
    for node in graph.nodes.values():
        for wanted in dict.fromkeys(node.inputs):
            readers.setdefault(wanted, []).append(node)
    seen = {source}
    waiting = deque([source])
    while waiting:
        name = waiting.popleft()
        for node in readers.get(name, ()):
            if node.op == "Conv2D" and len(node.inputs) == 2 and node.inputs[0] == name:
                return node
            if node.op in _KEEP_CHANNELS and node.name not in seen:
                seen.add(node.name)
                waiting.append(node.name)
    return None


def _filter_channels(graph: Graph, convolution: Node) -> int:
    """How many channels a Conv2D's filters (height, width, in, out) read."""
    node = graph.nodes[convolution.inputs[1]]
    for _ in range(len(graph.nodes)):
        if node.op not in ("Identity", "Dequantize") or not node.inputs:
            break
        node = graph.nodes[node.inputs[0]]
    stored = node.attributes.get("value")
    sides = stored_sides(stored) if isinstance(stored, TensorBytes) else ()
    if len(sides) != _RANK:
        raise UnsupportedOp(
            f"the filters of {convolution}, which would tell its shape, are unknown"
        )
    return sides[2]
