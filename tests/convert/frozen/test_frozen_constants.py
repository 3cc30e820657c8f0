"""Stored tensors in all their spellings, quantized weights, and what tells a picture's shape."""

from __future__ import annotations

import numpy as np
import pytest

from faceguard.convert.frozen import convert_frozen
from faceguard.engines.errors import BadModelFile, UnsupportedOp


def added(graph, name: str, shape: list[int]) -> np.ndarray:
    """What a constant holds, seen by adding it to zeros."""
    graph.placeholder(shape)
    graph.op("Add", "result", ["picture", name])
    return graph.run(picture=np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.5, -2.0, 4.0], [1.5, -2.0, 4.0, 4.0, 4.0, 4.0]),
        ([0.25], [0.25] * 6),
        ([], [0.0] * 6),
        ([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]),
    ],
)
def test_last_listed_value_stands_for_the_rest(tiny_graph, values, expected):
    graph = tiny_graph()
    graph.const("stored", np.zeros((2, 3), np.float32), listed="float_val")
    tensor = graph.tensor("stored")
    del tensor.float_val[:]
    tensor.float_val.extend(values)
    np.testing.assert_array_equal(added(graph, "stored", [2, 3]).reshape(-1), expected)


@pytest.mark.parametrize("listed", [False, True])
def test_half_precision(tiny_graph, listed):
    """Listed halves are the numbers that their bits make."""
    halves = np.array([1.5, -2.25, 65504, 6e-8], np.float16)
    graph = tiny_graph()
    graph.const("halves", halves)
    if listed:
        tensor = graph.tensor("halves")
        tensor.tensor_content = b""
        tensor.half_val.extend(halves.view(np.uint16).tolist())
    graph.op("Cast", "stored", ["halves"], DstT=1)
    np.testing.assert_array_equal(added(graph, "stored", [4]), halves.astype(np.float32))


@pytest.mark.parametrize(
    ("dtype", "field"),
    [(np.int32, "int_val"), (np.int64, "int64_val"), (np.int32, ""), (np.int64, "")],
)
def test_whole_numbers(tiny_graph, dtype, field):
    graph = tiny_graph()
    graph.placeholder([1, 2, 3])
    graph.const("perm", np.array([2, 0, 1], dtype), listed=field)
    graph.op("Transpose", "result", ["picture", "perm"])
    picture = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    np.testing.assert_array_equal(graph.run(picture=picture), picture.transpose(2, 0, 1))


# Worked out by hand from TensorFlow's documentation of Dequantize and of QuantizeV2.
@pytest.mark.parametrize(
    ("mode", "type_", "codes", "low", "high", "expected"),
    [
        ("MIN_COMBINED", 12, [0, 51, 255], -1.0, 4.0, [-1.0, 0.0, 4.0]),
        ("MIN_COMBINED", 11, [-128, -77, 127], -1.0, 4.0, [-1.0, 0.0, 4.0]),
        ("MIN_FIRST", 12, [0, 1, 255], 0.0, 2.55, [0.0, 0.01, 2.55]),
        # One step is 0.01; -0.996 is moved to -1.0, so that code 100 is zero.
        ("MIN_FIRST", 12, [0, 100, 255], -0.996, 1.554, [-1.0, 0.0, 1.55]),
        ("MIN_FIRST", 11, [-128, -28, 127], -0.996, 1.554, [-1.0, 0.0, 1.55]),
        ("MIN_FIRST", 12, [0, 7, 255], 0.5, 0.5, [0.5, 0.5, 0.5]),
        ("SCALED", 12, [0, 51, 255], -9.0, 5.0, [0.0, 1.0, 5.0]),
        ("SCALED", 11, [-128, 0, 127], -1.0, 2.54, [-2.56, 0.0, 2.54]),
        ("SCALED", 11, [-128, 0, 64], -2.56, 0.5, [-2.56, 0.0, 1.28]),
    ],
)
def test_dequantize(tiny_graph, mode, type_, codes, low, high, expected):
    graph = tiny_graph()
    graph.const("codes", np.array(codes).astype(np.int8 if type_ == 11 else np.uint8), dtype=type_)
    graph.const("low", low)
    graph.const("high", high, listed="float_val")
    graph.op("Dequantize", "stored", ["codes", "low", "high"], T=type_, mode=mode)
    np.testing.assert_allclose(added(graph, "stored", [3]), expected, rtol=0, atol=1e-6)


