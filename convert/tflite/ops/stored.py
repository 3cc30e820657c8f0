"""How numbers are stored: half precision, sparse, or as integers with a scale.

A scaled tensor (INT8 or UINT8 with scale and zero point) is in the ONNX graph the FLOAT32 tensor
of the numbers that it means, straight behind a QuantizeLinear and a DequantizeLinear; see
`GraphBuilder.define`. So what turns one storage into another is no node of its own here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto

from faceguard.convert.tflite.graph import Layout
from faceguard.convert.tflite.ops.table import Table
from faceguard.engines.errors import BadModelFile, UnsupportedOp

if TYPE_CHECKING:
    from faceguard.convert.tflite.call import Call

CONVERTERS = Table()


@CONVERTERS.converts("DEQUANTIZE")
def _dequantize(call: Call) -> None:
    """Half precision weights become single; scaled integers are read as what they mean."""
    tensor = call.tensor(0)
    if call.graph.is_constant(tensor.index) and not tensor.scaled:
        weights = call.constant(0)
        if weights.dtype not in (np.float16, np.float32):
            raise UnsupportedOp(f"{tensor.kind} without a scale; only FLOAT16 is converted so")
        call.give_constant(weights.astype(np.float32))
    elif call.graph.is_constant(tensor.index):
        call.give_constant(call.real_constant(0))
    else:
        layout = call.shared_layout(1)
        call.give(call.read(0, layout), layout, call.shape(0))


@CONVERTERS.converts("QUANTIZE")
def _quantize(call: Call) -> None:
    """Its result being scaled is all that it does; where that is not so, nothing is left to do."""
    if not call.result.scaled:
        raise BadModelFile(f"its result, {call.result}, has no scale")
    layout = call.shared_layout(1)
    call.give(call.read(0, layout), layout, call.shape(0))


@CONVERTERS.converts("DENSIFY")
def _densify(call: Call) -> None:
    """Constants are always read dense, so that nothing is left to do."""
    call.give_constant(call.constant(0))


@CONVERTERS.converts("CAST")
def _cast(call: Call) -> None:
    """Integers become single precision: what LiteRT casts are the stored integers themselves."""
    if call.tensor(0).kind == "FLOAT32" or call.result.kind != "FLOAT32":
        raise UnsupportedOp(
            f"from {call.tensor(0).kind} to {call.result.kind}; only integers to FLOAT32 is"
        )
    made = call.node("Cast", [call.integers(0)], to=TensorProto.FLOAT)
    call.give(made, Layout.PLAIN, call.shape(0))
