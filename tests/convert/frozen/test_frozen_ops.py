"""Operations on elements and on their order, beside numpy."""

from __future__ import annotations

import numpy as np
import pytest

from faceguard.convert.frozen import convert_frozen
from faceguard.engines.errors import BadModelFile, UnsupportedOp

RNG = np.random.default_rng(13)


def filled(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def close(made: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(made, expected, rtol=0, atol=1e-5)


def with_convolution(graph, shape: list[int]) -> None:
    """A picture that has gone through a convolution, and so is held channels first."""
    graph.placeholder(shape)
    graph.const("same", np.eye(shape[3], dtype=np.float32)[None, None])
    graph.op("Conv2D", "seen", ["picture", "same"], strides=[1, 1, 1, 1], padding="VALID")


UNARY = {
    "Relu": lambda x: np.maximum(x, 0),
    "Tanh": np.tanh,
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Abs": np.abs,
    "Neg": np.negative,
    "Identity": lambda x: x,
}


@pytest.mark.parametrize("op", UNARY)
@pytest.mark.parametrize("shape", [(2, 3), (1, 4, 5, 2)])
def test_unary(tiny_graph, op, shape):
    graph = tiny_graph()
    graph.placeholder(list(shape))
    graph.op(op, "result", ["picture"])
    picture = filled(*shape)
    close(graph.run(picture=picture), UNARY[op](picture))


@pytest.mark.parametrize("op", ["Relu", "Tanh", "Sigmoid", "Abs", "Neg"])
def test_unary_of_a_constant(tiny_graph, op):
    graph = tiny_graph()
    graph.placeholder([1, 4])
    graph.const("slopes", slopes := filled(4))
    graph.op(op, "made", ["slopes"])
    graph.op("Mul", "result", ["picture", "made"])
    picture = filled(1, 4)
    close(graph.run(picture=picture), picture * UNARY[op](slopes))


BINARY = {
    "Add": np.add,
    "AddV2": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Maximum": np.maximum,
    "Minimum": np.minimum,
}


@pytest.mark.parametrize("op", BINARY)
@pytest.mark.parametrize("shape", [(), (3,), (1, 1, 3), (5, 1), (1, 4, 5, 3)])
@pytest.mark.parametrize("turned", [False, True])
def test_binary_broadcasts_a_constant_on_either_side(tiny_graph, op, shape, turned):
    graph = tiny_graph()
    with_convolution(graph, [1, 4, 5, 3])
    graph.const("other", other := filled(*shape))
    graph.op(op, "result", ["other", "seen"] if turned else ["seen", "other"])
    picture = filled(1, 4, 5, 3)
    pair = (other, picture) if turned else (picture, other)
    close(graph.run(picture=picture), BINARY[op](*pair))


@pytest.mark.parametrize("op", BINARY)
def test_binary_of_constants_is_worked_out(tiny_graph, op):
    graph = tiny_graph()
    graph.placeholder([2, 3])
    graph.const("left", left := filled(2, 1))
    graph.const("right", right := filled(3))
    graph.op(op, "made", ["left", "right"])
    graph.op("Add", "result", ["picture", "made"])
    picture = filled(2, 3)
    close(graph.run(picture=picture), picture + BINARY[op](left, right))
    kinds = [node.op_type for node in convert_frozen(graph.build(), name="x").graph.node]
    assert kinds == ["Add", "Identity"]


def test_prelu_made_of_its_parts(tiny_graph):
    graph = tiny_graph()
    with_convolution(graph, [1, -1, -1, 3])
    graph.const("alpha", alpha := filled(3))
    graph.const("half", 0.5, listed="float_val")
    graph.op("Relu", "positive", ["seen"])
    graph.op("Abs", "abs", ["seen"])
    graph.op("Sub", "twice", ["seen", "abs"])
    graph.op("Mul", "scaled", ["alpha", "twice"])
    graph.op("Mul", "negative", ["scaled", "half"])
    graph.op("Add", "result", ["positive", "negative"])
    picture = filled(1, 6, 4, 3)
    close(graph.run(picture=picture), np.where(picture > 0, picture, picture * alpha))


def test_two_pictures(tiny_graph):
    """Each has open sides of its own."""
    graph = tiny_graph()
    graph.placeholder([1, -1, -1, 3], "left")
    graph.placeholder([1, -1, -1, 3], "right")
    graph.op("Sub", "result", ["left", "right"])
    left, right = filled(1, 4, 5, 3), filled(1, 4, 5, 3)
    close(graph.run(left=left, right=right), left - right)
    model = convert_frozen(graph.build(), name="demo")
    names = [taken.type.tensor_type.shape.dim[1].dim_param for taken in model.graph.input]
    assert names == ["left_height", "right_height"]


@pytest.mark.parametrize("order", ["NHWC", "NCHW"])
def test_bias(tiny_graph, order):
    graph = tiny_graph()
    shape = (1, 4, 5, 3) if order == "NHWC" else (1, 3, 4, 5)
    graph.placeholder(list(shape))
    graph.const("bias", bias := filled(3))
    graph.op("BiasAdd", "result", ["picture", "bias"], data_format=order)
    picture = filled(*shape)
    spread = bias if order == "NHWC" else bias[:, None, None]
    close(graph.run(picture=picture), picture + spread)


@pytest.mark.parametrize("order", ["NHWC", "NCHW"])
def test_depth_to_space(tiny_graph, order):
    """Depth counts rows of a block, then columns, then channels."""
    graph = tiny_graph()
    graph.placeholder([1, -1, -1, 12] if order == "NHWC" else [1, 12, -1, -1])
    graph.op("DepthToSpace", "result", ["picture"], block_size=2, data_format=order)
    picture = filled(1, 4, 5, 12)
    blocks = picture.reshape(1, 4, 5, 2, 2, 3).transpose(0, 1, 3, 2, 4, 5)
    expected = blocks.reshape(1, 8, 10, 3)
    if order == "NCHW":
        picture, expected = picture.transpose(0, 3, 1, 2), expected.transpose(0, 3, 1, 2)
    close(graph.run(picture=np.ascontiguousarray(picture)), expected)


@pytest.mark.parametrize("perm", [(0, 3, 1, 2), (0, 2, 3, 1), (2, 0, 3, 1), (0, 1, 2, 3)])
def test_transpose(tiny_graph, perm):
    graph = tiny_graph()
    with_convolution(graph, [1, 4, 5, 3])
    graph.const("perm", np.array(perm, np.int32))
    graph.op("Transpose", "result", ["seen", "perm"])
    picture = filled(1, 4, 5, 3)
    close(graph.run(picture=picture), picture.transpose(perm))


def test_picture_that_comes_channels_first_is_not_turned(tiny_graph):
    graph = tiny_graph()
    graph.placeholder([1, 3, -1, -1])
    graph.const("last", np.array([0, 2, 3, 1], np.int32))
    graph.const("first", np.array([0, 3, 1, 2], np.int32))
    graph.op("Transpose", "turned", ["picture", "last"])
    graph.const("filters", filters := filled(1, 1, 3, 2))
    graph.op("Conv2D", "conv", ["turned", "filters"], strides=[1, 1, 1, 1], padding="SAME")
    graph.op("Transpose", "result", ["conv", "first"])
    picture = filled(1, 3, 4, 6)
    close(graph.run(picture=picture), np.einsum("nchw,co->nohw", picture, filters[0, 0]))
    kinds = [node.op_type for node in convert_frozen(graph.build(), name="x").graph.node]
    assert kinds == ["Conv", "Identity"]


@pytest.mark.parametrize(
    ("op", "mode", "most"),
    [("Pad", "constant", 3), ("MirrorPad", "reflect", 3), ("MirrorPad", "symmetric", 1)],
)
@pytest.mark.parametrize("seen", ["picture", "seen"])
def test_pad(tiny_graph, op, mode, most, seen):
    graph = tiny_graph()
    with_convolution(graph, [1, -1, -1, 3])
    amounts = np.minimum([[0, 0], [2, 3], [1, 0], [0, 1]], most).astype(np.int32)
    graph.const("amounts", amounts)
    settings = {} if op == "Pad" else {"mode": mode.upper()}
    graph.op(op, "result", [seen, "amounts"], **settings)
    if seen == "picture":
        graph.proto.node.remove(graph.proto.node[2])  # a convolution that nobody reads
    picture = filled(1, 5, 6, 3)
    close(graph.run(picture=picture), np.pad(picture, amounts, mode=mode))


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1])
@pytest.mark.parametrize("seen", ["picture", "seen"])
def test_concat(tiny_graph, axis, seen):
    graph = tiny_graph()
    with_convolution(graph, [1, 4, 5, 3])
    graph.op("Neg", "negative", ["seen"])
    graph.const("axis", np.array(axis, np.int32))
    graph.op("ConcatV2", "result", [seen, "negative", "axis"], N=2)
    picture = filled(1, 4, 5, 3)
    close(graph.run(picture=picture), np.concatenate([picture, -picture], axis))