def test_dequantize_of_a_narrow_range(tiny_graph):
    graph = tiny_graph()
    graph.const("codes", np.array([-127, 0, 127], np.int8), dtype=11)
    graph.const("low", -2.54)
    graph.const("high", 1.0)
    graph.op("Dequantize", "stored", ["codes", "low", "high"], mode="SCALED", narrow_range=True)
    np.testing.assert_allclose(added(graph, "stored", [3]), [-2.54, 0, 2.54], atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "low", "high", "error", "why"),
    [
        ({"mode": "OTHER"}, 0.0, 1.0, UnsupportedOp, "mode OTHER"),
        ({"axis": 1}, 0.0, 1.0, UnsupportedOp, "for each channel"),
        ({"dtype": 14}, 0.0, 1.0, UnsupportedOp, "only float32"),
        ({}, [0.0, 0.1], 1.0, UnsupportedOp, "not one for the whole tensor"),
        ({}, 1.0, 0.0, BadModelFile, "its range is 1.0 to 0.0"),
        ({}, 0.0, float("nan"), BadModelFile, "its range is 0.0 to nan"),
    ],
)
def test_dequantize_that_is_refused(tiny_graph, settings, low, high, error, why):
    graph = tiny_graph()
    graph.const("codes", np.zeros(3, np.uint8), dtype=12)
    graph.const("low", low)
    graph.const("high", high)
    graph.op("Dequantize", "stored", ["codes", "low", "high"], **settings)
    with pytest.raises(error, match=rf"node 'stored' \(Dequantize\): .*{why}"):
        added(graph, "stored", [3])


def test_constants_of_types_that_are_not_read(tiny_graph):
    graph = tiny_graph()
    graph.const("doubles", np.zeros(3, np.float32), dtype=2)
    with pytest.raises(UnsupportedOp, match=r"'doubles' \(Const\): .*type 2, which is not read"):
        added(graph, "doubles", [3])


def change(tensor, what: str) -> None:
    if what == "short":
        tensor.tensor_content = tensor.tensor_content[:-1]
    elif what == "many":
        tensor.tensor_content = b""
        tensor.float_val.extend([1.0] * 4)
    elif what == "negative":
        tensor.tensor_shape.dim[0].size = -1
    elif what == "unknown":
        tensor.tensor_shape.unknown_rank = True
    elif what == "rank":
        for _ in range(9):
            tensor.tensor_shape.dim.add(size=1)


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("short", "stores 11 bytes, float32 .3. takes 12"),
        ("many", "lists 4 values"),
        ("negative", "no definite shape"),
        ("unknown", "no definite shape"),
        ("rank", "the shape"),
    ],
)
def test_tensor_that_contradicts_itself(tiny_graph, what, why):
    graph = tiny_graph()
    graph.const("stored", np.ones(3, np.float32))
    change(graph.tensor("stored"), what)
    with pytest.raises(BadModelFile, match=rf"node 'stored' \(Const\): .*{why}"):
        added(graph, "stored", [3])


@pytest.mark.parametrize("number", [256, -1])
def test_listed_value_that_its_type_cannot_hold(tiny_graph, number):
    graph = tiny_graph()
    graph.const("codes", np.array([number], np.int32), dtype=12, listed="int_val")
    graph.const("low", 0.0)
    graph.const("high", 1.0)
    graph.op("Dequantize", "stored", ["codes", "low", "high"])
    with pytest.raises(BadModelFile, match=r"'codes' \(Const\): .*no uint8"):
        added(graph, "stored", [1])


def sides(value) -> list[int | str]:
    return [side.dim_value or side.dim_param for side in value.type.tensor_type.shape.dim]


@pytest.mark.parametrize(
    ("stated", "order", "expected"),
    [
        (None, "NHWC", [1, "height", "width", 3]),
        ([], "NHWC", [1, "height", "width", 3]),
        (None, "NCHW", [1, 3, "height", "width"]),
        ([-1, -1, -1, -1], "NHWC", [1, "height", "width", 3]),
        ([-1, -1, 64, 3], "NHWC", [1, "height", 64, 3]),
        ([2, -1, -1, 3], "NHWC", [2, "height", "width", 3]),
        ([1, 3, -1, -1], "NCHW", [1, 3, "height", "width"]),
    ],
)
def test_shape_of_the_picture(tiny_graph, stated, order, expected):
    """As the file states it; else from the first convolution, here behind a mean's subtraction."""
    graph = tiny_graph()
    graph.placeholder(stated)
    graph.const("mean", 0.5)
    graph.op("Sub", "centred", ["picture", "mean"])
    graph.const("filters", np.ones((1, 1, 3, 2), np.float32))
    inputs = ["centred", "filters"]
    graph.op("Conv2D", "result", inputs, strides=[1, 1, 1, 1], padding="SAME", data_format=order)
    model = convert_frozen(graph.build(), name="demo")
    assert sides(model.graph.input[0]) == expected


def test_picture_of_which_nothing_tells_the_shape(tiny_graph):
    graph = tiny_graph()
    graph.placeholder()
    graph.op("Relu", "result", ["picture"])
    with pytest.raises(UnsupportedOp, match=r"'picture' \(Placeholder\): neither the file"):
        convert_frozen(graph.build(), name="demo")


def test_picture_that_is_not_floating_point(tiny_graph):
    graph = tiny_graph()
    graph.placeholder([1, 4, 4, 3], dtype=4)
    graph.op("Relu", "result", ["picture"])
    with pytest.raises(UnsupportedOp, match=r"'picture' .*type 4, not float32"):
        convert_frozen(graph.build(), name="demo")
