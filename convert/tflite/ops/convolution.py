"""What slides a window over height and width: convolutions and pools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faceguard.convert.tflite.graph import Layout
from faceguard.convert.tflite.ops.table import Table
from faceguard.engines.errors import BadModelFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from faceguard.convert.tflite.call import Call

CONVERTERS = Table()
_SAME, _VALID = 0, 1
_CHANNELS_FIRST = Layout.CHANNELS_FIRST


@CONVERTERS.converts("CONV_2D")
def _conv(call: Call) -> None:
    batch, height, width, channels = call.picture(0)
    count, *kernel, inner = call.filters(1)  # (out, height, width, in of one group)
    if inner < 1 or channels % inner or count % (channels // inner):
        raise BadModelFile(f"filters {list(call.shape(1))} do not fit {channels} channels")
    made = call.node(
        "Conv",
        [
            call.read(0, _CHANNELS_FIRST),
            call.filters_first(1, (0, 3, 1, 2)),
            *_bias(call, count),
        ],
        group=channels // inner,
        **_window(call, kernel),
    )
    call.give(made, _CHANNELS_FIRST, (batch, *_slid(call, (height, width), kernel), count))


@CONVERTERS.converts("DEPTHWISE_CONV_2D")
def _depthwise(call: Call) -> None:
    batch, height, width, channels = call.picture(0)
    first, *kernel, count = call.filters(1)  # (1, height, width, channels * multiplier)
    if first != 1 or count < 1 or count % channels:
        raise BadModelFile(f"filters {list(call.shape(1))} do not fit {channels} channels")
    made = call.node(
        "Conv",
        [
            call.read(0, _CHANNELS_FIRST),
            call.filters_first(1, (3, 0, 1, 2)),
            *_bias(call, count),
        ],
        group=channels,
        **_window(call, kernel),
    )
    call.give(made, _CHANNELS_FIRST, (batch, *_slid(call, (height, width), kernel), count))


@CONVERTERS.converts("MAX_POOL_2D", "AVERAGE_POOL_2D")
def _pool(call: Call) -> None:
    batch, height, width, channels = call.picture(0)
    kernel = call.options.kernel
    window = _window(call, kernel)
    del window["dilations"]  # TFLite's pools have none, and ONNX's average only from opset 19
    kind = "MaxPool" if call.kind == "MAX_POOL_2D" else "AveragePool"
    made = call.node(kind, [call.read(0, _CHANNELS_FIRST)], **window)
    call.give(made, _CHANNELS_FIRST, (batch, *_slid(call, (height, width), kernel), channels))


def _bias(call: Call, count: int) -> list[str]:
    if not call.given(2):
        return []
    bias = call.weights(2, rank=1)
    if len(bias) != count:
        raise BadModelFile(f"{len(bias)} biases for {count} filters")
    return [call.weight(bias)]


def _window(call: Call, kernel: Sequence[int]) -> dict[str, list[int]]:
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


def _slid(call: Call, sides: tuple[int, int], kernel: Sequence[int]) -> tuple[int, int]:
    """How many places a window has over height and width."""
    places = []
    for axis, side in enumerate(sides):
        lost = 0 if call.options.padding == _SAME else _reach(call, axis, kernel[axis]) - 1
        places.append(-(-(side - lost) // call.options.strides[axis]))
    return places[0], places[1]


def _reach(call: Call, axis: int, kernel: int) -> int:
    """How many pixels a kernel spans along an axis, with the gaps of its dilation."""
    return (kernel - 1) * call.options.dilations[axis] + 1
