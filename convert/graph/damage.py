"""Damage in a graph that its own checker does not look for: names, types, sizes.

onnx.checker looks whether a graph holds together. It does not count a weight's bytes, and stumbles
itself over names that are no text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from math import prod

import onnx
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from faceguard.convert.graph.tensors import array_of, bits_of, elem_name, line_of, text_of_shape
from faceguard.engines.errors import BadModelFile

# More than TensorRT or ONNX Runtime know what to do with, and than numpy can hold.
_MOST_AXES = 32
_LARGEST_SIDE = 2**31 - 1
_LONGEST_NAME = 4096
# A line break would tear messages and logs apart, a NUL ends a name for every library in C.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# For people: no runtime reads these, and exporters write them in any encoding.
_UNREAD = frozenset({"doc_string", "metadata_props", "training_info"})


@contextmanager
def damage_told(name: str) -> Iterator[None]:
    """What trips over a graph's contents is told as damage of the graph.

    Args:
        name: The model's name, for messages.

    Raises:
        BadModelFile: A value of the graph could not be read.
    """
    try:
        yield
    except ValueError as error:  # UnicodeDecodeError is one
        raise BadModelFile(
            f"{name}: a damaged graph: {line_of(error)}; export the model again"
        ) from error


def check_damage(model: onnx.ModelProto, *, name: str) -> None:
    """Looks at every name, type and weight of a graph, in the bodies of its operations too.

    Args:
        model: A graph with all its weights in it.
        name: The model's name, for messages.

    Raises:
        BadModelFile: A name is no text of one line, a type is unknown, or a weight's values are
            not as many as its shape says.
    """
    for message in _messages(model):
        if isinstance(message, onnx.TensorProto):
            why = _weight_damage(message)
        elif isinstance(message, onnx.TypeProto.Tensor):
            why = _type_damage(message)
        else:
            why = None
        if why is not None:
            raise BadModelFile(f"{name}: a damaged graph: {why}; export the model again")
    for what, values in (("input", model.graph.input), ("output", model.graph.output)):
        for value in values:
            for axis, side in enumerate(value.type.tensor_type.shape.dim):
                if not 0 <= side.dim_value <= _LARGEST_SIDE:
                    raise BadModelFile(
                        f"{name}: axis {axis} of {what} {value.name!r} is {side.dim_value}; "
                        "export the model with a name for a side that is open"
                    )


def _messages(message: Message) -> Iterator[Message]:
    """This part of a graph and all parts in it, after a look at the names in each."""
    texts, parts = _fields(message.DESCRIPTOR)
    for field, repeated in texts:
        for text in getattr(message, field) if repeated else (getattr(message, field),):
            _check_text(text, field, message)
    yield message
    for field, repeated in parts:
        if repeated:
            for part in getattr(message, field):
                yield from _messages(part)
        elif message.HasField(field):
            yield from _messages(getattr(message, field))


@cache
def _fields(kind: Descriptor) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """The fields of a kind that hold text, and those that hold further parts.

    Only these are touched: reading a field of bytes would copy all weights.
    """
    texts, parts = [], []
    for field in kind.fields:
        if field.name in _UNREAD:
            continue
        # Newer versions of protobuf have `is_repeated` in place of the label.
        repeated = getattr(field, "is_repeated", None)
        if repeated is None:
            repeated = field.label == FieldDescriptor.LABEL_REPEATED
        if field.type == FieldDescriptor.TYPE_STRING:
            texts.append((field.name, bool(repeated)))
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            parts.append((field.name, bool(repeated)))
    return texts, parts


def _check_text(text: str | bytes, field: str, message: Message) -> None:
    """Raises ValueError where it is no text; some versions of protobuf have done so themselves."""
    if isinstance(text, bytes) or _CONTROL.search(text):
        raise ValueError(f"{field} {text[:80]!r} of a {type(message).__name__} is no plain text")
    if len(text) > _LONGEST_NAME:
        raise ValueError(f"{field} {text[:80]!r}... has {len(text)} characters")


def _type_damage(kind: onnx.TypeProto.Tensor) -> str | None:
    if kind.elem_type not in onnx.TensorProto.DataType.values():
        return f"element type {kind.elem_type} is none of ONNX"
    return None


def _weight_damage(weight: onnx.TensorProto) -> str | None:
    """What is wrong with a stored tensor; None where its values are what its shape says."""
    dims = tuple(weight.dims)
    elem = weight.data_type
    if weight.data_location == onnx.TensorProto.EXTERNAL:
        return None  # told in words of its own
    if elem == onnx.TensorProto.UNDEFINED or elem not in onnx.TensorProto.DataType.values():
        return f"weight {weight.name!r} has element type {elem}, which is none of ONNX"
    if len(dims) > _MOST_AXES:
        return f"weight {weight.name!r} has {len(dims)} axes"
    if not all(0 <= side <= _LARGEST_SIDE for side in dims):
        return f"weight {weight.name!r} is {text_of_shape(dims)}"
    if weight.HasField("segment"):
        return f"weight {weight.name!r} is stored in segments"
    what = f"weight {weight.name!r} is {text_of_shape(dims)} {elem_name(elem)}"
    if weight.HasField("raw_data") and elem != onnx.TensorProto.STRING:
        need, have = -(-prod(dims) * bits_of(elem) // 8), len(weight.raw_data)
        return None if need == have else f"{what}, {need} bytes, and {have} bytes are stored"
    try:
        array_of(weight)
    except (ValueError, TypeError, OverflowError) as error:
        return f"{what}, but what is stored is not: {line_of(error)}"
    return None
