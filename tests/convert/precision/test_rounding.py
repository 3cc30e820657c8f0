"""What half precision does is seen on a processor that has none."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from faceguard.convert.precision.half import to_half
from faceguard.convert.precision.rounding import rounded
from tests.convert.graphs import graph, network, node, noise, run, value, weight


def test_each_step_is_rounded():
    nodes = [node("Mul", ["x", "x"], ["a"], "square"), node("Mul", ["a", "w"], ["y"], "shrink")]
    model = graph(nodes, [value("x", [4])], [value("y", [4])], [weight("w", [0.125])])
    half = to_half(model, []).model
    feeds = {"x": np.array([300, 1.0001, 45.27, 1e-5], np.float32)}
    with np.errstate(over="ignore"):
        square = np.square(feeds["x"].astype(np.float16))
        expected = (square * np.float16(0.125)).astype(np.float32)
    assert np.isinf(expected[0])
    assert np.array_equal(run(rounded(half), feeds)["y"], expected)
    # ONNX Runtime by itself does not.
    assert run(half, feeds)["y"][0] == 11250


def test_a_graph_without_half_precision_comes_back_as_it_was():
    model = to_half(network(), []).model
    plain = rounded(model)
    onnx.checker.check_model(plain, full_check=True)
    assert rounded(network()).graph.node == network().graph.node
    assert len(plain.graph.node) > len(model.graph.node)


def test_inputs_and_outputs_keep_their_types():
    half = TensorProto.FLOAT16
    model = graph(
        [node("Relu", ["x"], ["a"], "r"), node("Neg", ["a"], ["y"], "n")],
        [value("x", [4], half)],
        [value("a", [4], half), value("y", [4], half)],
    )
    made = rounded(model)
    onnx.checker.check_model(made, full_check=True)
    feeds = {"x": noise([4]).astype(np.float16)}
    found = run(made, feeds)
    assert {item.dtype for item in found.values()} == {np.dtype(np.float16)}
    for name, expected in run(model, feeds).items():
        assert found[name] == pytest.approx(expected)
