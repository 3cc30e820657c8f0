"""Walking over a graph's operations, and reading their attributes."""

from __future__ import annotations

from collections.abc import Iterator

import onnx


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The bodies of If, Loop and Scan."""
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == onnx.AttributeProto.GRAPHS:
            yield from attribute.graphs


def walk(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Every operation, those in the bodies of others right after their owner."""
    for node in graph.node:
        yield node
        for body in subgraphs(node):
            yield from walk(body)


def captured(node: onnx.NodeProto) -> set[str]:
    """The tensors outside that the bodies of this operation read."""
    found: set[str] = set()
    for body in subgraphs(node):
        own = {value.name for value in body.input} | {item.name for item in body.initializer}
        for inner in body.node:
            found |= ({*inner.input} | captured(inner)) - own
            own |= {*inner.output}
        found |= {value.name for value in body.output} - own
    return found - {""}


def reads_of(node: onnx.NodeProto) -> set[str]:
    """All that an operation reads, in its bodies too."""
    return ({*node.input} | captured(node)) - {""}


def attribute_of(node: onnx.NodeProto, name: str, default: object = None) -> object:
    """An attribute's value, or what stands for it where it is left out."""
    for attribute in node.attribute:
        if attribute.name == name:
            value: object = onnx.helper.get_attribute_value(attribute)
            return value
    return default


def int_of(node: onnx.NodeProto, name: str, default: int) -> int:
    """An attribute that is a whole number."""
    value = attribute_of(node, name, default)
    return value if isinstance(value, int) else default


def text_of(node: onnx.NodeProto, name: str, default: str) -> str:
    """An attribute that is a word."""
    value = attribute_of(node, name, default)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else default


def label(node: onnx.NodeProto) -> str:
    """What an operation is called in messages; its first output where it has no name."""
    return node.name or next((name for name in node.output if name), node.op_type)
