"""Operations whose window slides over height and width: convolutions and their transposes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faceguard.convert.frozen.graph import Layout
from faceguard.convert.frozen.sides import Open, Side, ceil_div, difference, show
from faceguard.engines.errors import BadModelFile, UnsupportedOp

if TYPE_CHECKING:
    from faceguard.convert.frozen.call import Call

_RANK = 4
_MAX_STEP = 1 << 16


@dataclass(frozen=True)
class _Window:
    """How a window slides.

    Attributes:
        last: Pictures are (N, H, W, C) and not (N, C, H, W).
        kernel: Its taps (y, x).
        strides: Its steps (y, x).
        dilations: The spacing of its taps (y, x).
        padding: SAME, VALID or EXPLICIT.
        explicit: EXPLICIT only: padding (top, bottom), (left, right).
    """

    last: bool
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    padding: str
    explicit: tuple[tuple[int, int], tuple[int, int]]

    @property
    def layout(self) -> Layout:
        """The layout in which a value is (N, C, H, W)."""
        return Layout.CHANNELS_FIRST if self.last else Layout.PLAIN

    @property
    def spatial(self) -> tuple[int, int]:
        """The axes of height and width in the file's layout."""
        return (1, 2) if self.last else (2, 3)

    @property
    def channel_axis(self) -> int:
        """The axis of channels in the file's layout."""
        return 3 if self.last else 1

    def reach(self, axis: int) -> int:
        """How many pixels the kernel spans along an axis, with the gaps of its dilation."""
        return (self.kernel[axis] - 1) * self.dilations[axis] + 1

    def attributes(self) -> dict[str, Any]:
        """What the ONNX operators of convolution and its transpose have in common."""
        return {
            "kernel_shape": list(self.kernel),
            "strides": list(self.strides),
            "dilations": list(self.dilations),
        }


