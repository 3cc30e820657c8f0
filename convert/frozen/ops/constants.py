"""Operations on what is known now: stored weights, and arithmetic on shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faceguard.convert.frozen.schema import TensorBytes
from faceguard.convert.frozen.sides import Open
from faceguard.convert.frozen.tensor import dequantize, open_tensor
from faceguard.engines.errors import BadModelFile, UnsupportedOp

if TYPE_CHECKING:
    from faceguard.convert.frozen.call import Call
    from faceguard.convert.frozen.sides import Side
    from faceguard.engines.types import Array

_FLOAT, _INT32, _INT64 = 1, 3, 9


def pack_sides(sides: list[Side]) -> Array:
    """A vector of sizes: integers where all are known, objects where some are open."""
    if any(isinstance(side, Open) for side in sides):
        vector = np.empty(len(sides), object)
        vector[:] = sides
        return vector
    return np.array(sides, np.int64)


def _const(call: Call) -> None:
    stored = call.source.attributes.get("value")
    if not isinstance(stored, TensorBytes):
        raise BadModelFile("it has no value")
    call.give_constant(open_tensor(stored, call.graph.spend))


def _identity(call: Call) -> None:
    call.expect(1)
    call.give_input(0)


def _dequantize(call: Call) -> None:
    call.expect(3)
    codes, ends = call.constant(0), [call.constant(place) for place in (1, 2)]
    if any(end.size != 1 or end.dtype != np.float32 for end in ends):
        raise UnsupportedOp("its range is not one for the whole tensor")
    if call.source.integer("axis", -1) != -1:
        raise UnsupportedOp("a range for each channel is not converted")
    if call.source.integer("dtype", _FLOAT) != _FLOAT:
        raise UnsupportedOp("only float32 is converted as its result")
    call.graph.spend(codes.size * 4)
    lowest, highest = (float(end.reshape(-1).tolist()[0]) for end in ends)
    mode = call.source.text("mode", "MIN_COMBINED")
    narrow = call.source.flag("narrow_range", default=False)
    call.give_constant(dequantize(codes, lowest, highest, mode, narrow=narrow))


def _cast(call: Call) -> None:
    """Half precision weights become single; sizes stay whole numbers."""
    call.expect(1)
    array = call.constant(0)
    target = call.source.integer("DstT")
    if array.dtype.kind in "iO" and target in (_INT32, _INT64):
        call.give_constant(array)
    elif array.dtype.kind == "f" and target == _FLOAT:
        call.graph.spend(array.size * 4)
        call.give_constant(array.astype(np.float32))
    else:
        raise UnsupportedOp(f"from {array.dtype} to type {target} is not converted")


def _shape(call: Call) -> None:
    call.expect(1)
    call.give_constant(pack_sides(list(call.shape(0))))


def _strided_slice(call: Call) -> None:
    """Takes sizes out of a shape; slices of anything else are not converted."""
    call.expect(4)
    sides = call.sides(0)
    bounds = [call.numbers(place) for place in (1, 2, 3)]
    if any(len(bound) != 1 for bound in bounds):
        raise UnsupportedOp("only slices of a list of sizes are converted")
    if call.source.integer("ellipsis_mask", 0) or call.source.integer("new_axis_mask", 0):
        raise UnsupportedOp("slices with an ellipsis or new axes are not converted")
    begin, end, step = (bound[0] for bound in bounds)
    if call.source.integer("shrink_axis_mask", 0):
        if not -len(sides) <= begin < len(sides):
            raise BadModelFile(f"it takes element {begin} of {len(sides)}")
        call.give_constant(pack_sides([sides[begin]]).reshape(()))
        return
    if step == 0:
        raise BadModelFile("it takes steps of 0")
    first = None if call.source.integer("begin_mask", 0) else begin
    last = None if call.source.integer("end_mask", 0) else end
    call.give_constant(pack_sides(sides[first:last:step]))


def _pack(call: Call) -> None:
    """Makes a list of sizes out of single ones."""
    parts = [call.constant(place) for place in range(call.count)]
    if any(part.ndim or part.dtype.kind not in "iO" for part in parts):
        raise UnsupportedOp("only single sizes are packed into a list")
    if call.source.integer("axis", 0) not in (0, -1):
        raise BadModelFile("a list has only one axis")
    call.give_constant(pack_sides([part.reshape(-1).tolist()[0] for part in parts]))


CONVERTERS = {
    "Const": _const,
    "Identity": _identity,
    "Dequantize": _dequantize,
    "Cast": _cast,
    "Shape": _shape,
    "StridedSlice": _strided_slice,
    "Pack": _pack,
}
