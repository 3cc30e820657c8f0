"""INT8: explicit steps where TensorRT wants them, nothing left behind."""

from __future__ import annotations

import tempfile

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from faceguard.convert.graph.check import problems
from faceguard.convert.precision.int8 import to_int8
from faceguard.convert.precision.proof import prove
from faceguard.engines.errors import ConvertError, UsageError
from tests.convert.graphs import graph, kinds, network, node, noise, run, sides, value, weight

SAMPLES = [{"picture": noise([1, 3, 16, 16], seed)} for seed in range(4)]
INT8 = TensorProto.INT8
# Root mean square, relative to the output's own; a byte has two digits.
MOST_DIFFERENCE = 0.02


def test_layers_read_bytes_on_both_sides():
    model = network()
    before = model.SerializeToString()
    made = to_int8(model, SAMPLES)
    assert model.SerializeToString() == before
    onnx.checker.check_model(made, full_check=True)
    assert problems(made) == []
    proof = prove(made, "int8")
    assert proof.layers == {"Conv": {"int8": 2}}
    assert proof.weights["int8"].count >= 3 * 8 * 9 + 8 * 8 * 9
    assert set(proof.io.values()) == {"fp32"}
    assert made.graph.input == model.graph.input
    assert [sides(item) for item in made.graph.output] == [[1, 8, 16, 16]]


def test_steps_are_symmetric_by_channel_and_offsets_stay_floating():
    made = to_int8(network(), SAMPLES)
    stored = {item.name: onnx.numpy_helper.to_array(item) for item in made.graph.initializer}
    for item in made.graph.node:
        if item.op_type in ("QuantizeLinear", "DequantizeLinear"):
            assert stored[item.input[2]].dtype == np.int8
            assert not stored[item.input[2]].any()
    makers = {name: item for item in made.graph.node for name in item.output}
    convolutions = [item for item in made.graph.node if item.op_type == "Conv"]
    assert len(convolutions) == 2
    for item in convolutions:
        assert stored[makers[item.input[1]].input[1]].shape == (8,)
        assert stored[item.input[2]].dtype == np.float32


def test_no_step_stands_between_a_layer_and_its_activation():
    assert kinds(to_int8(network(), SAMPLES)).count("QuantizeLinear") == 2
    made = to_int8(network(), SAMPLES)
    makers = {name: item.op_type for item in made.graph.node for name in item.output}
    [relu] = [item for item in made.graph.node if item.op_type == "Relu"]
    assert makers[relu.input[0]] == "Conv"


def test_numbers_stay_near():
    made = to_int8(network(), SAMPLES)
    for feeds in SAMPLES:
        expected, found = run(network(), feeds)["sum"], run(made, feeds)["sum"]
        assert np.linalg.norm(found - expected) / np.linalg.norm(expected) <= MOST_DIFFERENCE


def test_the_same_arguments_give_the_same_bytes():
    assert to_int8(network(), SAMPLES).SerializeToString() == (
        to_int8(network(), SAMPLES).SerializeToString()
    )


def test_an_old_opset_is_brought_up():
    model = network()
    model.opset_import[0].version = 11
    made = to_int8(model, SAMPLES)
    assert made.opset_import[0].version == 17
    assert prove(made, "int8").layers == {"Conv": {"int8": 2}}


def test_layers_may_be_left_out():
    made = to_int8(network(), SAMPLES, keep=["second"])
    assert prove(made, "int8", ["second"]).layers == {"Conv": {"fp32": 1, "int8": 1}}
    with pytest.raises(UsageError, match="no layer is called 'third'"):
        to_int8(network(), SAMPLES, keep=["third"])


def test_products_and_transposed_convolutions_too(rtx_build):
    rng = np.random.default_rng(0)
    nodes = [
        node("ConvTranspose", ["x", "up"], ["a"], "up", strides=[2, 2]),
        node("GlobalAveragePool", ["a"], ["b"], "pool"),
        node("Flatten", ["b"], ["c"], "flat"),
        node("Gemm", ["c", "w", "bias"], ["d"], "gemm", transB=1),
        node("Relu", ["d"], ["e"], "relu"),
        node("MatMul", ["e", "v"], ["y"], "product"),
    ]
    weights = [
        weight("up", rng.normal(size=(4, 8, 2, 2))),
        weight("w", rng.normal(size=(8, 8))),
        weight("bias", rng.normal(size=8)),
        weight("v", rng.normal(size=(8, 4))),
    ]
    model = graph(nodes, [value("x", [1, 4, 8, 8])], [value("y", [1, 4])], weights)
    made = to_int8(model, [{"x": noise([1, 4, 8, 8])}])
    layers = prove(made, "int8").layers
    assert layers == {kind: {"int8": 1} for kind in ("ConvTranspose", "Gemm", "MatMul")}
    assert rtx_build(made).io == ["FLOAT"]


def test_nothing_is_printed_logged_or_left(capfd, caplog, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    to_int8(network(), SAMPLES)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_calibrated_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(UsageError, match="needs calibration pictures; add --calibration"):
        to_int8(network(), [], name="small")
    with pytest.raises(ConvertError, match="small: ONNX Runtime cannot run it on a cal") as caught:
        to_int8(network(), [{"picture": noise([1, 3, 4, 4])}], name="small")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.models
@pytest.mark.parametrize("name", ["yunet", "centerface", "blazeface-short", "blazeface-full"])
def test_a_detector_becomes_an_engine_of_bytes(name, detector, rtx_build):
    found = detector(name)
    made = to_int8(found.model, found.samples, name=name)
    onnx.checker.check_model(made, full_check=True)
    assert problems(made) == []
    proof = prove(made, "int8", name=name)
    assert sum(counts["int8"] for counts in proof.layers.values()) >= 37
    built = rtx_build(made)
    assert built.io == ["FLOAT"]
    assert built.engine_bytes > 0
