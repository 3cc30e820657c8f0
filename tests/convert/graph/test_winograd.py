"""Rewritten convolutions give the same; those that would not gain stay as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from faceguard.convert.graph.winograd import rewritten
from faceguard.engines.errors import ConvertError
from tests.convert.graphs import conv, graph, kinds, node, noise, run, value

MANY = 128
MOST_DIFFERENCE = 2e-5


def trunk(
    kernel: tuple[int, int, int, int] = (MANY, MANY, 3, 3), *, opset: int = 17, **attributes: object
) -> onnx.ModelProto:
    """Colours to many channels, a convolution with offsets, an activation, a sum, and back."""
    rng = np.random.default_rng(3)
    first, first_weights = conv("first", "picture", "a", rng, (kernel[1], 3, 3, 3))
    middle, middle_weights = conv("middle", "a", "b", rng, kernel)
    for key, given in attributes.items():
        kept = [item for item in middle.attribute if item.name != key]
        del middle.attribute[:]
        middle.attribute.extend([*kept, onnx.helper.make_attribute(key, given)])
    last, last_weights = conv("last", "d", "large", rng, (3, kernel[0], 3, 3))
    nodes = [first, middle, node("Relu", ["b"], ["c"]), node("Neg", ["c"], ["d"]), last]
    if kernel[0] == kernel[1]:
        nodes[3] = node("Add", ["a", "c"], ["d"])
    return graph(
        nodes,
        [value("picture", ["batch", 3, "height", "width"])],
        [value("large", ["batch", 3, "height", "width"])],
        [*first_weights, *middle_weights, *last_weights],
        opset=opset,
    )


def inner(model: onnx.ModelProto) -> list[str]:
    """The kinds of operations that are done for each picture."""
    [scan] = [item for item in model.graph.node if item.op_type == "Scan"]
    [body] = [item.g for item in scan.attribute if item.name == "body"]
    return [item.op_type for item in body.node]


@pytest.fixture(scope="module")
def both() -> tuple[ort.InferenceSession, ort.InferenceSession]:
    plain = trunk()
    return tuple(
        ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        for model in (plain, rewritten(plain, name="net"))
    )


@pytest.mark.parametrize(
    ("count", "height", "width"),
    [(1, 1, 1), (1, 5, 7), (1, 4, 4), (1, 8, 12), (2, 9, 3), (1, 2, 31), (3, 16, 17), (1, 33, 1)],
)
def test_gives_the_same_at_any_size_and_number(both, count: int, height: int, width: int) -> None:
    picture = noise((count, 3, height, width), seed=height * width, scale=255)
    [want], [have] = (session.run(None, {"picture": picture}) for session in both)
    assert have.shape == want.shape
    assert np.abs(have - want).max() <= MOST_DIFFERENCE * np.abs(want).max()


def test_pictures_of_a_batch_do_not_touch(both) -> None:
    picture = noise((1, 3, 6, 6), scale=255)
    [alone] = both[1].run(None, {"picture": picture})
    [among] = both[1].run(None, {"picture": np.concatenate([picture * 9, picture, picture * -7])})
    np.testing.assert_array_equal(among[1], alone[0])


def test_exact_on_whole_numbers() -> None:
    """Three channels' worth of small integers: rounding cannot hide a wrong matrix."""
    rng = np.random.default_rng(8)
    kernel = np.zeros((MANY, MANY, 3, 3), np.float32)
    kernel[:3, :3] = 24 * rng.integers(-3, 4, (3, 3, 3, 3))
    model = graph(
        [node("Conv", ["picture", "kernel"], ["large"], pads=[1, 1, 1, 1])],
        [value("picture", ["n", MANY, "h", "w"])],
        [value("large", ["n", MANY, "h", "w"])],
        [onnx.numpy_helper.from_array(kernel, "kernel")],
    )
    picture = np.zeros((1, MANY, 10, 9), np.float32)
    picture[0, :3] = rng.integers(-9, 10, (3, 10, 9))
    want = run(model, {"picture": picture})["large"]
    made = rewritten(model, name="net")
    assert "Conv" not in inner(made)[:1]
    assert np.abs(want).max() > 100
    np.testing.assert_allclose(run(made, {"picture": picture})["large"], want, atol=0.02)