def test_concat_of_constants(tiny_graph):
    graph = tiny_graph()
    graph.placeholder([1, 5])
    graph.const("left", left := filled(2))
    graph.const("right", right := filled(3))
    graph.const("axis", np.array(0, np.int32))
    graph.op("ConcatV2", "slopes", ["left", "right", "axis"])
    graph.op("Mul", "result", ["picture", "slopes"])
    picture = filled(1, 5)
    close(graph.run(picture=picture), picture * np.concatenate([left, right]))


@pytest.mark.parametrize("wanted", [(1, 20, 3), (4, -1), (-1,), (1, 4, 5, 3), (60, 1)])
def test_reshape(tiny_graph, wanted):
    graph = tiny_graph()
    with_convolution(graph, [1, 4, 5, 3])
    graph.const("wanted", np.array(wanted, np.int32))
    graph.op("Reshape", "result", ["seen", "wanted"])
    picture = filled(1, 4, 5, 3)
    close(graph.run(picture=picture), picture.reshape(wanted))


def test_reshape_of_an_open_picture(tiny_graph):
    """Rows stay, columns and channels become one: a side that is only known at run time."""
    graph = tiny_graph()
    graph.placeholder([1, -1, -1, 3])
    graph.const("zero", np.array([0], np.int32))
    graph.const("two", np.array([2], np.int32))
    graph.const("one", np.array([1], np.int32))
    graph.const("rest", np.array([-1], np.int32))
    graph.op("Shape", "shape", ["picture"])
    graph.op("StridedSlice", "begin", ["shape", "zero", "two", "one"])
    graph.const("axis", np.array(0, np.int32))
    graph.op("ConcatV2", "wanted", ["begin", "rest", "axis"])
    graph.op("Reshape", "result", ["picture", "wanted"])
    for height, width in ((4, 5), (7, 2)):
        picture = filled(1, height, width, 3)
        close(graph.run(picture=picture), picture.reshape(1, height, -1))


