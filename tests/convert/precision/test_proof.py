"""A graph that is not in the precision that was asked for is found out."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from faceguard.convert.precision.half import to_half
from faceguard.convert.precision.int8 import to_int8
from faceguard.convert.precision.proof import Stored, prove
from faceguard.engines.errors import ProofFailed
from tests.convert.graphs import graph, network, node, noise, value, weight

WEIGHTS = 3 * 8 * 9 + 8 * 8 * 9 + 8 + 8


def test_a_single_precision_graph_is_proven():
    proof = prove(network(), "fp32")
    assert proof.weights == {"fp32": Stored(WEIGHTS, 4 * WEIGHTS)}
    assert proof.layers == {"Conv": {"fp32": 2}}
    assert proof.io == {"picture": "fp32", "sum": "fp32"}
    assert asdict(proof)["weights"]["fp32"]["bytes"] == 4 * WEIGHTS


def test_a_half_precision_graph_is_proven():
    proof = prove(to_half(network(), []).model, "fp16")
    assert proof.weights == {"fp16": Stored(WEIGHTS, 2 * WEIGHTS)}
    assert proof.layers == {"Conv": {"fp16": 2}}
    assert proof.io == {"picture": "fp32", "sum": "fp32"}


@pytest.mark.parametrize("asked", ["fp16", "int8"])
def test_a_converter_that_did_nothing_is_found_out(asked):
    with pytest.raises(ProofFailed) as caught:
        prove(network(), asked, name="small")
    message = str(caught.value)
    assert message.startswith(f"small: {asked} was asked for, but 2 layers compute otherwise")
    assert "Conv 'first' in fp32, Conv 'second' in fp32" in message
    assert "\n" not in message


def test_more_precision_than_asked_for_is_wrong_too():
    with pytest.raises(ProofFailed, match="Conv 'first' in fp16"):
        prove(to_half(network(), []).model, "fp32")


def large() -> onnx.ModelProto:
    """The second layer has a weight that half precision does not hold."""
    model = network()
    [kernel] = [item for item in model.graph.initializer if item.name == "second.weight"]
    values = onnx.numpy_helper.to_array(kernel).copy()
    values[0, 0, 0, 0] = 1e6
    kernel.CopyFrom(onnx.numpy_helper.from_array(values, kernel.name))
    return model


def test_kept_layers_are_excused_and_listed():
    half = to_half(large(), [])
    with pytest.raises(ProofFailed, match="Conv 'second' in fp32"):
        prove(half.model, "fp16")
    for kept in (half.kept, ["second"]):
        proof = prove(half.model, "fp16", kept)
        assert proof.kept == ["second"]
        assert proof.layers == {"Conv": {"fp16": 1, "fp32": 1}}


def test_a_layer_whose_weights_alone_are_bytes_is_no_int8():
    made = to_int8(network(), [{"picture": noise([1, 3, 16, 16])}])
    makers = {name: item for item in made.graph.node for name in item.output}
    [first] = [item for item in made.graph.node if item.name == "first"]
    quantized = makers[makers[first.input[0]].input[0]]
    first.input[0] = quantized.input[0]
    with pytest.raises(ProofFailed, match="1 layers compute otherwise: Conv 'first' in fp32"):
        prove(made, "int8")


def test_steps_to_uint8_are_no_int8():
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        node("MatMul", ["d", "d"], ["y"], "product"),
    ]
    unsigned = [weight("s", 0.1), weight("z", 0, np.uint8)]
    for dtype, expected in ((np.uint8, "fp32"), (np.int8, "int8")):
        weights = [weight("s", 0.1), weight("z", 0, dtype)]
        model = graph(nodes, [value("x", [4, 4])], [value("y", [4, 4])], weights)
        assert prove(model, expected).layers == {"MatMul": {expected: 1}}
    with pytest.raises(ProofFailed, match="no layer can compute in it"):
        prove(
            graph(nodes, [value("x", [4, 4])], [value("y", [4, 4])], unsigned), "int8", ["product"]
        )


def test_layers_inside_bodies_are_looked_at():
    def body(name: str) -> onnx.GraphProto:
        inner = node("MatMul", ["x", f"{name}.w"], [f"{name}.out"], f"{name}.product")
        output = value(f"{name}.out", [4, 4])
        return helper.make_graph(
            [inner], name, [], [output], [weight(f"{name}.w", np.ones((4, 4)))]
        )

    branch = node("If", ["on"], ["y"], then_branch=body("a"), else_branch=body("b"))
    inputs = [value("x", [4, 4]), value("on", [], TensorProto.BOOL)]
    model = graph([branch], inputs, [value("y", [4, 4])])
    proof = prove(model, "fp32")
    assert proof.layers == {"MatMul": {"fp32": 2}}
    assert proof.weights == {"fp32": Stored(32, 128)}
    with pytest.raises(ProofFailed, match=r"a\.product"):
        prove(model, "fp16")
