"""What each TFLite operation is in ONNX: one function each, found by name.

Settings and formulas are those of TensorFlow Lite's reference kernels
(tensorflow/lite/kernels/internal/reference). Shapes here are in TFLite's order, (N, H, W, C) for
pictures. Each function raises BadModelFile where the operation contradicts itself and UnsupportedOp
where it is sound but not converted; who calls it says which operation that was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faceguard.convert.tflite.graph import Layout
from faceguard.engines.errors import BadModelFile, UnsupportedOp

if TYPE_CHECKING:
    from collections.abc import Callable

    from faceguard.convert.tflite.call import Call

    Converter = Callable[[Call], None]

_SAME, _VALID = 0, 1
_CHANNELS_FIRST = Layout.CHANNELS_FIRST

CONVERTERS: dict[str, Converter] = {}
"""Every operation that can be converted, by its name in TFLite's schema."""


def _converts(*kinds: str) -> Callable[[Converter], Converter]:
    def register(function: Converter) -> Converter:
        CONVERTERS.update(dict.fromkeys(kinds, function))
        return function

    return register


@_converts("DEQUANTIZE")
def _dequantize(call: Call) -> None:
    """Half precision weights become single; integers with a scale are not converted."""
    weights = call.constant(0)
    if weights.dtype not in (np.float16, np.float32):
        raise UnsupportedOp(f"weights of {call.tensor(0).kind}; only FLOAT16 ones are converted")
    call.give_constant(weights.astype(np.float32))


@_converts("DENSIFY")
def _densify(call: Call) -> None:
    """Constants are always read dense, so that nothing is left to do."""
    call.give_constant(call.constant(0))


