"""FP16: what may be cast is, what may not is named, and the traps of casting are closed."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from faceguard.convert.graph.check import problems
from faceguard.convert.precision.half import Half, to_half
from faceguard.convert.precision.policy import LARGEST, SAFETY
from faceguard.convert.precision.proof import Stored, prove
from faceguard.convert.precision.rounding import rounded
from faceguard.engines.errors import ConvertError
from tests.convert.graphs import (
    difference,
    graph,
    kinds,
    network,
    node,
    noise,
    run,
    value,
    weight,
)

HALF = TensorProto.FLOAT16
# Root mean square, relative to the output's own: eleven binary digits through some dozens of
# layers. Measured on these pictures: at most 5.7e-3, and 3.4e-2 for the offsets of CenterFace.
MOST_DIFFERENCE = {
    "yunet": 1e-2,
    "centerface": 5e-2,
    "blazeface-short": 4e-3,
    "blazeface-back": 4e-3,
    "blazeface-full": 4e-3,
    "blazeface-full-sparse": 4e-3,
}


def cast(model: onnx.ModelProto, *samples: dict[str, np.ndarray]) -> Half:
    """Casts, and checks what holds of every cast."""
    before = model.SerializeToString()
    made = to_half(model, samples)
    assert model.SerializeToString() == before
    assert to_half(model, samples).model.SerializeToString() == made.model.SerializeToString()
    onnx.checker.check_model(made.model, full_check=True)
    names = [item.name for item in made.model.graph.node]
    assert len(set(names)) == len(names)
    assert [*made.model.graph.output] == [*model.graph.output]
    return made


def stored(made: Half) -> dict[str, int]:
    return {item.name: item.data_type for item in made.model.graph.initializer}


@pytest.mark.models
@pytest.mark.parametrize("name", MOST_DIFFERENCE)
def test_every_detector_is_cast_whole(name, detector, rtx_build):
    found = detector(name)
    made = to_half(found.model, found.samples, name=name)
    onnx.checker.check_model(made.model, full_check=True)
    assert made.kept == []
    assert problems(made.model) == []
    proof = prove(made.model, "fp16")
    assert set(proof.io.values()) == {"fp32"}
    assert sum(counts["fp16"] for counts in proof.layers.values()) >= 30
    # What is left are the scales of Resize, which TensorRT wants in single precision.
    assert proof.weights.get("fp32", Stored(0, 0)).count <= 64
    for feeds in found.samples:
        expected = run(found.model, feeds)
        for output, got in run(rounded(made.model), feeds).items():
            error = np.linalg.norm(got - expected[output]) / np.linalg.norm(expected[output])
            assert error <= MOST_DIFFERENCE[name], output
    assert rtx_build(made.model).io == ["FLOAT"]


def test_a_network_is_cast_with_one_cast_in_and_one_out():
    feeds = {"picture": noise([1, 3, 16, 16])}
    made = cast(network(), feeds)
    assert kinds(made.model) == ["Cast", "Conv", "Relu", "Conv", "Add", "Cast"]
    assert set(stored(made).values()) == {HALF}
    assert made.kept == []
    assert difference(run(made.model, feeds), run(network(), feeds)) < 5e-3


def test_weights_are_rounded_to_the_nearest():
    model = network()
    made = cast(model)
    for before, after in zip(model.graph.initializer, made.model.graph.initializer, strict=True):
        expected = onnx.numpy_helper.to_array(before).astype(np.float16)
        assert np.array_equal(onnx.numpy_helper.to_array(after), expected)


def chain(*factors: float) -> onnx.ModelProto:
    """x times each factor in turn."""
    names = ["x", *(f"t{place}" for place in range(len(factors) - 1)), "y"]
    nodes = [
        node("Mul", [names[place], f"w{place}"], [names[place + 1]], f"mul{place}")
        for place in range(len(factors))
    ]
    weights = [weight(f"w{place}", [factor]) for place, factor in enumerate(factors)]
    return graph(nodes, [value("x", [1, 4])], [value("y", [1, 4])], weights)


ONES = {"x": np.ones((1, 4), np.float32)}


def test_a_weight_out_of_range_keeps_its_layer():
    made = cast(chain(1.2e6, 1e-4))
    assert [str(item) for item in made.kept] == ["Mul 'mul0': weight 1.2e+06 is over 65504"]
    assert made.kept[0].value == pytest.approx(1.2e6)
    assert stored(made)["w0"] == TensorProto.FLOAT


def test_a_weight_that_fits_is_not_cut_off():
    """onnxconverter-common makes 1e4 of all that is larger, and says so in a warning only."""
    made = cast(chain(2e4))
    assert run(made.model, ONES)["y"] == pytest.approx(2e4)


@pytest.mark.parametrize("largest", [65504.0, 65519.0])
def test_the_end_of_the_range_does_not_become_infinite(largest):
    made = to_half(chain(largest), [])
    halves = {"x": np.full((1, 4), 0.5, np.float32)}
    assert np.isfinite(run(rounded(made.model), halves)["y"]).all()


def test_a_value_out_of_range_keeps_the_layers_around_it():
    made = cast(chain(300.0, 270.0, 1 / 81000), ONES)
    assert [item.node for item in made.kept] == ["mul1", "mul2"]
    assert made.kept[0].reason == "reaches 8.1e+04 on the golden pictures"
    assert made.kept[0].value == pytest.approx(81000)
    assert run(rounded(made.model), ONES)["y"] == pytest.approx(1, rel=2e-3)
    # Without pictures nobody knows, and infinity comes out.
    assert np.isinf(run(rounded(to_half(chain(300.0, 270.0), []).model), ONES)["y"]).all()


def test_the_range_has_a_safety_factor():
    just_inside, just_outside = LARGEST / SAFETY * 0.99, LARGEST / SAFETY * 1.01
    assert cast(chain(just_inside), ONES).kept == []
    assert len(cast(chain(just_outside), ONES).kept) == 1


def test_a_kept_chain_is_never_half_in_between_also_with_two_readers():
    """onnxconverter-common casts there and back: infinity."""
    nodes = [
        node("Mul", ["x", "w"], ["a"], "grow"),
        node("Div", ["a", "w"], ["b"], "left"),
        node("Div", ["a", "w"], ["c"], "right"),
        node("Add", ["b", "c"], ["y"], "sum"),
    ]
    model = graph(nodes, [value("x", [1, 4])], [value("y", [1, 4])], [weight("w", [1e5])])
    made = cast(model, ONES)
    assert [item.node for item in made.kept] == ["grow", "left", "right"]
    assert run(rounded(made.model), ONES)["y"] == pytest.approx(2)


def test_operations_without_names_get_some():
    """onnxconverter-common gives two casts the same name."""
    nodes = [node("Relu", ["x"], ["a"]), node("Neg", ["x"], ["b"]), node("Add", ["a", "b"], ["y"])]
    model = graph(nodes, [value("x", [1, 4])], [value("y", [1, 4])])
    assert run(cast(model).model, ONES)["y"] == pytest.approx(0)


def test_a_kept_layer_at_the_end_gives_single_precision():
    """onnxconverter-common makes such an output half."""
    nodes = [node("Relu", ["x"], ["a"], "r"), node("Exp", ["a"], ["y"], "e")]
    model = graph(nodes, [value("x", [1, 4])], [value("y", [1, 4])])
    made = cast(model)
    assert [item.node for item in made.kept] == ["e"]
    assert run(made.model, ONES)["y"].dtype == np.float32


def test_a_weight_that_both_read_is_stored_in_both():
    """onnxconverter-common leaves one of them with the wrong type."""
    nodes = [node("Exp", ["w"], ["a"], "e"), node("Mul", ["a", "w"], ["b"], "m")]
    nodes.append(node("Add", ["b", "x"], ["y"], "s"))
    model = graph(nodes, [value("x", [1, 4])], [value("y", [1, 4])], [weight("w", [0.5] * 4)])
    made = cast(model, ONES)
    assert sorted(stored(made).values()) == [TensorProto.FLOAT, HALF]
    assert run(made.model, ONES)["y"] == pytest.approx(1 + 0.5 * np.exp(0.5), rel=2e-3)


def test_an_output_that_is_read_inside_is_given_in_single_and_read_in_half():
    """onnxconverter-common breaks the graph here."""
    nodes = [node("Relu", ["x"], ["a"], "r"), node("Neg", ["a"], ["y"], "n")]
    model = graph(nodes, [value("x", [1, 4])], [value("a", [1, 4]), value("y", [1, 4])])
    made = cast(model)
    assert kinds(made.model).count("Cast") == 3
    found = run(made.model, ONES)
    assert found["a"] == pytest.approx(1)
    assert found["y"] == pytest.approx(-1)


@pytest.mark.parametrize(
    "operation",
    [
        node("Softmax", ["x"], ["y"], "n"),
        node("ReduceMean", ["x"], ["y"], "n"),
        node("GlobalAveragePool", ["x"], ["y"], "n"),
        node("Sqrt", ["x"], ["y"], "n"),
        node("Exp", ["x"], ["y"], "n"),
    ],
)
def test_sums_and_steep_functions_stay(operation):
    model = graph([operation], [value("x", [1, 2, 4, 4])], [onnx.ValueInfoProto(name="y")])
    assert [item.node for item in to_half(model, []).kept] == ["n"]


def test_layer_normalization_stays():
    weights = [weight("s", np.ones(4)), weight("b", np.zeros(4))]
    nodes = [node("LayerNormalization", ["x", "s", "b"], ["y"], "norm")]
    model = graph(nodes, [value("x", [1, 4])], [value("y", [1, 4])], weights)
    assert [item.op for item in cast(model).kept] == ["LayerNormalization"]


def test_an_epsilon_does_not_become_zero():
    nodes = [node("Add", ["x", "eps"], ["a"], "add"), node("Div", ["one", "a"], ["y"], "div")]
    weights = [weight("eps", [1e-8]), weight("one", [1.0])]
    model = graph(nodes, [value("x", [1, 4])], [value("y", [1, 4])], weights)
    made = cast(model)
    assert made.kept[0].node == "add"
    assert "constant 1e-08 is under 6.1e-05" in made.kept[0].reason


def test_a_small_divisor_keeps_its_layer_and_a_small_weight_among_others_does_not():
    divide = graph(
        [node("Div", ["x", "w"], ["y"], "div")],
        [value("x", [1, 4])],
        [value("y", [1, 4])],
        [weight("w", [1, 2, 3, 1e-9])],
    )
    assert len(cast(divide).kept) == 1
    multiply = graph(
        [node("Mul", ["x", "w"], ["y"], "mul")],
        [value("x", [1, 4])],
        [value("y", [1, 4])],
        [weight("w", [1, 2, 3, 1e-9])],
    )
    assert cast(multiply).kept == []


def test_shapes_are_computed_exactly():
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Cast", ["shape"], ["floats"], to=TensorProto.FLOAT),
        node("Mul", ["floats", "half"], ["halves"], "mul"),
        node("Floor", ["halves"], ["whole"], "floor"),
        node("Cast", ["whole"], ["wanted"], to=TensorProto.INT64),
        node("Slice", ["x", "zero", "wanted"], ["a"]),
        node("Relu", ["a"], ["y"], "relu"),
    ]
    weights = [weight("half", [0.5]), weight("zero", [0], np.int64)]
    model = graph(nodes, [value("x", ["n"])], [value("y", ["m"])], weights)
    made = cast(model)
    assert [item.node for item in made.kept] == ["mul", "floor"]
    # 4099 / 2 has no place in half precision.
    assert run(made.model, {"x": np.ones(4099, np.float32)})["y"].shape == (2049,)


@pytest.mark.parametrize("opset", [11, 13, 18])
def test_the_scales_of_a_resize_stay_single(opset):
    nodes = [node("Resize", ["x", "", "s"], ["y"], "resize", mode="linear")]
    model = graph(
        nodes,
        [value("x", [1, 1, 4, 4])],
        [value("y", [1, 1, 8, 8])],
        [weight("s", [1, 1, 2, 2])],
        opset=opset,
    )
    if opset < 13:
        nodes[0].input[1] = "roi"
        model.graph.node[0].input[1] = "roi"
        model.graph.initializer.append(weight("roi", []))
    feeds = {"x": noise([1, 1, 4, 4])}
    made = cast(model, feeds)
    assert stored(made)["s"] == TensorProto.FLOAT
    assert made.kept == []
    assert difference(run(made.model, feeds), run(model, feeds)) < 2e-3


def test_what_the_standard_has_in_single_precision_only_stays():
    nodes = [
        node("NonMaxSuppression", ["boxes", "scores"], ["picked"], "nms"),
        node("Relu", ["boxes"], ["y"], "relu"),
    ]
    outputs = [value("picked", [None, 3], TensorProto.INT64), value("y", [1, 5, 4])]
    model = graph(nodes, [value("boxes", [1, 5, 4]), value("scores", [1, 1, 5])], outputs)
    made = cast(model)
    assert [item.node for item in made.kept] == ["nms"]
    assert "by the ONNX standard" in made.kept[0].reason


def test_a_body_reads_single_precision_from_outside():
    def body(name: str, source: str) -> onnx.GraphProto:
        inner = node("Mul", [source, "w"], [f"{name}.out"])
        return helper.make_graph([inner], name, [], [value(f"{name}.out", [1, 4])])

    branch = node(
        "If", ["on"], ["b"], "if", then_branch=body("then", "a"), else_branch=body("else", "x")
    )
    nodes = [node("Mul", ["x", "w"], ["a"], "m"), branch, node("Add", ["b", "a"], ["y"], "s")]
    inputs = [value("x", [1, 4]), value("on", [], TensorProto.BOOL)]
    model = graph(nodes, inputs, [value("y", [1, 4])], [weight("w", [2.0])])
    made = cast(model)
    assert [item.node for item in made.kept] == ["if"]
    for on, expected in ((True, 6), (False, 4)):
        found = run(made.model, {**ONES, "on": np.asarray(on)})
        assert found["y"] == pytest.approx(expected)


def test_what_is_half_already_stays_as_it_is():
    once = cast(network())
    again = cast(once.model)
    assert again.model.SerializeToString() == once.model.SerializeToString()
    assert again.kept == []


def test_weights_listed_as_inputs_are_cast_too():
    model = network()
    for item in model.graph.initializer:
        model.graph.input.append(value(item.name, item.dims))
    made = cast(model)
    assert [item.name for item in made.model.graph.input] == ["picture"]
    assert set(stored(made).values()) == {HALF}


def test_constants_inside_operations_are_cast():
    nodes = [
        node("Constant", [], ["w"], value=weight("", [2.0])),
        node("Mul", ["x", "w"], ["y"], "m"),
    ]
    model = graph(nodes, [value("x", [1, 4])], [value("y", [1, 4])])
    made = cast(model)
    assert kinds(made.model) == ["Cast", "Mul", "Cast"]
    assert run(made.model, ONES)["y"] == pytest.approx(2)


def test_a_sample_that_does_not_fit_is_one_line():
    with pytest.raises(ConvertError, match="small: ONNX Runtime cannot run it") as caught:
        to_half(network(), [{"picture": noise([1, 3, 4, 4])}], name="small")
    assert "\n" not in str(caught.value)


@given(factors=st.lists(st.floats(1e-6, 1e8), min_size=1, max_size=6))
def test_no_chain_of_factors_loses_its_value(factors):
    model = chain(*factors)
    expected = run(model, ONES)["y"]
    made = to_half(model, [ONES])
    found = run(rounded(made.model), ONES)["y"]
    assert np.isfinite(found).all() or not np.isfinite(expected).all()
    smallest = min(np.cumprod(factors, dtype=np.float64))
    if smallest > 1e-4 and np.isfinite(expected).all():
        assert found == pytest.approx(expected, rel=2e-3 * (len(factors) + 1))
