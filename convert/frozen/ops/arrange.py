"""Operations that move elements without changing them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from faceguard.convert.frozen.graph import TO_CHANNELS_FIRST, TO_PLAIN, Layout
from faceguard.convert.frozen.ops.constants import pack_sides
from faceguard.convert.frozen.sides import Open, Side, difference, show
from faceguard.engines.errors import BadModelFile, UnsupportedOp

if TYPE_CHECKING:
    from faceguard.convert.frozen.call import Call
    from faceguard.convert.frozen.sides import Shape

_MAX_PADDING = 1 << 16


def _depth_to_space(call: Call) -> None:
    call.expect(1)
    last = call.channels_last()
    shape = call.picture(0)
    axes = (3, 1, 2) if last else (1, 2, 3)
    block = call.source.integer("block_size")
    depth = call.channels(shape, axes[0])
    if block < 2 or depth % (block * block):
        raise BadModelFile(f"blocks of {block} do not fit {depth} channels")
    made = list(shape)
    made[axes[0]] = depth // (block * block)
    for axis in axes[1:]:
        made[axis] = made[axis] * block
    layout = Layout.CHANNELS_FIRST if last else Layout.PLAIN
    # TensorFlow counts depth as (row, column, channel), which ONNX calls DCR.
    value = call.node("DepthToSpace", [call.read(0, layout)], blocksize=block, mode="DCR")
    call.give(value, layout, tuple(made))


def _transpose(call: Call) -> None:
    call.expect(2)
    shape = call.shape(0)
    perm = tuple(call.numbers(1))
    if sorted(perm) != list(range(len(shape))):
        raise BadModelFile(f"it orders {len(shape)} axes as {list(perm)}")
    if call.is_constant(0):
        call.give_constant(call.constant(0).transpose(perm))
        return
    turned = tuple(shape[axis] for axis in perm)
    # A change between the two layouts is only another way to look at what is already there.
    if perm == TO_CHANNELS_FIRST and call.graph.has(call.name(0), Layout.CHANNELS_FIRST):
        call.give(call.read(0, Layout.CHANNELS_FIRST), Layout.PLAIN, turned)
    elif perm == TO_PLAIN and call.graph.has(call.name(0), Layout.PLAIN):
        call.give(call.read(0, Layout.PLAIN), Layout.CHANNELS_FIRST, turned)
    else:
        value = call.node("Transpose", [call.read(0, Layout.PLAIN)], perm=list(perm))
        call.give(value, Layout.PLAIN, turned)


def _pad(call: Call) -> None:
    """Pad writes zeros, MirrorPad what stands on the other side of the edge."""
    call.expect(2)
    shape = call.shape(0)
    amounts = call.constant(1)
    if amounts.shape != (len(shape), 2) or amounts.dtype.kind != "i":
        raise BadModelFile(f"paddings {show(amounts.shape)} do not fit {show(shape)}")
    if not 0 <= amounts.min(initial=0) <= amounts.max(initial=0) <= _MAX_PADDING:
        raise BadModelFile(f"its paddings reach from {amounts.min()} to {amounts.max()}")
    amounts = amounts.astype(np.int64)
    mode = _pad_mode(call, amounts.max(initial=0))
    if mode == "reflect":
        _check_reflection(shape, amounts.max(axis=1).tolist())
    padded = tuple(
        side + total for side, total in zip(shape, amounts.sum(axis=1).tolist(), strict=True)
    )
    layout = call.shared_layout() if len(shape) == len(TO_CHANNELS_FIRST) else Layout.PLAIN
    if layout is Layout.CHANNELS_FIRST:
        amounts = amounts[list(TO_CHANNELS_FIRST)]
    inputs = [call.read(0, layout), call.weight(amounts.T.reshape(-1))]
    call.give(call.node("Pad", inputs, mode=mode), layout, padded)


def _pad_mode(call: Call, most: int) -> str:
    if call.op == "Pad":
        return "constant"
    mode = call.source.text("mode", "REFLECT")
    if mode == "REFLECT":
        return "reflect"
    if mode == "SYMMETRIC" and most <= 1:
        return "edge"  # the same as long as one row is added
    raise UnsupportedOp(f"the mode {mode} with {most} rows is not converted")


def _check_reflection(shape: Shape, most: list[int]) -> None:
    for side, amount in zip(shape, most, strict=True):
        if not isinstance(side, Open) and amount >= side:
            raise BadModelFile(f"{amount} rows cannot be mirrored from {side}")


def _concat(call: Call) -> None:
    if call.count < 2:
        raise BadModelFile("it joins nothing")
    parts = range(call.count - 1)
    axis = call.number(call.count - 1)
    first = call.shape(0)
    rank = len(first)
    if not -rank <= axis < rank or any(len(call.shape(part)) != rank for part in parts):
        raise BadModelFile(f"its parts have no common axis {axis}")
    axis %= rank
    if all(call.is_constant(part) for part in parts):
        _concat_constants(call, axis)
        return
    joined = list(first)
    total: Side = 0
    for part in parts:
        shape = call.shape(part)
        total = total + shape[axis]
        for other in range(rank):
            # Only sides that are open apart from one another can be found equal later.
            if other != axis and difference(joined[other], shape[other]) not in (None, 0):
                raise BadModelFile(f"{show(shape)} is joined to {show(first)} along axis {axis}")
    joined[axis] = total
    layout = Layout.PLAIN
    if rank == len(TO_PLAIN) and any(
        call.graph.has(call.name(part), Layout.CHANNELS_FIRST) for part in parts
    ):
        layout = Layout.CHANNELS_FIRST
    place = TO_PLAIN[axis] if layout is Layout.CHANNELS_FIRST else axis
    value = call.node("Concat", [call.read(part, layout) for part in parts], axis=place)
    call.give(value, layout, tuple(joined))


def _concat_constants(call: Call, axis: int) -> None:
    arrays = [call.constant(part) for part in range(call.count - 1)]
    if any(array.dtype == object for array in arrays):
        sides = [side for part in range(len(arrays)) for side in call.sides(part)]
        call.give_constant(pack_sides(sides))
        return
    call.graph.spend(sum(array.nbytes for array in arrays))
    try:
        call.give_constant(np.concatenate(arrays, axis))
    except ValueError:
        raise BadModelFile(f"its parts differ on other axes than {axis}") from None


def _reshape(call: Call) -> None:
    """Elements follow one another in the file's order, so this needs the plain layout."""
    call.expect(2)
    shape = call.shape(0)
    wanted = call.sides(1)
    if call.is_constant(0):
        sizes = call.numbers(1)
        try:
            call.give_constant(call.constant(0).reshape(sizes))
        except ValueError:
            raise BadModelFile(f"{show(shape)} cannot become {sizes}") from None
        return
    made = _complete(call, shape, wanted)
    # ONNX takes 0 for a side that stays as it is, and -1 for one that follows from the rest.
    target: list[int] = []
    for axis, side in enumerate(made):
        kept = axis < len(shape) and side == shape[axis]
        target.append((0 if kept else -1) if isinstance(side, Open) else side)
    if target.count(-1) > 1:
        raise UnsupportedOp(f"to {show(made)}: more than one open side changes")
    value = call.node(
        "Reshape", [call.read(0, Layout.PLAIN), call.weight(np.array(target, np.int64))]
    )
    call.give(value, Layout.PLAIN, made)


def _complete(call: Call, shape: Shape, wanted: list[Side]) -> Shape:
    """The shape asked for, with the side of -1 worked out as far as it can be."""
    open_sides = [side for side in shape if isinstance(side, Open)]
    have = math.prod(side for side in shape if not isinstance(side, Open))
    want = 1
    for side in wanted:
        if not isinstance(side, Open):
            want *= 1 if side == -1 else side
        elif side in open_sides:
            open_sides.remove(side)
    if want < 1 or wanted.count(-1) > 1:
        raise BadModelFile(f"{show(shape)} cannot become {show(tuple(wanted))}")
    rest: Side = Open(f"{call.source.name}_rest")
    if not open_sides and all(s in shape for s in wanted if isinstance(s, Open)):
        if have % want or (have != want and -1 not in wanted):
            raise BadModelFile(f"{show(shape)} cannot become {show(tuple(wanted))}")
        rest = have // want
    return tuple(rest if side == -1 else side for side in wanted)


CONVERTERS = {
    "DepthToSpace": _depth_to_space,
    "Transpose": _transpose,
    "Pad": _pad,
    "MirrorPad": _pad,
    "ConcatV2": _concat,
    "Reshape": _reshape,
}
