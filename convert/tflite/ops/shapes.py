"""What moves numbers about: pads, joins, cuts, resizes, and gives new shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faceguard.convert.tflite.graph import Layout
from faceguard.convert.tflite.ops.table import Table
from faceguard.engines.errors import BadModelFile, UnsupportedOp

if TYPE_CHECKING:
    from faceguard.convert.tflite.call import Call

CONVERTERS = Table()
_CHANNELS_FIRST = Layout.CHANNELS_FIRST


@CONVERTERS.converts("PAD")
def _pad(call: Call) -> None:
    shape = call.shape(0)
    amounts = call.numbers(1)
    if amounts.shape != (len(shape), 2) or amounts.min(initial=0) < 0:
        raise BadModelFile(f"paddings {list(amounts.shape)} do not fit {list(shape)}")
    padded = tuple(
        side + int(before) + int(after)
        for side, (before, after) in zip(shape, amounts, strict=True)
    )
    layout = call.shared_layout(1)
    if layout is _CHANNELS_FIRST:
        amounts = amounts[[0, 3, 1, 2]]
    made = call.node("Pad", [call.read(0, layout), call.weight(amounts.T.reshape(-1))])
    call.give(made, layout, padded)


@CONVERTERS.converts("CONCATENATION")
def _concatenation(call: Call) -> None:
    count = call.count
    first = call.shape(0)
    rank = len(first)
    axis = _axis(call, rank)
    shapes = [call.shape(place) for place in range(count)]
    others = {(shape[:axis], shape[axis + 1 :]) for shape in shapes}
    if len(others) != 1:
        raise BadModelFile(f"its parts differ on other axes than {axis}")
    joined = (*first[:axis], sum(shape[axis] for shape in shapes), *first[axis + 1 :])
    layout = call.shared_layout(count)
    place = (0, 2, 3, 1)[axis] if layout is _CHANNELS_FIRST else axis
    if not call.same_scale(count):
        raise UnsupportedOp("its parts differ in type or scale")
    made = call.node("Concat", [call.stored(part, layout) for part in range(count)], axis=place)
    call.give(made, layout, joined, call.tensor(0).meaning)


@CONVERTERS.converts("PACK")
def _pack(call: Call) -> None:
    """Tensors of one shape side by side along a new axis."""
    count = call.count
    shape = call.shape(0)
    axis = _axis(call, len(shape) + 1)
    if any(call.shape(place) != shape for place in range(count)):
        raise BadModelFile("its parts differ in shape")
    if not call.same_scale(count):
        raise UnsupportedOp("its parts differ in type or scale")
    grown = call.weight(np.array([axis], np.int64))
    parts = [call.node("Unsqueeze", [call.stored(p, Layout.PLAIN), grown]) for p in range(count)]
    made = call.node("Concat", parts, axis=axis)
    call.move(made, Layout.PLAIN, (*shape[:axis], count, *shape[axis:]))


@CONVERTERS.converts("UNPACK")
def _unpack(call: Call) -> None:
    """Each slice along an axis is a tensor without it."""
    shape = call.shape(0)
    axis = _axis(call, len(shape))
    results = call.operator.outputs
    if len(results) != shape[axis]:
        raise BadModelFile(f"{len(results)} outputs for {shape[axis]} slices")
    whole = call.stored(0, Layout.PLAIN)
    for place, index in enumerate(results):
        slice_ = call.node("Gather", [whole, call.weight(np.array(place, np.int64))], axis=axis)
        rest = (*shape[:axis], *shape[axis + 1 :])
        call.move_to(call.graph.tensor(index), slice_, Layout.PLAIN, rest)


@CONVERTERS.converts("RESHAPE")
def _reshape(call: Call) -> None:
    """Elements follow one another in TFLite's order, so this needs the plain layout."""
    result = call.result
    if call.tensor(0).elements != result.elements:
        raise BadModelFile(
            f"{list(call.shape(0))} has not as many elements as {list(result.shape)}"
        )
    if call.count > 1:
        wanted = call.numbers(1).reshape(-1)
        fits = len(wanted) == len(result.shape) and all(
            want in (-1, side) for want, side in zip(wanted.tolist(), result.shape, strict=True)
        )
        if not fits:
            raise BadModelFile(f"it asks for another shape than {list(result.shape)}")
    shape = call.weight(np.array(result.shape, np.int64))
    made = call.node("Reshape", [call.stored(0, Layout.PLAIN), shape])
    call.move(made, Layout.PLAIN, result.shape)


@CONVERTERS.converts("RESIZE_BILINEAR")
def _resize(call: Call) -> None:
    batch, _, _, channels = call.picture(0)
    size = call.numbers(1)
    if size.shape != (2,) or size.min() < 1:
        raise BadModelFile("its size is not a height and a width")
    height, width = int(size[0]), int(size[1])
    if call.options.align_corners and call.options.half_pixel_centers:
        raise BadModelFile("aligned corners and half pixel centres exclude each other")
    if call.options.align_corners:
        mode = "align_corners"
    else:
        mode = "half_pixel" if call.options.half_pixel_centers else "asymmetric"
    sizes = call.weight(np.array([batch, channels, height, width], np.int64))
    made = call.node(
        "Resize",
        [call.read(0, _CHANNELS_FIRST), "", "", sizes],
        mode="linear",
        coordinate_transformation_mode=mode,
    )
    call.give(made, _CHANNELS_FIRST, (batch, height, width, channels))


@CONVERTERS.converts("DEPTH_TO_SPACE")
def _depth_to_space(call: Call) -> None:
    batch, height, width, channels = call.picture(0)
    side = call.options.block_size
    if side < 1 or channels % (side * side):
        raise BadModelFile(f"blocks of {side} do not fit {channels} channels")
    # TFLite counts depth as (row, column, channel), which ONNX calls DCR.
    made = call.node("DepthToSpace", [call.read(0, _CHANNELS_FIRST)], blocksize=side, mode="DCR")
    shape = (batch, height * side, width * side, channels // (side * side))
    call.give(made, _CHANNELS_FIRST, shape)


def _axis(call: Call, rank: int) -> int:
    """The axis of its settings; one below 0 is counted from the end."""
    axis = call.options.axis + (rank if call.options.axis < 0 else 0)
    if not 0 <= axis < rank:
        raise BadModelFile(f"axis {call.options.axis} of {rank}")
    return axis
