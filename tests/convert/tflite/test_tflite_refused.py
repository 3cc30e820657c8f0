"""Operations that cannot be converted are named, with their place and what they give."""

from __future__ import annotations

import numpy as np
import pytest

from faceguard.convert.tflite import convert_tflite
from faceguard.engines.errors import BadModelFile, UnsupportedOp


def test_operation_that_is_not_known_is_named_with_place_and_output(tiny_model):
    model = tiny_model()
    taken, middle, made = (model.add([1, 4]) for _ in range(3))
    model.op("RELU", [taken], [middle])
    model.op("SOFTMAX", [middle], [made], "Softmax", beta=1.0)
    with pytest.raises(UnsupportedOp, match=r"^demo: op 1 SOFTMAX, giving tensor 2 't2': "):
        convert_tflite(model.build([taken], [made]), name="demo")


@pytest.mark.parametrize("activation", [4, 5, 77])
def test_fused_activation_that_is_not_known_is_named(tiny_model, activation):
    model = tiny_model()
    left, right, made = (model.add([1, 4]) for _ in range(3))
    model.op("ADD", [left, right], [made], "Add", fusedActivationFunction=activation)
    with pytest.raises(UnsupportedOp, match=f"op 0 ADD, .*'t2'.* {activation} is not known"):
        convert_tflite(model.build([left, right], [made]), name="demo")


def test_integer_weights_and_pictures_without_a_scale_are_refused(tiny_model):
    model = tiny_model()
    picture, made = model.add([1, 4, 4, 3]), model.add([1, 4, 4, 2])
    filters = model.add([2, 1, 1, 3], np.ones(6, np.int8), kind="INT8")
    model.op("CONV_2D", [picture, filters], [made], "Conv2D", strideH=1, strideW=1)
    with pytest.raises(UnsupportedOp, match=r"op 0 CONV_2D, .*INT8"):
        convert_tflite(model.build([picture], [made]), name="demo")
    model.tensors[picture].type = 3  # UINT8
    with pytest.raises(UnsupportedOp, match=r"'t0'.*UINT8"):
        convert_tflite(model.build([picture], [made]), name="demo")


def test_weights_that_come_from_an_input_are_refused(tiny_model):
    model = tiny_model()
    picture, filters, made = (model.add(s) for s in ([1, 4, 4, 3], [2, 1, 1, 3], [1, 4, 4, 2]))
    model.op("CONV_2D", [picture, filters], [made], "Conv2D", strideH=1, strideW=1)
    with pytest.raises(UnsupportedOp, match=r"op 0 CONV_2D, .*tensor 1 't1'.* is not a constant"):
        convert_tflite(model.build([picture, filters], [made]), name="demo")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"strideH": 0}, "below 1"),
        ({"dilationWFactor": -1}, "below 1"),
        ({"padding": 2}, "padding of kind 2"),
        ({"padding": 1}, "comes out as"),
        ({"strideW": 2}, "comes out as"),
    ],
)
def test_convolution_that_contradicts_itself(tiny_model, change, why):
    model = tiny_model()
    picture, made = model.add([1, 6, 6, 3]), model.add([1, 6, 6, 2])
    filters = model.add([2, 3, 3, 3], np.ones((2, 3, 3, 3), np.float32))
    settings = {"strideH": 1, "strideW": 1, "padding": 0} | change
    model.op("CONV_2D", [picture, filters], [made], "Conv2D", **settings)
    with pytest.raises(BadModelFile, match=f"op 0 CONV_2D: .*{why}"):
        convert_tflite(model.build([picture], [made]), name="demo")


@pytest.mark.parametrize("alpha", [np.nan, np.inf])
def test_leaky_relu_that_cannot_be_meant(tiny_model, alpha):
    model = tiny_model()
    taken, made = model.add([1, 4]), model.add([1, 4])
    model.op("LEAKY_RELU", [taken], [made], "LeakyRelu", alpha=alpha)
    with pytest.raises(BadModelFile, match="op 0 LEAKY_RELU: its factor below 0"):
        convert_tflite(model.build([taken], [made]), name="demo")


@pytest.mark.parametrize("kind", ["LEAKY_RELU", "SUB", "DIV", "PACK", "UNPACK"])
def test_operation_without_its_settings(tiny_model, kind):
    model = tiny_model()
    left, right, made = (model.add([1, 4]) for _ in range(3))
    model.op(kind, [left, right], [made])
    with pytest.raises(BadModelFile, match=f"op 0 {kind} lacks its settings"):
        convert_tflite(model.build([left, right], [made]), name="demo")


@pytest.mark.parametrize("kind", ["SUB", "DIV"])
def test_operands_that_do_not_fit(tiny_model, kind):
    model = tiny_model()
    left, right, made = model.add([1, 4]), model.add([1, 3]), model.add([1, 4])
    model.op(kind, [left, right], [made], kind.title())
    with pytest.raises(BadModelFile, match=f"op 0 {kind}: the shapes"):
        convert_tflite(model.build([left, right], [made]), name="demo")
