"""Convolutions and their transposes beside plain sums over taps."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from faceguard.convert.frozen import convert_frozen
from faceguard.engines.errors import BadModelFile, UnsupportedOp

RNG = np.random.default_rng(11)


def spaced(side: int, kernel: int, stride: int, dilation: int, padding) -> tuple[int, int, int]:
    """Places of a window, and padding before and after (TensorFlow's documented rules)."""
    reach = (kernel - 1) * dilation + 1
    if padding == "SAME":
        places = -(-side // stride)
        total = max(0, (places - 1) * stride + reach - side)
        return places, total // 2, total - total // 2
    before, after = (0, 0) if padding == "VALID" else padding
    return (side + before + after - reach) // stride + 1, before, after


def taps(picture_shape, filters, stride, dilation, padding):
    """Yields, for each tap of the filters, the slices of the padded picture that it sees."""
    _, height, width, _ = picture_shape
    kernel = filters.shape[:2]
    (rows, *pad_y), (columns, *pad_x) = (
        spaced(side, kernel[axis], stride[axis], dilation[axis], padding[axis])
        for axis, side in enumerate((height, width))
    )
    for y, x in itertools.product(range(kernel[0]), range(kernel[1])):
        top, left = y * dilation[0], x * dilation[1]
        window = (
            slice(None),
            slice(top, top + (rows - 1) * stride[0] + 1, stride[0]),
            slice(left, left + (columns - 1) * stride[1] + 1, stride[1]),
        )
        yield (y, x), window, (rows, columns), (pad_y, pad_x)


def convolve(picture, filters, stride=(1, 1), dilation=(1, 1), padding=("SAME", "SAME")):
    """A convolution of one group, (N, H, W, C)."""
    made = 0
    for (y, x), window, _, (pad_y, pad_x) in taps(
        picture.shape, filters, stride, dilation, padding
    ):
        padded = np.pad(picture, ((0, 0), pad_y, pad_x, (0, 0)))
        made = made + padded[window] @ filters[y, x]
    return made


def convolve_back(shape, filters, gradient, stride, dilation, padding):
    """The gradient of `convolve` by its picture: each tap's share goes back where it came from."""
    for (y, x), window, places, (pad_y, pad_x) in taps(shape, filters, stride, dilation, padding):
        assert places == gradient.shape[1:3]
        if (y, x) == (0, 0):
            batch, height, width, channels = shape
            total = np.zeros((batch, height + sum(pad_y), width + sum(pad_x), channels))
        total[window] += gradient @ filters[y, x].T
    return total[:, pad_y[0] : pad_y[0] + height, pad_x[0] : pad_x[0] + width]


def filled(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


WINDOWS = [
    ((3, 3), (1, 1), (1, 1), "SAME"),
    ((3, 3), (1, 1), (1, 1), "VALID"),
    ((5, 2), (1, 1), (1, 1), "SAME"),
    ((3, 3), (2, 2), (1, 1), "SAME"),
    ((2, 4), (2, 3), (1, 1), "SAME"),
    ((3, 3), (2, 1), (1, 1), "VALID"),
    ((3, 2), (1, 1), (2, 3), "SAME"),
    ((1, 1), (2, 2), (1, 1), "SAME"),
    ((3, 3), (1, 2), (1, 1), ((2, 0), (1, 3))),
]


def padding_attributes(padding, last: bool = True) -> dict:
    if isinstance(padding, str):
        return {"padding": padding}
    (top, bottom), (left, right) = padding
    spatial = [top, bottom, left, right]
    numbers = [0, 0, *spatial, 0, 0] if last else [0, 0, 0, 0, *spatial]
    return {"padding": "EXPLICIT", "explicit_paddings": numbers}


def axes(pair: tuple[int, int], last: bool = True) -> list[int]:
    return [1, *pair, 1] if last else [1, 1, *pair]


@pytest.mark.parametrize("size", [None, (9, 8)])
@pytest.mark.parametrize(("kernel", "stride", "dilation", "padding"), WINDOWS)
def test_convolution(tiny_graph, kernel, stride, dilation, padding, size):
    """With open sides and with those that the file states."""
    graph = tiny_graph()
    filters = filled(*kernel, 3, 4)
    graph.placeholder(None if size is None else [1, *size, 3])
    graph.const("filters", filters)
    graph.op(
        "Conv2D",
        "result",
        ["picture", "filters"],
        strides=axes(stride),
        dilations=axes(dilation),
        data_format="NHWC",
        **padding_attributes(padding),
    )
    both = (padding, padding) if isinstance(padding, str) else padding
    for height, width in [size] if size else [(9, 8), (10, 13)]:
        picture = filled(1, height, width, 3)
        expected = convolve(picture, filters, stride, dilation, both)
        np.testing.assert_allclose(graph.run(picture=picture), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("padding", ["SAME", ((2, 0), (1, 3))])
def test_convolution_with_channels_first(tiny_graph, padding):
    graph = tiny_graph()
    filters = filled(3, 3, 2, 5)
    graph.placeholder([1, 2, -1, -1])
    graph.const("filters", filters)
    graph.op(
        "Conv2D",
        "conv",
        ["picture", "filters"],
        strides=axes((1, 2), last=False),
        data_format="NCHW",
        **padding_attributes(padding, last=False),
    )
    graph.const("bias", bias := filled(5))
    graph.op("BiasAdd", "result", ["conv", "bias"], data_format="NCHW")
    picture = filled(1, 8, 9, 2)
    both = (padding, padding) if isinstance(padding, str) else padding
    expected = convolve(picture, filters, (1, 2), (1, 1), both) + bias
    made = graph.run(picture=np.ascontiguousarray(picture.transpose(0, 3, 1, 2)))
    np.testing.assert_allclose(made, expected.transpose(0, 3, 1, 2), rtol=0, atol=2e-5)
    kinds = [node.op_type for node in convert_frozen(graph.build(), name="x").graph.node]
    assert "Transpose" not in kinds


def test_convolution_in_groups(tiny_graph):
    graph = tiny_graph()
    filters = filled(3, 3, 2, 6)
    graph.placeholder([1, -1, -1, 4])
    graph.const("filters", filters)
    graph.op("Conv2D", "result", ["picture", "filters"], strides=[1, 1, 1, 1], padding="SAME")
    picture = filled(1, 6, 5, 4)
    halves = [
        convolve(picture[..., :2], filters[..., :3]),
        convolve(picture[..., 2:], filters[..., 3:]),
    ]
    np.testing.assert_allclose(
        graph.run(picture=picture), np.concatenate(halves, axis=3), rtol=0, atol=2e-5
    )


BACK = [
    ((9, 9), (3, 3), "SAME", (0, 0)),
    ((4, 4), (2, 2), "SAME", (0, 0)),
    ((3, 3), (2, 2), "SAME", (1, 1)),
    ((1, 2), (3, 3), "SAME", (0, 2)),
    ((3, 3), (2, 2), "VALID", (0, 1)),
    ((3, 2), (3, 1), "VALID", (1, 0)),
    ((4, 3), (2, 2), ((1, 1), (0, 2)), (0, 1)),
]


@pytest.mark.parametrize(("kernel", "stride", "padding", "less"), BACK)
def test_transposed_convolution(tiny_graph, kernel, stride, padding, less):
    """All sides that the convolution in the other direction would turn into the picture's."""
    both = (padding, padding) if isinstance(padding, str) else padding
    filters = filled(*kernel, 2, 3)
    gradient = filled(1, 5, 6, 3)
    wanted = []
    for axis, places in enumerate((5, 6)):
        fitting = [
            side
            for side in range(1, 60)
            if spaced(side, kernel[axis], stride[axis], 1, both[axis])[0] == places
        ]
        wanted.append(fitting[-1] - less[axis])
        assert wanted[-1] in fitting
    graph = tiny_graph()
    graph.placeholder([1, 5, 6, 3])
    graph.const("filters", filters)
    graph.const("size", np.array([1, *wanted, 2], np.int32))
    graph.op(
        "Conv2DBackpropInput",
        "result",
        ["size", "filters", "picture"],
        strides=axes(stride),
        **padding_attributes(padding),
    )
    expected = convolve_back((1, *wanted, 2), filters, gradient, stride, (1, 1), both)
    np.testing.assert_allclose(graph.run(picture=gradient), expected, rtol=0, atol=2e-5)


def open_deconvolution(tiny_graph, factor: int):
    """FSRCNN's last layer as Keras freezes it: the size is worked out from the picture's."""
    graph = tiny_graph()
    filters = filled(9, 9, 1, 3)
    graph.placeholder([-1, -1, -1, 3])
    graph.const("filters", filters)
    graph.op("Shape", "shape", ["picture"], T=1)
    for number, name in enumerate(("n", "h", "w")):
        graph.const(f"{name}0", np.array([number], np.int32))
        graph.const(f"{name}1", np.array([number + 1], np.int32))
        inputs = ["shape", f"{name}0", f"{name}1", "h0"]
        graph.op("StridedSlice", name, inputs, shrink_axis_mask=1)
    graph.const("factor", np.array(factor, np.int32))
    graph.op("Mul", "rows", ["h", "factor"])
    graph.op("Mul", "columns", ["w", "factor"])
    graph.const("one", np.array(1, np.int32))
    graph.op("Pack", "size", ["n", "rows", "columns", "one"], axis=0)
    inputs = ["size", "filters", "picture"]
    graph.op("Conv2DBackpropInput", "result", inputs, strides=[1, 3, 3, 1], padding="SAME")
    return graph, filters


def test_transposed_convolution_of_an_open_picture(tiny_graph):
    graph, filters = open_deconvolution(tiny_graph, 3)
    model = convert_frozen(graph.build(), name="demo")
    sides = [side.dim_param for side in model.graph.output[0].type.tensor_type.shape.dim]
    assert sides == ["", "3*height", "3*width", ""]
    for height, width in ((4, 7), (11, 5)):
        gradient = filled(1, height, width, 3)
        shape = (1, 3 * height, 3 * width, 1)
        expected = convolve_back(shape, filters, gradient, (3, 3), (1, 1), ("SAME", "SAME"))
        np.testing.assert_allclose(graph.run(picture=gradient), expected, rtol=0, atol=5e-5)


def test_transposed_convolution_of_an_open_picture_to_a_wrong_size(tiny_graph):
    with pytest.raises(UnsupportedOp, match=r"'result' \(Conv2DBackpropInput\): .* 2\*height out "):
        convert_frozen(open_deconvolution(tiny_graph, 2)[0].build(), name="demo")


@pytest.mark.parametrize(
    ("change", "error", "why"),
    [
        ({"strides": [1, 0, 1, 1]}, BadModelFile, "its strides are"),
        ({"strides": [1, 1]}, BadModelFile, "its strides are"),
        ({"strides": [2, 1, 1, 1]}, UnsupportedOp, "over batch or channels"),
        ({"dilations": [1, -2, 1, 1]}, BadModelFile, "its dilations are"),
        ({"padding": "HALF"}, BadModelFile, "its padding is HALF"),
        ({"padding": 7}, BadModelFile, "its padding is not a word"),
        ({"padding": "EXPLICIT", "explicit_paddings": [0, 1]}, BadModelFile, "explicit paddings"),
        (
            {"padding": "EXPLICIT", "explicit_paddings": [1, 0, 0, 0, 0, 0, 0, 0]},
            BadModelFile,
            "pad batch",
        ),
        ({"data_format": "NCHW_VECT_C"}, UnsupportedOp, "order of axes NCHW_VECT_C"),
    ],
)
def test_convolution_that_contradicts_itself(tiny_graph, change, error, why):
    graph = tiny_graph()
    graph.placeholder([1, 6, 6, 3])
    graph.const("filters", filled(3, 3, 3, 2))
    settings = {"strides": [1, 1, 1, 1], "padding": "SAME"} | change
    graph.op("Conv2D", "result", ["picture", "filters"], **settings)
    with pytest.raises(error, match=rf"node 'result' \(Conv2D\): .*{why}"):
        convert_frozen(graph.build(), name="demo")


def test_window_that_is_larger_than_the_picture(tiny_graph):
    graph = tiny_graph()
    graph.placeholder([1, 4, 4, 3])
    graph.const("filters", filled(5, 3, 3, 2))
    graph.op("Conv2D", "result", ["picture", "filters"], strides=[1, 1, 1, 1], padding="VALID")
    with pytest.raises(BadModelFile, match=r"'result' .*the shape \[1, 0, 2, 2\]"):
        convert_frozen(graph.build(), name="demo")
