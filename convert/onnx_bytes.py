"""ONNX graphs from bytes and to bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faceguard.engines.errors import BadModelFile

if TYPE_CHECKING:
    import onnx


def parsed(data: bytes, *, name: str) -> onnx.ModelProto:
    """Reads a graph; nothing of it is checked but that there is one.

    Args:
        data: A serialized ONNX model.
        name: The model's name, for messages.

    Raises:
        BadModelFile: The bytes are no ONNX model, or a truncated one.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise BadModelFile(f"{name}: not an ONNX model, or a truncated one: {error}") from error
    if not model.graph.node:
        raise BadModelFile(f"{name}: not an ONNX model: no operation in {len(data)} bytes")
    return model


def serialized(model: onnx.ModelProto) -> bytes:
    """A graph's bytes, the same ones for the same graph."""
    data: bytes = model.SerializeToString(deterministic=True)
    return data
