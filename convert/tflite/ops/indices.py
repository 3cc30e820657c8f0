"""What finds the place of a number, and what picks numbers by their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import TensorProto

from faceguard.convert.tflite.graph import Layout
from faceguard.convert.tflite.ops.table import Table
from faceguard.engines.errors import BadModelFile, UnsupportedOp

if TYPE_CHECKING:
    from faceguard.convert.tflite.call import Call

CONVERTERS = Table()
_INDICES = ("INT32", "INT64")


@CONVERTERS.converts("ARG_MAX")
def _arg_max(call: Call) -> None:
    """The first place of the largest; a scale is above 0 and does not change it."""
    shape = call.shape(0)
    wanted = call.numbers(1)
    if wanted.size != 1:
        raise BadModelFile(f"its axis is {list(wanted.shape)} numbers")
    axis = int(wanted.reshape(-1)[0])
    axis += len(shape) if axis < 0 else 0
    if not 0 <= axis < len(shape):
        raise BadModelFile(f"axis {wanted.reshape(-1)[0]} of {len(shape)}")
    kind = call.result.kind
    if kind not in _INDICES:
        raise UnsupportedOp(f"places as {kind}; only INT32 and INT64 are converted")
    made = call.node("ArgMax", [call.read(0, Layout.PLAIN)], axis=axis, keepdims=0)
    if kind == "INT32":
        made = call.node("Cast", [made], to=TensorProto.INT32)
    call.give(made, Layout.PLAIN, (*shape[:axis], *shape[axis + 1 :]), kind)


@CONVERTERS.converts("FLOOR_DIV")
def _floor_div(call: Call) -> None:
    """Integers by a constant above 0: runtimes stop at a division by 0, or of the lowest by -1."""
    kind = call.tensor(0).kind
    if kind not in _INDICES or call.tensor(1).kind != kind:
        raise UnsupportedOp(f"{kind} by {call.tensor(1).kind}; only INT32 or INT64 is converted")
    if int(call.numbers(1).min(initial=1)) < 1:
        raise UnsupportedOp("a divisor below 1 is not converted")
    # ONNX's Div cuts towards 0; without the remainder, of the divisor's sign, it has none to cut.
    left, right = call.integers(0), call.integers(1)
    even = call.node("Sub", [left, call.node("Mod", [left, right])])
    call.give(call.node("Div", [even, right]), Layout.PLAIN, call.broadcast(), kind)


@CONVERTERS.converts("GATHER_ND")
def _gather_nd(call: Call) -> None:
    """The last axis of the indices says where in the leading axes."""
    shape, places = call.shape(0), call.shape(1)
    if call.tensor(1).kind not in _INDICES:
        raise UnsupportedOp(f"places as {call.tensor(1).kind}; only INT32 and INT64 are converted")
    if not places or not 1 <= places[-1] <= len(shape):
        raise BadModelFile(f"places {list(places)} do not fit {list(shape)}")
    where = call.integers(1)
    if call.tensor(1).kind == "INT32":
        where = call.node("Cast", [where], to=TensorProto.INT64)
    made = call.node("GatherND", [call.stored(0, Layout.PLAIN), where])
    call.move(made, Layout.PLAIN, (*places[:-1], *shape[places[-1] :]))
