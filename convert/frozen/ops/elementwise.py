"""Operations that work on each element for itself.

A PRelu in a frozen graph is made of these: `relu(x) + alpha * (x - abs(x)) * 0.5`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faceguard.convert.frozen.graph import Layout
from faceguard.convert.frozen.ops.constants import pack_sides
from faceguard.convert.frozen.sides import broadcast
from faceguard.engines.errors import BadModelFile, UnsupportedOp

if TYPE_CHECKING:
    from collections.abc import Callable

    from faceguard.convert.frozen.call import Call
    from faceguard.engines.types import Array

_UNARY = {"Relu": "Relu", "Tanh": "Tanh", "Sigmoid": "Sigmoid", "Abs": "Abs", "Neg": "Neg"}
_BINARY = {
    "Add": "Add",
    "AddV2": "Add",
    "Sub": "Sub",
    "Mul": "Mul",
    "Maximum": "Max",
    "Minimum": "Min",
}
# These are worked out during conversion where all operands are known; sizes can be open.
_FOLDED: dict[str, Callable[..., Array]] = {
    "Add": np.add,
    "AddV2": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Neg": np.negative,
}
_FOLDED_NUMBERS: dict[str, Callable[..., Array]] = {
    "Maximum": np.maximum,
    "Minimum": np.minimum,
    "Abs": np.abs,
}


def _unary(call: Call) -> None:
    call.expect(1)
    if _fold(call):
        return
    layout = call.shared_layout()
    call.give(call.node(_UNARY[call.op], [call.read(0, layout)]), layout, call.shape(0))


def _binary(call: Call) -> None:
    call.expect(2)
    if _fold(call):
        return
    shape = broadcast(call.shape(0), call.shape(1))
    layout = call.shared_layout()
    operands = [call.read(place, layout, len(shape)) for place in (0, 1)]
    call.give(call.node(_BINARY[call.op], operands), layout, shape)


def _bias_add(call: Call) -> None:
    call.expect(2)
    shape = call.shape(0)
    if len(shape) < 2:
        raise BadModelFile("it adds a bias to something without channels")
    axis = len(shape) - 1 if call.channels_last() else 1
    bias = call.weights(1, rank=1)
    if len(bias) != call.channels(shape, axis):
        raise BadModelFile(f"{len(bias)} biases for {shape[axis]} channels")
    layout = Layout.PLAIN
    if axis == 3 and call.graph.has(call.name(0), Layout.CHANNELS_FIRST):
        layout, axis = Layout.CHANNELS_FIRST, 1
    spread = bias.reshape([-1 if place == axis else 1 for place in range(len(shape))])
    call.give(call.node("Add", [call.read(0, layout), call.weight(spread)]), layout, shape)


def _fold(call: Call) -> bool:
    """Works the operation out now where it can be."""
    if not call.all_constant():
        return False
    arrays = [call.constant(place) for place in range(call.count)]
    is_open = any(array.dtype == object for array in arrays)
    function = _FOLDED.get(call.op) or (None if is_open else _FOLDED_NUMBERS.get(call.op))
    if function is None:
        if is_open:
            raise UnsupportedOp("it is not converted for open sizes")
        return False
    shape = broadcast(*(array.shape for array in arrays)) if call.count > 1 else arrays[0].shape
    if is_open:
        arrays = [_as_objects(array) for array in arrays]
    elif any(array.dtype != arrays[0].dtype for array in arrays):
        raise BadModelFile("its inputs are of different types")
    sides = [side for side in shape if isinstance(side, int)]
    call.graph.spend(int(np.prod(sides, dtype=object)) * arrays[0].itemsize)
    with np.errstate(all="ignore"):
        made = np.asarray(function(*arrays))
    if is_open:
        made = pack_sides(made.reshape(-1).tolist()).reshape(made.shape)
    call.give_constant(made)
    return True


def _as_objects(array: Array) -> Array:
    if array.dtype.kind not in "iO":
        raise UnsupportedOp(f"it computes an open size with {array.dtype}")
    objects: Array = array.astype(object)
    return objects


CONVERTERS = {
    **dict.fromkeys(_UNARY, _unary),
    **dict.fromkeys(_BINARY, _binary),
    "BiasAdd": _bias_add,
}