CONTRADICTIONS = {
    "Add": ("Add", ["picture", "four"], {}, BadModelFile, "a side of 3 meets one of 4"),
    "one input": ("Add", ["picture"], {}, BadModelFile, "1 inputs instead of 2"),
    "bias": ("BiasAdd", ["picture", "four"], {}, BadModelFile, "4 biases for 3 channels"),
    "block": ("DepthToSpace", ["picture"], {"block_size": 2}, BadModelFile, "blocks of 2 do not"),
    "no block": ("DepthToSpace", ["picture"], {}, BadModelFile, "block_size is not a number"),
    "perm": ("Transpose", ["picture", "numbers"], {}, BadModelFile, "orders 4 axes as"),
    "floats": ("Transpose", ["picture", "four"], {}, BadModelFile, "no list of sizes"),
    "padding": ("Pad", ["picture", "numbers"], {}, BadModelFile, r"paddings \[4\] do not fit"),
    "symmetric": (
        "MirrorPad", ["picture", "pads"], {"mode": "SYMMETRIC"}, UnsupportedOp, "SYMMETRIC with 4",
    ),
    "mirror": ("MirrorPad", ["picture", "pads"], {}, BadModelFile, "4 rows cannot be mirrored"),
    "axis": ("ConcatV2", ["picture", "picture", "seven"], {}, BadModelFile, "common axis 7"),
    "reshape": ("Reshape", ["picture", "numbers"], {}, BadModelFile, "cannot become"),
    "negative": ("Pad", ["picture", "minus"], {}, BadModelFile, "reach from -1"),
    "integers": ("Mul", ["picture", "numbers"], {}, UnsupportedOp, "'numbers', which is int32"),
    "cast": ("Cast", ["numbers"], {"DstT": 1}, UnsupportedOp, "from int32 to type 1"),
}  # fmt: skip


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_operation_that_contradicts_itself(tiny_graph, case):
    op, inputs, settings, error, why = CONTRADICTIONS[case]
    graph = tiny_graph()
    graph.placeholder([1, 4, 4, 3])
    graph.const("four", filled(4))
    graph.const("numbers", np.array([2, 5, 7, 9], np.int32)[: 4 if case != "integers" else 3])
    graph.const("seven", np.array(7, np.int32))
    graph.const("pads", np.array([[0, 0], [4, 0], [0, 0], [0, 0]], np.int32))
    graph.const("minus", np.array([[0, 0], [-1, 0], [0, 0], [0, 0]], np.int32))
    graph.op(op, "result", inputs, **settings)
    with pytest.raises(error, match=rf"node 'result' \({op}\): .*{why}"):
        convert_frozen(graph.build(), name="demo")
