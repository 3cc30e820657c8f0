"""What works on each number by itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from faceguard.convert.tflite.ops.table import Table
from faceguard.engines.errors import BadModelFile, UnsupportedOp

if TYPE_CHECKING:
    from faceguard.convert.tflite.call import Call

CONVERTERS = Table()
_NODES = {"ADD": "Add", "SUB": "Sub", "MUL": "Mul", "DIV": "Div", "PRELU": "PRelu"}
_INTEGERS = ("INT32", "INT64")
_EXACT = ("ADD", "SUB", "MUL")  # integers too; of a division LiteRT and ONNX have each their own


@CONVERTERS.converts("RELU", "RELU6", "LOGISTIC", "SQRT", "LEAKY_RELU")
def _unary(call: Call) -> None:
    layout = call.shared_layout(1)
    value = call.read(0, layout)
    if call.kind == "RELU6":
        made = call.clip(value, 0, 6)
    elif call.kind == "LEAKY_RELU":
        if not math.isfinite(call.options.alpha):
            raise BadModelFile(f"its factor below 0 is {call.options.alpha}")
        made = call.node("LeakyRelu", [value], alpha=call.options.alpha)
    else:
        kind = {"RELU": "Relu", "LOGISTIC": "Sigmoid", "SQRT": "Sqrt"}[call.kind]
        made = call.node(kind, [value])
    call.give(made, layout, call.shape(0))


@CONVERTERS.converts("ADD", "SUB", "MUL", "DIV", "PRELU")
def _binary(call: Call) -> None:
    layout = call.shared_layout(2)
    shape = call.broadcast()
    if call.kind == "PRELU" and shape != call.shape(0):
        raise BadModelFile(f"slopes {list(call.shape(1))} do not fit {list(call.shape(0))}")
    kind = call.tensor(0).meaning
    if call.tensor(1).meaning != kind:
        raise BadModelFile(f"{call.tensor(0).kind} and {call.tensor(1).kind} do not fit")
    if kind != "FLOAT32" and (kind not in _INTEGERS or call.kind not in _EXACT):
        raise UnsupportedOp(f"{call.tensor(0)} holds {kind}, which is not converted here")
    rank = len(shape)
    made = call.node(_NODES[call.kind], [call.stored(place, layout, rank) for place in (0, 1)])
    call.give(made, layout, shape, kind)
