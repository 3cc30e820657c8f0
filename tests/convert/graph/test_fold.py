"""Folding makes a graph smaller and changes no number."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from faceguard.convert.graph.fold import fold
from faceguard.convert.graph.shapes import resolve_shapes
from faceguard.engines.spec import Profile
from tests.convert.graphs import (
    conv,
    difference,
    graph,
    kinds,
    network,
    node,
    noise,
    run,
    sides,
    value,
    weight,
)

MOST_DIFFERENCE = 1e-5
SIZES = {
    "yunet": {"": Profile.fixed((1, 3, 320, 320))},
    "centerface": {"": Profile.fixed((1, 3, 320, 320))},
    "blazeface-short": {},
    "blazeface-back": {},
    "blazeface-full": {},
    "blazeface-full-sparse": {},
}


def folded(model: onnx.ModelProto) -> onnx.ModelProto:
    """Folds, and checks what holds of every folding."""
    before = model.SerializeToString()
    made = fold(model)
    assert model.SerializeToString() == before
    assert fold(model).SerializeToString() == made.SerializeToString()
    onnx.checker.check_model(made, full_check=True)
    assert {item.domain for item in made.graph.node} <= {""}
    weights = {item.name for item in made.graph.initializer}
    names = [item.name for item in model.graph.input if item.name not in weights]
    assert [item.name for item in made.graph.input] == names
    assert [item.name for item in made.graph.output] == [item.name for item in model.graph.output]
    return made


@pytest.mark.models
@pytest.mark.parametrize("name", SIZES)
def test_every_detector_gives_the_same(name, engine_path):
    model, _ = resolve_shapes(onnx.load(engine_path(name)), SIZES[name], name=name)
    made = folded(model)
    assert not {"Identity", "Constant", "BatchNormalization"} & set(kinds(made))
    picture = model.graph.input[0]
    # These two take pixels as they are, the others from -1 to 1.
    pixels = np.abs(noise(sides(picture), scale=255))
    feeds = {
        picture.name: pixels if name in ("yunet", "centerface") else pixels / np.float32(127.5) - 1
    }
    assert difference(run(made, feeds), run(model, feeds)) <= MOST_DIFFERENCE
    assert fold(made).SerializeToString() == made.SerializeToString()


@pytest.mark.models
def test_an_open_graph_folds_and_still_takes_any_size(engine_path):
    model = onnx.load(engine_path("centerface"))
    made = folded(model)
    for side in (64, 96):
        feeds = {"input.1": noise([1, 3, side, 64], scale=255)}
        assert difference(run(made, feeds), run(model, feeds)) <= 3 * MOST_DIFFERENCE


def test_a_chain_of_shapes_becomes_a_constant():
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "zero"], ["first"]),
        node("Unsqueeze", ["first", "zeros"], ["firsts"]),
        node("Constant", [], ["rest"], value_ints=[-1, 2]),
        node("Concat", ["firsts", "rest"], ["wanted"], axis=0),
        node("Reshape", ["x", "wanted"], ["y"], "reshape"),
    ]
    weights = [weight("zero", 0, np.int64), weight("zeros", [0], np.int64)]
    model = graph(nodes, [value("x", [4, 6])], [value("y", ["a", "b", "c"])], weights)
    made = folded(model)
    assert kinds(made) == ["Reshape"]
    assert sides(made.graph.output[0]) == [4, 3, 2]
    feeds = {"x": noise([4, 6])}
    assert difference(run(made, feeds), run(model, feeds)) == 0


def test_part_of_a_shape_that_is_known_is_enough():
    nodes = [
        node("Shape", ["x"], ["batch"], start=0, end=1),
        node("Concat", ["batch", "rest"], ["wanted"], axis=0),
        node("Reshape", ["x", "wanted"], ["y"]),
    ]
    weights = [weight("rest", [-1], np.int64)]
    model = graph(nodes, [value("x", [4, "open", 2])], [value("y", None)], weights)
    # Not by `folded`: onnx.checker does not take an output without a shape.
    assert kinds(fold(model)) == ["Reshape"]


def test_what_passes_through_goes_and_outputs_keep_their_names():
    nodes = [
        node("Identity", ["x"], ["a"]),
        node("Dropout", ["a"], ["b"]),
        node("Relu", ["b"], ["c"], "relu"),
        node("Identity", ["c"], ["y"]),
        node("Identity", ["c"], ["z"]),
        node("Identity", ["x"], ["same"]),
        node("Neg", ["c"], ["unused"]),
    ]
    outputs = [value(name, [4]) for name in ("y", "z", "same")]
    model = graph(nodes, [value("x", [4])], outputs, [weight("idle", [1])])
    made = folded(model)
    assert kinds(made) == ["Relu", "Identity", "Identity"]
    assert not made.graph.initializer
    feeds = {"x": noise([4])}
    assert difference(run(made, feeds), run(model, feeds)) == 0


def test_a_constant_is_not_blown_up():
    nodes = [
        node("ConstantOfShape", ["shape"], ["zeros"], value=weight("", [2.0])),
        node("Slice", ["zeros", "from", "to"], ["part"]),
        node("Add", ["x", "part"], ["y"]),
    ]
    weights = [
        weight("shape", [4096, 4096], np.int64),
        weight("from", [0, 0], np.int64),
        weight("to", [1, 4], np.int64),
    ]
    model = graph(nodes, [value("x", [1, 4])], [value("y", [1, 4])], weights)
    made = folded(model)
    assert "ConstantOfShape" in kinds(made)
    assert made.ByteSize() < 1000
    small = weight("shape", [4, 4], np.int64)
    model.graph.initializer[0].CopyFrom(small)
    made = folded(model)
    assert kinds(made) == ["Add"]
    assert run(made, {"x": noise([1, 4])})["y"].shape == (1, 4)


def test_a_weight_may_be_folded_at_its_own_size():
    rng = np.random.default_rng(3)
    stored = weight("half", rng.normal(size=(256, 256)), np.float32)
    nodes = [
        node("Transpose", ["half"], ["turned"], perm=[1, 0]),
        node("MatMul", ["x", "turned"], ["y"], "product"),
    ]
    model = graph(nodes, [value("x", [1, 256])], [value("y", [1, 256])], [stored])
    made = folded(model)
    assert kinds(made) == ["MatMul"]
    assert [item.name for item in made.graph.initializer] == ["turned"]


def test_quantized_weights_stay_quantized():
    nodes = [
        node("DequantizeLinear", ["bytes", "step", "zero"], ["w"]),
        node("MatMul", ["x", "w"], ["y"]),
    ]
    weights = [
        weight("bytes", np.ones((4, 4)), np.int8),
        weight("step", 0.1),
        weight("zero", 0, np.int8),
    ]
    model = graph(nodes, [value("x", [1, 4])], [value("y", [1, 4])], weights)
    assert kinds(folded(model)) == ["DequantizeLinear", "MatMul"]


def test_random_numbers_are_drawn_anew():
    nodes = [node("RandomNormal", [], ["r"], shape=[4]), node("Add", ["x", "r"], ["y"])]
    model = graph(nodes, [value("x", [4])], [value("y", [4])])
    assert kinds(folded(model)) == ["RandomNormal", "Add"]


def test_weights_listed_as_inputs_are_taken_off_the_list():
    model = network()
    model.graph.input.append(value("first.bias", [8]))
    made = fold(model)
    assert [item.name for item in made.graph.input] == ["picture"]


def test_what_a_body_reads_stays():
    def body(name: str, source: str) -> onnx.GraphProto:
        inner = node("Neg", [source], [f"{name}.out"])
        return helper.make_graph([inner], name, [], [value(f"{name}.out", [4])])

    branch = node("If", ["on"], ["y"], then_branch=body("a", "copy"), else_branch=body("b", "kept"))
    nodes = [node("Identity", ["x"], ["copy"]), branch]
    inputs = [value("x", [4]), value("on", [], TensorProto.BOOL)]
    model = graph(nodes, inputs, [value("y", [4])], [weight("kept", [1, 2, 3, 4])])
    made = folded(model)
    for on in (True, False):
        feeds = {"x": noise([4]), "on": np.asarray(on)}
        assert difference(run(made, feeds), run(model, feeds)) == 0


def normalized(first: onnx.NodeProto, weights: list[onnx.TensorProto], channels: int, **more):
    rng = np.random.default_rng(5)
    stored = [
        weight("scale", rng.uniform(0.5, 2, channels)),
        weight("offset", rng.normal(size=channels)),
        weight("mean", rng.normal(size=channels)),
        weight("variance", rng.uniform(0.1, 3, channels)),
    ]
    norm = node("BatchNormalization", ["c", *(item.name for item in stored)], ["y"], "norm", **more)
    return graph(
        [first, norm],
        [value("x", [1, 4, 8, 8])],
        [value("y", [1, channels, None, None])],
        [*weights, *stored],
    )


def test_a_normalization_moves_into_the_convolution():
    first, weights = conv("conv", "x", "c", np.random.default_rng(1), (6, 4, 3, 3))
    model = normalized(first, weights, 6, epsilon=1e-3)
    made = folded(model)
    assert kinds(made) == ["Conv"]
    feeds = {"x": noise([1, 4, 8, 8])}
    assert difference(run(made, feeds), run(model, feeds)) <= MOST_DIFFERENCE


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_normalization_moves_into_a_grouped_transposed_convolution(groups):
    rng = np.random.default_rng(2)
    kernel = weight("w", rng.normal(size=(4, 3, 2, 2)))
    first = node("ConvTranspose", ["x", "w"], ["c"], "up", group=groups, strides=[2, 2])
    model = normalized(first, [kernel], 3 * groups)
    made = folded(model)
    assert kinds(made) == ["ConvTranspose"]
    feeds = {"x": noise([1, 4, 8, 8])}
    assert difference(run(made, feeds), run(model, feeds)) <= MOST_DIFFERENCE


def test_weights_that_two_convolutions_share_are_not_changed_for_both():
    first, weights = conv("conv", "x", "c", np.random.default_rng(1), (6, 4, 3, 3))
    model = normalized(first, weights, 6)
    again = node("Conv", ["x", "conv.weight", "conv.bias"], ["z"], "again", pads=[1] * 4)
    model.graph.node.append(again)
    model.graph.output.append(value("z", [1, 6, 8, 8]))
    made = folded(model)
    assert kinds(made) == ["Conv", "Conv"]
    feeds = {"x": noise([1, 4, 8, 8])}
    assert difference(run(made, feeds), run(model, feeds)) <= MOST_DIFFERENCE


def test_a_normalization_stays_where_the_convolution_is_read_elsewhere():
    first, weights = conv("conv", "x", "c", np.random.default_rng(1), (6, 4, 3, 3))
    model = normalized(first, weights, 6)
    model.graph.output.append(value("c", [1, 6, 8, 8]))
    assert kinds(folded(model)) == ["Conv", "BatchNormalization"]
