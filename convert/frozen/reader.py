"""Reading a frozen graph that may be damaged or made to do harm.

protobuf reads any bytes without harm; what it gives may still be senseless or far too much. Counts
and lengths are checked here before a part is opened, and names before anyone shows them.
"""

from __future__ import annotations

import re

from google.protobuf.message import DecodeError  # type: ignore[import-untyped, unused-ignore]

from faceguard.convert.frozen import messages
from faceguard.convert.frozen.schema import Attribute, Graph, Node, StatedShape, TensorBytes
from faceguard.engines.errors import BadModelFile, UnsupportedOp

_MAX_FILE = 256 << 20
_MAX_NODES = 1 << 14
_MAX_INPUTS = 1 << 16
_MAX_ATTRIBUTES = 64
_MAX_LIST = 4 << 10
_MAX_SHAPE = 4 << 10
_MAX_WORD = 4 << 10
_MAX_RANK = 8
_NAME = re.compile(r"[A-Za-z0-9._][A-Za-z0-9_./>-]{0,999}")
_OP = re.compile(r"[A-Za-z0-9._>]{1,200}")


def read_graph(data: bytes) -> Graph:
    """Reads a serialized GraphDef.

    Args:
        data: The whole file.

    Returns:
        Its nodes. Names are unique and each input names a node of the graph; stored tensors are
        not opened yet.

    Raises:
        BadModelFile: It is no GraphDef, or a truncated or damaged one.
        UnsupportedOp: A node reads another output than the first of a node.
    """
    if len(data) > _MAX_FILE:
        raise BadModelFile(f"{len(data) >> 20} MB, more than {_MAX_FILE >> 20}")
    try:
        nodes = _nodes(data)
    except (DecodeError, UnicodeDecodeError) as error:
        why = " ".join(str(error).split())[:100]
        raise BadModelFile(f"it ends early or is damaged ({why})") from error
    for node in nodes.values():
        for wanted in node.inputs:
            if wanted not in nodes:
                raise BadModelFile(f"{node} reads {wanted[:80]!r}, which is not in the file")
    return Graph(len(data), nodes)


def read_shape(data: bytes) -> StatedShape:
    """Reads a serialized TensorShapeProto.

    Raises:
        BadModelFile: It has too many sides, or a negative one other than -1.
        DecodeError: It is damaged.
    """
    if len(data) > _MAX_SHAPE:
        raise BadModelFile(f"a shape of {len(data)} bytes")
    shape = messages.TensorShapeProto.FromString(data)
    if shape.unknown_rank:
        return StatedShape(None)
    sides = tuple(messages.Dim.FromString(dim).size for dim in shape.dim)
    if len(sides) > _MAX_RANK or min(sides, default=0) < -1:
        raise BadModelFile(f"the shape {list(sides)[: _MAX_RANK + 1]}")
    return StatedShape(sides)


def _nodes(data: bytes) -> dict[str, Node]:
    graph = messages.GraphDef.FromString(data)
    count = len(graph.node)
    if not 1 <= count <= _MAX_NODES:
        raise BadModelFile(f"{count} nodes in {len(data)} bytes, instead of 1 to {_MAX_NODES}")
    nodes: dict[str, Node] = {}
    inputs_left = _MAX_INPUTS
    for index, part in enumerate(graph.node):
        node = _node(index, part, inputs_left)
        inputs_left -= len(node.inputs)
        if node.name in nodes:
            raise BadModelFile(f"two nodes have the name of {node}")
        nodes[node.name] = node
    return nodes


def _node(index: int, data: bytes, inputs_left: int) -> Node:
    part = messages.NodeDef.FromString(data)
    if not _NAME.fullmatch(part.name) or not _OP.fullmatch(part.op):
        raise BadModelFile(f"node {index} has no name, or one that TensorFlow does not allow")
    if len(part.input) > inputs_left:
        raise BadModelFile(f"its nodes have more than {_MAX_INPUTS} inputs")
    if len(part.attr) > _MAX_ATTRIBUTES:
        raise BadModelFile(f"node {index} has {len(part.attr)} attributes")
    attributes: dict[str, Attribute] = {}
    for raw in part.attr:
        entry = messages.AttrEntry.FromString(raw)
        value = _attribute(entry.value)
        if value is not None:
            attributes[entry.key] = value
    inputs = tuple(_input(index, wanted) for wanted in part.input if wanted[:1] != "^")
    return Node(part.name, part.op, inputs, attributes)


def _input(index: int, wanted: str) -> str:
    """The name of a node, from a reference to its first output."""
    name, _, number = wanted.partition(":")
    if not _NAME.fullmatch(name):
        raise BadModelFile(f"node {index} reads a node of a name that TensorFlow does not allow")
    if number not in ("", "0"):
        raise UnsupportedOp(
            f"node {index} reads another output of {name[:80]!r} than the first; "
            "operations of several outputs are not converted"
        )
    return name


def _attribute(data: bytes) -> Attribute | None:
    """A setting, or None for one of a kind that no converter reads."""
    part = messages.AttrValue.FromString(data)
    which = part.WhichOneof("value")
    if which in ("i", "f", "b", "type"):
        number: int | float | bool = getattr(part, which)
        return number
    if which == "s":
        return bytes(part.s) if len(part.s) <= _MAX_WORD else None
    if which == "list":
        if len(part.list) > _MAX_LIST:
            return None
        return tuple(messages.ListValue.FromString(part.list).i)
    if which == "shape":
        return read_shape(part.shape)
    if which == "tensor":
        return TensorBytes(part.tensor)
    return None