def _conv(call: Call) -> None:
    call.expect(2)
    filters = call.weights(1, rank=4)  # (height, width, in of one group, out)
    window = _window(call, filters.shape[:2])
    shape = call.picture(0)
    channels = call.channels(shape, window.channel_axis)
    inner, count = filters.shape[2:]
    if min(inner, count) < 1 or channels % inner or count % (channels // inner):
        raise BadModelFile(f"filters {show(filters.shape)} do not fit {channels} channels")
    made = list(shape)
    made[window.channel_axis] = count
    pads: list[tuple[int, int] | None] = []
    for axis, place in enumerate(window.spatial):
        side = shape[place]
        pads.append(_pads(window, axis, side))
        lost = (
            0 if window.padding == "SAME" else window.reach(axis) - 1 - sum(window.explicit[axis])
        )
        base = f"{call.source.name}_{'yx'[axis]}"
        made[place] = ceil_div(side - lost, window.strides[axis], base)
    value = call.node(
        "Conv",
        [call.read(0, window.layout), call.weight(filters.transpose(3, 2, 0, 1))],
        group=channels // inner,
        **window.attributes(),
        **_pad_attributes(pads),
    )
    call.give(value, window.layout, tuple(made))


def _conv_transpose(call: Call) -> None:
    """Conv2DBackpropInput, which the layers called deconvolution or transposed convolution are.

    Its first operand is the shape of what it makes, which has to be one that the convolution in
    the other direction turns into the picture that it reads.
    """
    call.expect(3)
    filters = call.weights(1, rank=4)  # (height, width, out, in)
    window = _window(call, filters.shape[:2])
    shape, wanted = call.picture(2), call.sides(0)
    if len(wanted) == 2:  # TensorFlow also takes height and width alone
        full: list[Side] = [shape[0]] * _RANK
        full[window.channel_axis] = filters.shape[2]
        full[window.spatial[0]], full[window.spatial[1]] = wanted
        wanted = full
    channels = call.channels(shape, window.channel_axis)
    if (
        len(wanted) != _RANK
        or filters.shape[2] < 1
        or filters.shape[3] != channels
        or wanted[window.channel_axis] != filters.shape[2]
        or wanted[0] not in (shape[0], -1)
    ):
        raise BadModelFile(
            f"filters {show(filters.shape)} do not make {show(tuple(wanted))} of {show(shape)}"
        )
    made = list(wanted)
    made[0] = shape[0]
    pads: list[tuple[int, int] | None] = []
    more: list[int] = []
    for axis, place in enumerate(window.spatial):
        before_after, extra = _transposed_pads(window, axis, shape[place], wanted[place])
        pads.append(before_after)
        more.append(extra)
    value = call.node(
        "ConvTranspose",
        [call.read(2, window.layout), call.weight(filters.transpose(3, 2, 0, 1))],
        output_padding=more,
        **window.attributes(),
        **_pad_attributes(pads),
    )
    call.give(value, window.layout, tuple(made))


def _transposed_pads(
    window: _Window, axis: int, side: Side, wanted: Side
) -> tuple[tuple[int, int], int]:
    """What is cut off at either end, and what is added at the end, to get the side asked for."""
    stride, reach = window.strides[axis], window.reach(axis)
    surplus = difference((side - 1) * stride + reach, wanted)
    if surplus is None:
        raise UnsupportedOp(
            f"it makes a side of {wanted} out of {side}; one has to follow from the other"
        )
    if window.padding == "SAME":
        total = max(0, surplus)
        before, after = total // 2, total - total // 2
        fits = reach - stride <= surplus < reach
    else:
        before, after = window.explicit[axis]
        fits = True
    more = before + after - surplus
    if not (fits and 0 <= more < stride):
        raise BadModelFile(f"it makes a side of {wanted} out of {side} in steps of {stride}")
    return (before, after), more


def _window(call: Call, kernel: tuple[int, ...]) -> _Window:
    last = call.channels_last()
    spatial, others = ((1, 2), (0, 3)) if last else ((2, 3), (0, 1))
    padding = call.source.text("padding", "")
    steps = []
    for key in ("strides", "dilations"):
        values = call.source.integers(key, (1,) * _RANK)
        if len(values) != _RANK or not 1 <= min(values) <= max(values) <= _MAX_STEP:
            raise BadModelFile(f"its {key} are {list(values)[:9]}")
        if any(values[axis] != 1 for axis in others):
            raise UnsupportedOp(f"{key} {list(values)} over batch or channels are not converted")
        steps.append((values[spatial[0]], values[spatial[1]]))
    if padding not in ("SAME", "VALID", "EXPLICIT"):
        raise BadModelFile(f"its padding is {padding}")
    explicit = call.source.integers("explicit_paddings", (0,) * 8)
    if padding != "EXPLICIT":
        explicit = (0,) * 8
    if len(explicit) != 8 or not 0 <= min(explicit) <= max(explicit) <= _MAX_STEP:
        raise BadModelFile(f"its explicit paddings are {list(explicit)[:9]}")
    pairs = [(explicit[2 * axis], explicit[2 * axis + 1]) for axis in range(_RANK)]
    if any(pairs[axis] != (0, 0) for axis in others):
        raise BadModelFile(f"its explicit paddings {list(explicit)} pad batch or channels")
    if min(kernel) < 1:
        raise BadModelFile(f"its filters are {list(kernel)}")
    return _Window(
        last,
        (kernel[0], kernel[1]),
        steps[0],
        steps[1],
        padding,
        (pairs[spatial[0]], pairs[spatial[1]]),
    )


def _pads(window: _Window, axis: int, side: Side) -> tuple[int, int] | None:
    """Padding before and after, or None where SAME's depends on a side that is still open.

    An odd one is larger at the end, as in TensorFlow.
    """
    if window.padding != "SAME":
        return window.explicit[axis]
    stride, reach = window.strides[axis], window.reach(axis)
    if isinstance(side, Open):
        if side.scale % stride:
            return None
        side = side.offset
    total = max(0, reach - (side % stride or stride))
    return total // 2, total - total // 2


def _pad_attributes(pads: list[tuple[int, int] | None]) -> dict[str, Any]:
    known = [pair for pair in pads if pair is not None]
    if len(known) < len(pads):
        return {"auto_pad": "SAME_UPPER"}
    return {"pads": [before for before, _ in known] + [after for _, after in known]}


CONVERTERS = {"Conv2D": _conv, "Conv2DBackpropInput": _conv_transpose}