@_converts("CONV_2D")
def _conv(call: Call) -> None:
    batch, height, width, channels = call.picture(0)
    filters = call.weights(1, rank=4)  # (out, height, width, in of one group)
    count, kernel, inner = filters.shape[0], filters.shape[1:3], filters.shape[3]
    if inner < 1 or channels % inner or count % (channels // inner):
        raise BadModelFile(f"filters {list(filters.shape)} do not fit {channels} channels")
    made = call.node(
        "Conv",
        [
            call.read(0, _CHANNELS_FIRST),
            call.weight(filters.transpose(0, 3, 1, 2)),
            *_bias(call, count),
        ],
        group=channels // inner,
        **_window(call, kernel),
    )
    call.give(made, _CHANNELS_FIRST, (batch, *_slid(call, (height, width), kernel), count))


@_converts("DEPTHWISE_CONV_2D")
def _depthwise(call: Call) -> None:
    batch, height, width, channels = call.picture(0)
    filters = call.weights(1, rank=4)  # (1, height, width, channels * multiplier)
    count, kernel = filters.shape[3], filters.shape[1:3]
    if filters.shape[0] != 1 or count < 1 or count % channels:
        raise BadModelFile(f"filters {list(filters.shape)} do not fit {channels} channels")
    made = call.node(
        "Conv",
        [
            call.read(0, _CHANNELS_FIRST),
            call.weight(filters.transpose(3, 0, 1, 2)),
            *_bias(call, count),
        ],
        group=channels,
        **_window(call, kernel),
    )
    call.give(made, _CHANNELS_FIRST, (batch, *_slid(call, (height, width), kernel), count))


@_converts("MAX_POOL_2D", "AVERAGE_POOL_2D")
def _pool(call: Call) -> None:
    batch, height, width, channels = call.picture(0)
    kernel = call.options.kernel
    window = _window(call, kernel)
    del window["dilations"]  # TFLite's pools have none, and ONNX's average only from opset 19
    kind = "MaxPool" if call.kind == "MAX_POOL_2D" else "AveragePool"
    made = call.node(kind, [call.read(0, _CHANNELS_FIRST)], **window)
    call.give(made, _CHANNELS_FIRST, (batch, *_slid(call, (height, width), kernel), channels))


@_converts("RELU", "RELU6", "LOGISTIC")
def _unary(call: Call) -> None:
    layout = call.shared_layout(1)
    value = call.read(0, layout)
    if call.kind == "RELU6":
        made = call.clip(value, 0, 6)
    else:
        made = call.node("Relu" if call.kind == "RELU" else "Sigmoid", [value])
    call.give(made, layout, call.shape(0))


@_converts("ADD", "MUL", "PRELU")
def _binary(call: Call) -> None:
    layout = call.shared_layout(2)
    left, right = call.shape(0), call.shape(1)
    rank = max(len(left), len(right))
    try:
        shape = np.broadcast_shapes(left, right)
    except ValueError:
        raise BadModelFile(f"the shapes {list(left)} and {list(right)} do not fit") from None
    if call.kind == "PRELU" and shape != left:
        raise BadModelFile(f"slopes {list(right)} do not fit {list(left)}")
    kind = {"ADD": "Add", "MUL": "Mul", "PRELU": "PRelu"}[call.kind]
    made = call.node(kind, [call.read(0, layout, rank), call.read(1, layout, rank)])
    call.give(made, layout, shape)


@_converts("PAD")
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


@_converts("CONCATENATION")
def _concatenation(call: Call) -> None:
    count = call.count
    first = call.shape(0)
    rank = len(first)
    axis = call.options.axis + (rank if call.options.axis < 0 else 0)
    if not 0 <= axis < rank:
        raise BadModelFile(f"axis {call.options.axis} of {rank}")
    shapes = [call.shape(place) for place in range(count)]
    others = {(shape[:axis], shape[axis + 1 :]) for shape in shapes}
    if len(others) != 1:
        raise BadModelFile(f"its parts differ on other axes than {axis}")
    joined = (*first[:axis], sum(shape[axis] for shape in shapes), *first[axis + 1 :])
    layout = call.shared_layout(count)
    place = (0, 2, 3, 1)[axis] if layout is _CHANNELS_FIRST else axis
    made = call.node("Concat", [call.read(part, layout) for part in range(count)], axis=place)
    call.give(made, layout, joined)


@_converts("RESHAPE")
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
    call.give(call.node("Reshape", [call.read(0, Layout.PLAIN), shape]), Layout.PLAIN, result.shape)


@_converts("RESIZE_BILINEAR")
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


@_converts("DEPTH_TO_SPACE")
def _depth_to_space(call: Call) -> None:
    batch, height, width, channels = call.picture(0)
    side = call.options.block_size
    if side < 1 or channels % (side * side):
        raise BadModelFile(f"blocks of {side} do not fit {channels} channels")
    # TFLite counts depth as (row, column, channel), which ONNX calls DCR.
    made = call.node("DepthToSpace", [call.read(0, _CHANNELS_FIRST)], blocksize=side, mode="DCR")
    shape = (batch, height * side, width * side, channels // (side * side))
    call.give(made, _CHANNELS_FIRST, shape)


def _bias(call: Call, count: int) -> list[str]:
    if not call.given(2):
        return []
    bias = call.weights(2, rank=1)
    if len(bias) != count:
        raise BadModelFile(f"{len(bias)} biases for {count} filters")
    return [call.weight(bias)]


def _window(call: Call, kernel: tuple[int, ...]) -> dict[str, list[int]]:
    """The attributes of a node whose window slides over height and width."""
    _, height, width, _ = call.picture(0)
    strides, dilations = call.options.strides, call.options.dilations
    if min(*kernel, *strides, *dilations) < 1:
        raise BadModelFile(f"window {kernel}, strides {strides} or dilations {dilations} below 1")
    pads = [_pads(call, axis, (height, width)[axis], kernel[axis]) for axis in (0, 1)]
    return {
        "kernel_shape": list(kernel),
        "strides": list(strides),
        "dilations": list(dilations),
        "pads": [before for before, _ in pads] + [after for _, after in pads],
    }


def _pads(call: Call, axis: int, side: int, kernel: int) -> tuple[int, int]:
    """Padding before and after; an odd one is larger at the end, as in TensorFlow."""
    if call.options.padding == _VALID:
        return 0, 0
    if call.options.padding != _SAME:
        raise BadModelFile(f"padding of kind {call.options.padding}")
    stride, reach = call.options.strides[axis], _reach(call, axis, kernel)
    total = max(0, (-(-side // stride) - 1) * stride + reach - side)
    return total // 2, total - total // 2


def _slid(call: Call, sides: tuple[int, int], kernel: tuple[int, ...]) -> tuple[int, int]:
    """How many places a window has over height and width."""
    places = []
    for axis, side in enumerate(sides):
        lost = 0 if call.options.padding == _SAME else _reach(call, axis, kernel[axis]) - 1
        places.append(-(-(side - lost) // call.options.strides[axis]))
    return places[0], places[1]


def _reach(call: Call, axis: int, kernel: int) -> int:
    """How many pixels a kernel spans along an axis, with the gaps of its dilation."""
    return (kernel - 1) * call.options.dilations[axis] + 1
