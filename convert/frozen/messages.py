"""The protobuf messages of a frozen graph, put together here instead of imported from TensorFlow.

Names and field numbers are those of TensorFlow's graph.proto, node_def.proto, attr_value.proto,
tensor.proto and tensor_shape.proto; fields that no converter needs are left out. protobuf keeps
what it does not know as plain bytes.

Where the original nests a message, the fields here are `bytes`: both look the same in a file. An
empty nested message takes two bytes there and up to a hundred in memory, so that a forged file
could claim all memory by being read. This way a part is only opened after its length, or the
number of its like, was found sensible, and no file takes more than some 20 times its size. (It also
keeps clear of protobuf 4.22 to 4.24, which crash on nested messages of classes made at run time
that nobody holds.)
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "faceguard.frozen"
_TYPES = {"float": 2, "int64": 3, "int32": 5, "bool": 8, "string": 9, "bytes": 12}
_OPTIONAL, _REPEATED = 1, 3
# Message -> field -> (number, type); a star marks a repeated field. Enumerations are int32.
_FIELDS: dict[str, dict[str, tuple[int, str]]] = {
    "GraphDef": {"node": (1, "bytes*")},
    "NodeDef": {
        "name": (1, "string"),
        "op": (2, "string"),
        "input": (3, "string*"),
        "attr": (5, "bytes*"),
    },
    "AttrEntry": {"key": (1, "string"), "value": (2, "bytes")},
    "AttrValue": {
        "list": (1, "bytes"),
        "s": (2, "bytes"),
        "i": (3, "int64"),
        "f": (4, "float"),
        "b": (5, "bool"),
        "type": (6, "int32"),
        "shape": (7, "bytes"),
        "tensor": (8, "bytes"),
    },
    "ListValue": {"i": (3, "int64*")},
    "TensorShapeProto": {"dim": (2, "bytes*"), "unknown_rank": (3, "bool")},
    "Dim": {"size": (1, "int64")},
    "TensorProto": {
        "dtype": (1, "int32"),
        "tensor_shape": (2, "bytes"),
        "tensor_content": (4, "bytes"),
        "float_val": (5, "float*"),
        "int_val": (7, "int32*"),
        "int64_val": (10, "int64*"),
        "half_val": (13, "int32*"),
    },
}
# Only one of an attribute's fields is ever set, and which one tells its type.
_ONE_OF = {"AttrValue": "value"}


def _describe() -> bytes:
    file = descriptor_pb2.FileDescriptorProto(
        name="faceguard/frozen.proto", package=_PACKAGE, syntax="proto3"
    )
    for message, fields in _FIELDS.items():
        described = file.message_type.add(name=message)
        if message in _ONE_OF:
            described.oneof_decl.add(name=_ONE_OF[message])
        for name, (number, kind) in fields.items():
            bare = kind.rstrip("*")
            field = described.field.add(
                name=name, number=number, label=_REPEATED if kind != bare else _OPTIONAL
            )
            field.type = _TYPES[bare]
            if message in _ONE_OF:
                field.oneof_index = 0
    data: bytes = file.SerializeToString()
    return data


_POOL = descriptor_pool.DescriptorPool()
_POOL.AddSerializedFile(_describe())


def _class(name: str) -> Any:  # noqa: ANN401  a class made at run time
    described = _POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}")
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(described)
    return message_factory.MessageFactory(_POOL).GetPrototype(described)  # protobuf before 4.22


GraphDef = _class("GraphDef")
NodeDef = _class("NodeDef")
AttrEntry = _class("AttrEntry")
AttrValue = _class("AttrValue")
ListValue = _class("ListValue")
TensorShapeProto = _class("TensorShapeProto")
Dim = _class("Dim")
TensorProto = _class("TensorProto")
