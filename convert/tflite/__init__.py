"""TFLite models become ONNX graphs.

`schema` says what a file holds, `reader` and `options` read it safely, `sparse` spreads out sparse
weights, and `scaled` knows what integers with a scale mean. `graph` builds the ONNX side out of
`nodes`, and `ops` has a function for each operation, which works on a `call`.
"""

from __future__ import annotations

import onnx

from faceguard.convert.named import named
from faceguard.convert.tflite.call import Call
from faceguard.convert.tflite.graph import GraphBuilder
from faceguard.convert.tflite.ops import CONVERTERS
from faceguard.convert.tflite.reader import read_model
from faceguard.engines.errors import BadModelFile, UnsupportedOp

__all__ = ["convert_tflite"]


def convert_tflite(data: bytes, *, name: str) -> onnx.ModelProto:
    """Converts a TFLite model.

    Inputs and outputs keep their names, types, shapes and TFLite's layout (pictures are
    (N, H, W, C)). Half precision and sparse weights become dense FLOAT32, and so do integer
    weights of floating point layers. Layers of scaled integers keep them, between QuantizeLinear
    and DequantizeLinear. The same bytes give the same graph.

    Args:
        data: The whole `.tflite` file.
        name: The model's name, for the graph and for messages.

    Returns:
        A graph of opset 17 that has passed onnx.checker with full shape inference.

    Raises:
        BadModelFile: It is no TFLite file, is truncated, or contradicts itself.
        UnsupportedOp: It has an operation that is not converted; named with its place and output.
    """
    with named(name, kind="TFLite file", again="export it anew"):
        return _convert(data, name)


def _convert(data: bytes, name: str) -> onnx.ModelProto:
    model = read_model(data)
    graph = GraphBuilder(model)
    for operator in model.operators:
        _convert_operator(Call(graph, operator))
    made = graph.finish(name)
    try:
        onnx.checker.check_model(made, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        why = " ".join(str(error).split())[:200]
        raise BadModelFile(f"its graph contradicts itself: {why}") from error
    return made


def _convert_operator(call: Call) -> None:
    """Converts one operation; its errors gain the operation's place and output."""
    try:
        converter = CONVERTERS.get(call.kind)
        if converter is None:
            raise UnsupportedOp("this operation is not converted")
        converter(call)
    except BadModelFile as error:
        raise BadModelFile(f"{call.operator}: {error}") from error
    except UnsupportedOp as error:
        outputs = ", ".join(str(call.graph.tensor(index)) for index in call.operator.outputs[:3])
        raise UnsupportedOp(f"{call.operator}, giving {outputs or 'nothing'}: {error}") from error