def test_only_what_gains_is_rewritten_and_ends_keep_their_names() -> None:
    plain = trunk()
    before = plain.SerializeToString()
    made = rewritten(plain, name="net")
    assert plain.SerializeToString() == before
    assert rewritten(plain, name="net").SerializeToString() == made.SerializeToString()
    onnx.checker.check_model(made, full_check=True)
    assert [item.name for item in (*made.graph.input, *made.graph.output)] == ["picture", "large"]
    assert kinds(made) == ["Conv", "Scan"]
    # First and last as they were, and the one that makes windows.
    assert inner(made).count("Conv") == 3
    assert {"Relu", "Add"} <= set(inner(made))
    weights = {item.name for item in made.graph.initializer}
    assert {"first.weight", "last.weight"} <= weights
    assert not {"middle.weight", "middle.bias"} & weights


def test_file_holds_small_kernels_and_a_runtime_transforms_them_once(tmp_path: Path) -> None:
    plain = trunk()
    made = rewritten(plain, name="net")
    shared = 4 * MANY * 36 * 36  # the windows' matrix, one for all convolutions of this width
    assert made.ByteSize() - plain.ByteSize() < shared + 50_000
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
    ort.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    loaded = onnx.load(tmp_path / "loaded.onnx")
    assert kinds(loaded) == ["Scan"]
    assert [1, 36, MANY, MANY] in [list(item.dims) for item in loaded.graph.initializer]
    # Read through its Transpose, without a copy: what the order of axes is chosen for.
    assert "FusedMatMul" in inner(loaded)


def test_kernel_of_two_convolutions_is_kept_once() -> None:
    model = trunk()
    again = node("Conv", ["a", "middle.weight"], ["again"], pads=[1, 1, 1, 1])
    model.graph.node.insert(2, again)
    model.graph.node[4].input[0] = "again"
    picture = noise((1, 3, 7, 5))
    want = run(model, {"picture": picture})["large"]
    made = rewritten(model, name="net")
    assert kinds(made) == ["Conv", "Scan"]
    have = run(made, {"picture": picture})["large"]
    assert np.abs(have - want).max() <= MOST_DIFFERENCE * np.abs(want).max()


@pytest.mark.parametrize(
    ("kernel", "attributes"),
    [
        ((64, MANY, 3, 3), {}),
        ((MANY, 64, 3, 3), {}),
        ((MANY, MANY, 5, 5), {}),
        ((MANY, MANY, 3, 3), {"strides": [2, 2]}),
        ((MANY, MANY, 3, 3), {"dilations": [2, 2]}),
        ((MANY, MANY, 3, 3), {"pads": [0, 0, 0, 0]}),
        ((MANY, MANY, 3, 3), {"auto_pad": "SAME_UPPER"}),
    ],
)
def test_other_convolutions_are_not(
    kernel: tuple[int, int, int, int], attributes: dict[str, object]
) -> None:
    with pytest.raises(ConvertError, match="net: no 3x3 convolution of 128 channels"):
        rewritten(trunk(kernel, **attributes), name="net")


def test_other_graphs_are_refused() -> None:
    with pytest.raises(ConvertError, match="needs opset 15"):
        rewritten(trunk(opset=13), name="net")
    two = trunk()
    two.graph.output.append(value("c", None))
    with pytest.raises(ConvertError, match="only a network of pictures to pictures"):
        rewritten(two, name="net")
    with pytest.raises(ConvertError, match="with If, Loop or Scan"):
        rewritten(rewritten(trunk(), name="net"), name="net")
