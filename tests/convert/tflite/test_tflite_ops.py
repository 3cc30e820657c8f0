"""Each operation by itself against LiteRT, in models of a few tensors made here."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
from ai_edge_litert.interpreter import Interpreter

from faceguard.convert.tflite import convert_tflite
from faceguard.convert.tflite.ops import CONVERTERS

RNG = np.random.default_rng(3)


def noise(*shape: int) -> np.ndarray:
    return RNG.normal(scale=2, size=shape).astype(np.float32)


def assert_agrees(source: bytes, for_litert: bytes | None = None) -> None:
    """LiteRT and the converted graph give the same outputs for the same noise.

    Where LiteRT cannot run the file itself, it runs another that means the same.
    """
    theirs = Interpreter(model_content=for_litert or source, num_threads=1)
    theirs.allocate_tensors()
    feeds = {}
    for detail in theirs.get_input_details():
        feeds[detail["name"]] = noise(*detail["shape"])
        theirs.set_tensor(detail["index"], feeds[detail["name"]])
    theirs.invoke()
    model = convert_tflite(source, name="tiny")
    ours = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in ours.get_outputs()]
    values = dict(zip(names, ours.run(names, feeds), strict=True))
    assert len(names) == len(theirs.get_output_details())
    for detail in theirs.get_output_details():
        expected = theirs.get_tensor(detail["index"])
        assert values[detail["name"]].shape == expected.shape
        np.testing.assert_allclose(values[detail["name"]], expected, rtol=1e-5, atol=1e-5)


def numbers(model, values: list) -> int:
    array = np.array(values, np.int32)
    return model.add(array.shape, array, kind="INT32")


def places(side: int, kernel: int, stride: int, dilation: int, padding: int) -> int:
    """How often a window fits, counted one by one."""
    last = side if padding == 0 else side - (kernel - 1) * dilation
    return len(range(0, last, stride))


def test_whole_network(tiny_file):
    assert_agrees(tiny_file)


def test_every_converter_is_named_as_in_the_schema():
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    assert all(hasattr(BuiltinOperator, kind) for kind in CONVERTERS)


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 5)])
@pytest.mark.parametrize(
    ("strides", "dilations"), [((1, 1), (1, 1)), ((2, 3), (1, 1)), ((1, 1), (2, 3))]
)
@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_convolutions(tiny_model, kind, kernel, strides, dilations, padding):
    model = tiny_model()
    picture = model.add([1, 11, 14, 4])
    out = [
        places(side, k, s, d, padding)
        for side, k, s, d in zip((11, 14), kernel, strides, dilations, strict=True)
    ]
    depthwise = kind == "DEPTHWISE_CONV_2D"
    shape = (1, *kernel, 8) if depthwise else (8, *kernel, 4)
    made = model.add([1, *out, 8])
    model.op(
        kind,
        [picture, model.add(shape, noise(*shape)), model.add([8], noise(8))],
        [made],
        "DepthwiseConv2D" if depthwise else "Conv2D",
        padding=padding,
        strideH=strides[0],
        strideW=strides[1],
        dilationHFactor=dilations[0],
        dilationWFactor=dilations[1],
        **({"depthMultiplier": 2} if depthwise else {}),
    )
    assert_agrees(model.build([picture], [made]))


@pytest.mark.parametrize("activation", [0, 1, 2, 3])
def test_fused_activations(tiny_model, activation):
    model = tiny_model()
    left, right = model.add([1, 4, 5, 3]), model.add([1, 4, 5, 3])
    made = model.add([1, 4, 5, 3])
    model.op("ADD", [left, right], [made], "Add", fusedActivationFunction=activation)
    assert_agrees(model.build([left, right], [made]))


def test_grouped_convolution(tiny_model):
    model = tiny_model()
    picture, made = model.add([1, 6, 6, 8]), model.add([1, 6, 6, 4])
    filters = model.add([4, 3, 3, 4], noise(4, 3, 3, 4))
    bias = model.add([4], noise(4))
    model.op("CONV_2D", [picture, filters, bias], [made], "Conv2D", strideH=1, strideW=1)
    assert_agrees(model.build([picture], [made]))


@pytest.mark.parametrize("left_out", [[], [-1]])
def test_convolution_without_bias(tiny_model, left_out):
    """The schema allows it, but LiteRT 2.3 refuses it; a bias of zeros means the same."""
    model = tiny_model()
    picture, made = model.add([2, 6, 6, 3]), model.add([2, 3, 3, 4])
    filters = model.add([4, 2, 2, 3], noise(4, 2, 2, 3))
    zeros = model.add([4], np.zeros(4, np.float32))
    model.op("CONV_2D", [picture, filters, zeros], [made], "Conv2D", strideH=2, strideW=2)
    with_zeros = model.build([picture], [made])
    model.operators[0].inputs = [picture, filters, *left_out]
    assert_agrees(model.build([picture], [made]), for_litert=with_zeros)


@pytest.mark.parametrize("kind", ["MAX_POOL_2D", "AVERAGE_POOL_2D"])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize(
    ("kernel", "strides"), [((2, 2), (2, 2)), ((3, 2), (2, 1)), ((2, 3), (3, 3))]
)
def test_pools(tiny_model, kind, padding, kernel, strides):
    model = tiny_model()
    picture = model.add([1, 9, 10, 3])
    out = [
        places(side, k, s, 1, padding) for side, k, s in zip((9, 10), kernel, strides, strict=True)
    ]
    made = model.add([1, *out, 3])
    model.op(
        kind,
        [picture],
        [made],
        "Pool2D",
        padding=padding,
        strideH=strides[0],
        strideW=strides[1],
        filterHeight=kernel[0],
        filterWidth=kernel[1],
    )
    assert_agrees(model.build([picture], [made]))


@pytest.mark.parametrize("kind", ["RELU", "RELU6", "LOGISTIC"])
@pytest.mark.parametrize("shape", [[1, 3, 4, 5], [2, 7]])
def test_functions_of_one_operand(tiny_model, kind, shape):
    model = tiny_model()
    taken, made = model.add(shape), model.add(shape)
    model.op(kind, [taken], [made])
    assert_agrees(model.build([taken], [made]))


@pytest.mark.parametrize("kind", ["ADD", "MUL", "SUB", "DIV"])
@pytest.mark.parametrize("shape", [[1, 5, 6, 3], [3], [6, 1], [1, 1, 1, 3], []])
@pytest.mark.parametrize("channels_first", [False, True])
def test_constants_are_broadcast_as_in_tflite(tiny_model, kind, shape, channels_first):
    model = tiny_model()
    picture = taken = model.add([1, 5, 6, 3])
    if channels_first:  # a pool leaves its result in the other layout
        taken = model.add([1, 5, 6, 3])
        window = {"filterHeight": 1, "filterWidth": 1, "strideH": 1, "strideW": 1}
        model.op("MAX_POOL_2D", [picture], [taken], "Pool2D", **window)
    made = model.add([1, 5, 6, 3])
    model.op(kind, [taken, model.add(shape, noise(*shape))], [made], kind.title())
    assert_agrees(model.build([picture], [made]))


def test_results_of_different_rank_are_broadcast(tiny_model):
    model = tiny_model()
    picture, row = model.add([1, 4, 6, 3]), model.add([6, 3])
    pooled, made = model.add([1, 4, 6, 3]), model.add([1, 4, 6, 3])
    window = {"filterHeight": 3, "filterWidth": 3, "strideH": 1, "strideW": 1}
    model.op("MAX_POOL_2D", [picture], [pooled], "Pool2D", **window)
    model.op("MUL", [pooled, row], [made], "Mul")
    assert_agrees(model.build([picture, row], [made]))


def test_constant_of_more_axes_than_a_picture(tiny_model):
    model = tiny_model()
    picture, pooled, made = (
        model.add([1, 4, 6, 3]),
        model.add([1, 4, 6, 3]),
        model.add([2, 1, 4, 6, 3]),
    )
    window = {"filterHeight": 2, "filterWidth": 2, "strideH": 1, "strideW": 1}
    model.op("MAX_POOL_2D", [picture], [pooled], "Pool2D", **window)
    model.op("ADD", [pooled, model.add([2, 1, 1, 1, 3], noise(2, 1, 1, 1, 3))], [made], "Add")
    assert_agrees(model.build([picture], [made]))


def test_prelu_has_a_slope_for_each_channel(tiny_model):
    model = tiny_model()
    picture, made = model.add([1, 4, 6, 3]), model.add([1, 4, 6, 3])
    model.op("PRELU", [picture, model.add([1, 1, 3], noise(1, 1, 3))], [made])
    assert_agrees(model.build([picture], [made]))


@pytest.mark.parametrize("channels_first", [False, True])
def test_padding_of_every_axis(tiny_model, channels_first):
    model = tiny_model()
    picture = taken = model.add([1, 4, 5, 3])
    if channels_first:
        taken = model.add([1, 4, 5, 3])
        window = {"filterHeight": 1, "filterWidth": 1, "strideH": 1, "strideW": 1}
        model.op("MAX_POOL_2D", [picture], [taken], "Pool2D", **window)
    made = model.add([1, 7, 5, 8])
    amounts = numbers(model, [[0, 0], [1, 2], [0, 0], [2, 3]])
    model.op("PAD", [taken, amounts], [made], "Pad")
    assert_agrees(model.build([picture], [made]))


@pytest.mark.parametrize(
    ("size", "settings"),
    [
        ((9, 13), {}),
        ((9, 13), {"halfPixelCenters": True}),
        ((9, 13), {"alignCorners": True}),
        ((2, 3), {}),
        ((2, 3), {"halfPixelCenters": True}),
        ((2, 3), {"alignCorners": True}),
    ],
)
def test_bilinear_resize(tiny_model, size, settings):
    model = tiny_model()
    picture, made = model.add([1, 5, 6, 3]), model.add([1, *size, 3])
    wanted = numbers(model, list(size))
    model.op("RESIZE_BILINEAR", [picture, wanted], [made], "ResizeBilinear", **settings)
    assert_agrees(model.build([picture], [made]))


@pytest.mark.parametrize("axis", [1, 2, 3, -1])
def test_concatenation(tiny_model, axis):
    model = tiny_model()
    shapes = [[1, 4, 5, 3], [1, 4, 5, 3]]
    shapes[1][axis] += 2
    joined = list(shapes[0])
    joined[axis] += shapes[1][axis]
    parts = [model.add(shape) for shape in shapes]
    made = model.add(joined)
    model.op("CONCATENATION", parts, [made], "Concatenation", axis=axis)
    assert_agrees(model.build(parts, [made]))


@pytest.mark.parametrize("shape", [[1, 60], [1, 5, 2, 6], [1, 3, 4, 5, 1]])
def test_reshape_keeps_the_order_of_elements(tiny_model, shape):
    model = tiny_model()
    picture, pooled, made = model.add([1, 4, 5, 3]), model.add([1, 4, 5, 3]), model.add(shape)
    window = {"filterHeight": 2, "filterWidth": 2, "strideH": 1, "strideW": 1}
    model.op("MAX_POOL_2D", [picture], [pooled], "Pool2D", **window)
    model.op("RESHAPE", [pooled, numbers(model, shape)], [made], "Reshape", newShape=shape)
    assert_agrees(model.build([picture], [made]))


def test_depth_to_space(tiny_model):
    model = tiny_model()
    picture, made = model.add([1, 3, 4, 18]), model.add([1, 9, 12, 2])
    model.op("DEPTH_TO_SPACE", [picture], [made], "DepthToSpace", blockSize=3)
    assert_agrees(model.build([picture], [made]))
