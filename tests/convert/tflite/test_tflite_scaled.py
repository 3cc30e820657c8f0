"""Integers with a scale, beside LiteRT: numbers agree to one step of the result's scale."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from faceguard.convert.tflite import convert_tflite
from faceguard.engines.errors import BadModelFile, UnsupportedOp

RNG = np.random.default_rng(5)
# Both round what lies between two integers, in arithmetic of another order each: a number that
# lies half way goes up in one and down in the other.
ONE_STEP = 1.001


def integers(*shape: int, dtype: type = np.int8) -> np.ndarray:
    bounds = np.iinfo(dtype)
    return RNG.integers(bounds.min, bounds.max, shape, dtype, endpoint=True)


def assert_within_a_step(answers, *, mostly_equal: bool = True) -> None:
    assert answers
    for answer in answers:
        ours, theirs = answer.ours.astype(np.float64), answer.theirs.astype(np.float64)
        step = 1 if answer.ours.dtype.kind in "iu" else answer.step
        assert step > 0
        assert np.abs(ours - theirs).max() <= ONE_STEP * step
        if mostly_equal:
            assert (ours == theirs).mean() >= 0.9
        assert np.ptp(theirs) > 4 * step


@pytest.mark.parametrize("activation", [0, 1, 3])
@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
@pytest.mark.parametrize("along_axis", [False, True])
def test_convolutions(tiny_model, both, kind, along_axis, activation):
    model = tiny_model()
    depthwise = kind == "DEPTHWISE_CONV_2D"
    shape, count = ((1, 3, 3, 4), 4) if depthwise else ((6, 3, 3, 4), 6)
    scale = np.linspace(0.005, 0.02, count) if along_axis else np.array([0.01])
    picture = model.add([1, 7, 8, 4], kind="INT8", scale=0.05, zero=11)
    filters = model.add(
        shape,
        integers(*shape).clip(-127),
        kind="INT8",
        scale=scale,
        axis=3 if depthwise else 0,
    )
    bias = RNG.integers(-2000, 2000, count).astype(np.int32)
    biases = model.add([count], bias, kind="INT32", scale=0.05 * scale)
    made = model.add([1, 4, 4, count], kind="INT8", scale=0.1, zero=-20)
    settings = {"strideH": 2, "strideW": 2, "fusedActivationFunction": activation}
    if depthwise:
        model.op(kind, [picture, filters, biases], [made], "DepthwiseConv2D", **settings)
    else:
        model.op(kind, [picture, filters, biases], [made], "Conv2D", **settings)
    source = model.build([picture], [made])
    assert_within_a_step(both(source, [integers(1, 7, 8, 4)]))
    [weights] = [
        w for w in convert_tflite(source, name="tiny").graph.initializer if len(w.dims) == 4
    ]
    assert weights.data_type == onnx.TensorProto.INT8


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
@pytest.mark.parametrize("along_axis", [False, True])
def test_integer_weights_of_a_float_convolution(tiny_model, both, kind, along_axis):
    """LiteRT would round the picture too; the file with the weights' meaning is the measure."""
    depthwise = kind == "DEPTHWISE_CONV_2D"
    shape, count = ((1, 3, 3, 4), 4) if depthwise else ((6, 3, 3, 4), 6)
    scale = np.linspace(0.005, 0.02, count).astype(np.float32) if along_axis else np.float32(0.01)
    stored = integers(*shape)
    axis = 3 if depthwise else 0
    along = scale.reshape([-1 if a == axis else 1 for a in range(4)]) if along_axis else scale
    bias = RNG.normal(size=count).astype(np.float32)
    sources = []
    for meant in (False, True):
        model = tiny_model()
        picture, made = model.add([1, 7, 8, 4]), model.add([1, 7, 8, count])
        if meant:
            filters = model.add(shape, stored.astype(np.float32) * along)
        else:
            filters = model.add(shape, stored, kind="INT8", scale=scale, axis=axis)
        table = "DepthwiseConv2D" if depthwise else "Conv2D"
        model.op(
            kind, [picture, filters, model.add([count], bias)], [made], table, strideH=1, strideW=1
        )
        sources.append(model.build([picture], [made]))
    feed = RNG.normal(size=(1, 7, 8, 4)).astype(np.float32)
    for answer in both(sources[0], [feed], for_litert=sources[1]):
        np.testing.assert_allclose(answer.ours, answer.theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL"])
@pytest.mark.parametrize("constant", [False, True])
def test_two_operands(tiny_model, both, kind, constant):
    model = tiny_model()
    left = model.add([1, 5, 6, 3], kind="INT8", scale=0.04, zero=-9)
    values = integers(1, 1, 1, 3) if constant else None
    shape = [1, 1, 1, 3] if constant else [1, 5, 6, 3]
    right = model.add(shape, values, kind="INT8", scale=0.03, zero=20)
    made = model.add([1, 5, 6, 3], kind="INT8", scale=0.09, zero=3)
    model.op(kind, [left, right], [made], kind.title())
    inputs = [left] if constant else [left, right]
    feeds = [integers(1, 5, 6, 3) for _ in inputs]
    assert_within_a_step(both(model.build(inputs, [made]), feeds))


def test_logistic(tiny_model, both):
    model = tiny_model()
    taken = model.add([1, 4, 5, 6], kind="INT8", scale=0.1, zero=5)
    made = model.add([1, 4, 5, 6], kind="INT8", scale=1 / 256, zero=-128)
    model.op("LOGISTIC", [taken], [made])
    assert_within_a_step(both(model.build([taken], [made]), [integers(1, 4, 5, 6)]))


def test_bilinear_resize(tiny_model, both):
    model = tiny_model()
    taken = model.add([1, 4, 5, 6], kind="INT8", scale=0.1, zero=5)
    made = model.add([1, 8, 10, 6], kind="INT8", scale=0.1, zero=5)
    size = model.add([2], np.array([8, 10], np.int32), kind="INT32")
    model.op("RESIZE_BILINEAR", [taken, size], [made], "ResizeBilinear", halfPixelCenters=True)
    answers = both(model.build([taken], [made]), [integers(1, 4, 5, 6)])
    assert_within_a_step(answers, mostly_equal=False)


def test_concatenation(tiny_model, both):
    model = tiny_model()
    left = model.add([1, 3, 4, 2], kind="INT8", scale=0.1, zero=5)
    right = model.add([1, 3, 4, 3], kind="INT8", scale=0.1, zero=5)
    made = model.add([1, 3, 4, 5], kind="INT8", scale=0.1, zero=5)
    model.op("CONCATENATION", [left, right], [made], "Concatenation", axis=3)
    feeds = [integers(1, 3, 4, 2), integers(1, 3, 4, 3)]
    for answer in both(model.build([left, right], [made]), feeds):
        np.testing.assert_array_equal(answer.ours, answer.theirs)


def test_concatenation_of_several_scales_is_refused_as_in_litert(tiny_model):
    model = tiny_model()
    left = model.add([1, 2], kind="INT8", scale=0.1, zero=5)
    right = model.add([1, 3], kind="INT8", scale=0.07, zero=5)
    made = model.add([1, 5], kind="INT8", scale=0.1, zero=5)
    model.op("CONCATENATION", [left, right], [made], "Concatenation", axis=1)
    with pytest.raises(UnsupportedOp, match=r"op 0 CONCATENATION, .*differ in type or scale"):
        convert_tflite(model.build([left, right], [made]), name="demo")


@pytest.mark.parametrize("kind", ["INT8", "UINT8"])
def test_single_precision_there_and_back(tiny_model, both, kind):
    """A picture of scaled integers, floating point between, and integers of another scale."""
    dtype = np.int8 if kind == "INT8" else np.uint8
    model = tiny_model()
    taken = model.add([1, 4, 5, 3], kind=kind, scale=0.5, zero=100)
    real, other = model.add([1, 4, 5, 3]), model.add([1, 4, 5, 3])
    model.op("DEQUANTIZE", [taken], [real], "Dequantize")
    model.op("MUL", [real, model.add([], np.float32(-0.3))], [other], "Mul")
    made = model.add([1, 4, 5, 3], kind=kind, scale=0.7, zero=60)
    model.op("QUANTIZE", [other], [made], "Quantize")
    assert_within_a_step(both(model.build([taken], [made]), [integers(1, 4, 5, 3, dtype=dtype)]))


def test_integers_become_what_they_are_not_what_they_mean(tiny_model, both):
    model = tiny_model()
    taken, made = model.add([1, 2, 3, 4], kind="UINT8"), model.add([1, 2, 3, 4])
    model.op("CAST", [taken], [made], "Cast")
    feed = integers(1, 2, 3, 4, dtype=np.uint8)
    for answer in both(model.build([taken], [made]), [feed]):
        np.testing.assert_array_equal(answer.ours, answer.theirs)
        np.testing.assert_array_equal(answer.ours, feed)


def test_constants_with_a_scale(tiny_model, both):
    """What DEQUANTIZE makes of stored integers is known before the graph runs."""
    model = tiny_model()
    taken, real, made = model.add([1, 3, 4]), model.add([3, 4]), model.add([1, 3, 4])
    stored = model.add([3, 4], integers(3, 4), kind="INT8", scale=0.25, zero=-3)
    model.op("DEQUANTIZE", [stored], [real], "Dequantize")
    model.op("ADD", [taken, real], [made], "Add")
    source = model.build([taken], [made])
    for answer in both(source, [RNG.normal(size=(1, 3, 4)).astype(np.float32)]):
        np.testing.assert_array_equal(answer.ours, answer.theirs)
    kinds = [node.op_type for node in convert_tflite(source, name="tiny").graph.node]
    assert kinds == ["Add", "Identity"]


def test_network(tiny_scaled_file, both):
    """The places of the largest agree, and so does what stands there, to a step."""
    scores, rows = [], []
    for _ in range(20):
        answers = both(tiny_scaled_file, [integers(1, 6, 6, 3, dtype=np.uint8)])
        for answer in answers:
            same = answer.ours == answer.theirs
            (rows if answer.ours.dtype == np.int32 else scores).append(same.mean())
    assert np.mean(rows) >= 0.95
    assert np.mean(scores) >= 0.85


@pytest.mark.parametrize(
    ("scale", "zero", "axis", "why"),
    [
        (-0.1, 0, 0, "1 scales and 1 zero points of INT8"),
        (np.nan, 0, 0, "1 scales"),
        (np.inf, 0, 0, "1 scales"),
        (0.1, 128, 0, "1 scales"),
        ([0.1, 0.2], 0, 0, "2 scales along axis 0"),
        ([0.1, 0.2, 0.3], 0, 3, "3 scales along axis 3"),
        ([0.1, 0.2, 0.3], 0, -1, "3 scales along axis -1"),
    ],
)
def test_scale_that_cannot_be_meant(tiny_model, scale, zero, axis, why):
    model = tiny_model()
    taken, made = (
        model.add([3, 4], kind="INT8", scale=scale, zero=zero, axis=axis),
        model.add([3, 4]),
    )
    model.op("DEQUANTIZE", [taken], [made], "Dequantize")
    with pytest.raises(BadModelFile, match=why):
        convert_tflite(model.build([taken], [made]), name="demo")


def test_fewer_zero_points_than_scales(tiny_model):
    model = tiny_model()
    taken, made = model.add([3, 4], kind="INT8", scale=[0.1, 0.2, 0.3]), model.add([3, 4])
    model.tensors[taken].quantization.zeroPoint = [0, 0]
    model.op("DEQUANTIZE", [taken], [made], "Dequantize")
    with pytest.raises(BadModelFile, match="3 scales and 2 zero points of INT8"):
        convert_tflite(model.build([taken], [made]), name="demo")


@pytest.mark.parametrize("scale", [0.0, [0.1, 0.2, 0.3]])
def test_computed_tensor_needs_one_scale_above_zero(tiny_model, scale):
    model = tiny_model()
    taken, made = model.add([3, 4], kind="INT8", scale=scale), model.add([3, 4])
    model.op("DEQUANTIZE", [taken], [made], "Dequantize")
    with pytest.raises(UnsupportedOp, match=r"'t0', an input or output, needs a single scale"):
        convert_tflite(model.build([taken], [made]), name="demo")


def test_elements_are_not_moved_between_scales(tiny_model):
    model = tiny_model()
    taken = model.add([3, 4], kind="INT8", scale=0.1)
    made = model.add([4, 3], kind="INT8", scale=0.2)
    model.op("RESHAPE", [taken], [made], "Reshape", newShape=[4, 3])
    with pytest.raises(UnsupportedOp, match=r"op 0 RESHAPE, .* differ in scale"):
        convert_tflite(model.build([taken], [made]), name="demo")


def test_result_of_quantize_without_a_scale(tiny_model):
    model = tiny_model()
    taken, made = model.add([3, 4]), model.add([3, 4], kind="INT8")
    model.op("QUANTIZE", [taken], [made], "Quantize")
    with pytest.raises(
        BadModelFile, match="op 0 QUANTIZE: its result, tensor 1 't1', has no scale"
    ):
        convert_tflite(model.build([taken], [made]), name="demo")


def test_cast_to_integers_is_refused(tiny_model):
    model = tiny_model()
    taken, made = model.add([3, 4]), model.add([3, 4], kind="INT32")
    model.op("CAST", [taken], [made], "Cast")
    with pytest.raises(UnsupportedOp, match=r"op 0 CAST, .*from FLOAT32 to INT32"):
        convert_tflite(model.build([taken], [made]), name="demo")
