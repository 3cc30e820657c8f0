"""An enlarging network takes tiles: channels first, any number, any size, the same results."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from faceguard.convert.graph.picture_graph import open_tiles
from faceguard.engines.errors import BadModelFile, ConvertError
from tests.convert.graphs import conv, graph, kinds, node, noise, run, sides, value

LAST = [1, "height", "width", 3]
FIRST = [1, 3, "height", "width"]
LARGE = [1, 3, "2*height", "2*width"]


def enlarging(taken: list[int | str], given: list[int | str] = LARGE) -> onnx.ModelProto:
    """A network that doubles a picture; one of channels last begins with a Transpose."""
    rng = np.random.default_rng(5)
    first, weights = conv(
        "first", "turned" if taken[-1] == 3 else "picture", "a", rng, (12, 3, 3, 3)
    )
    nodes = [
        first,
        node("DepthToSpace", ["a"], ["b"], blocksize=2),
        node("Identity", ["b"], ["large"]),
    ]
    if taken[-1] == 3:
        nodes.insert(0, node("Transpose", ["picture"], ["turned"], perm=[0, 3, 1, 2]))
    return graph(nodes, [value("picture", taken)], [value("large", given)], weights)


def opened(model: onnx.ModelProto, **changes: int) -> onnx.ModelProto:
    return open_tiles(model, **{"scale": 2, "channels": 3, "name": "net", **changes})


@pytest.mark.parametrize("taken", [LAST, FIRST, [1, 3, 8, 8], ["n", 3, "h", "w"]])
def test_tiles_of_any_number_and_size(taken: list[int | str]) -> None:
    # A graph that was exported for one size says so at its end as well.
    exported = enlarging(taken, [1, 3, 16, 16] if taken[-1] == 8 else LARGE)
    before = exported.SerializeToString()
    made = opened(exported)
    assert exported.SerializeToString() == before
    assert opened(exported).SerializeToString() == made.SerializeToString()
    onnx.checker.check_model(made, full_check=True)
    assert kinds(made) == ["Conv", "DepthToSpace"]
    [picture], [large] = made.graph.input, made.graph.output
    assert (picture.name, large.name) == ("picture", "large")
    assert sides(picture) == ["batch", 3, "height", "width"]
    assert sides(large) == ["batch", 3, "2*height", "2*width"]
    for height, width in ((8, 8), (5, 7), (1, 1)):
        tiles = noise((3, 3, height, width))
        many = run(made, {"picture": tiles})["large"]
        assert many.shape == (3, 3, 2 * height, 2 * width)
        for tile, larger in zip(tiles, many, strict=True):
            one = run(made, {"picture": tile[None]})["large"]
            np.testing.assert_allclose(one[0], larger, atol=1e-6)


def test_results_are_those_of_the_exported_graph() -> None:
    exported, picture = enlarging(LAST), noise((1, 6, 9, 3))
    want = run(exported, {"picture": picture})["large"]
    have = run(opened(exported), {"picture": picture.transpose(0, 3, 1, 2)})["large"]
    np.testing.assert_array_equal(have, want)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"scale": 3}, "net: of 2x3x11x7 it makes 2x3x22x14; 3 times the height and width"),
        ({"channels": 1}, "'picture' is 1xheightxwidthx3, not a float picture of 1 channels"),
    ],
)
def test_another_scale_or_other_colours(changes: dict[str, int], says: str) -> None:
    with pytest.raises(ConvertError, match=says):
        opened(enlarging(LAST), **changes)


def test_results_with_channels_last_are_refused() -> None:
    model = enlarging(FIRST)
    model.graph.node[-1].CopyFrom(node("Transpose", ["b"], ["large"], perm=[0, 2, 3, 1]))
    model.graph.output[0].CopyFrom(value("large", [1, "2*height", "2*width", 3]))
    # The shape that is written down contradicts, or the one that is worked out is another.
    with pytest.raises((ConvertError, BadModelFile), match=r"^net: "):
        opened(model)


def test_picture_that_is_read_with_channels_last() -> None:
    model = enlarging(LAST)
    model.graph.node.append(node("Relu", ["picture"], ["unturned"]))
    with pytest.raises(ConvertError, match="has its channels last and is read so"):
        opened(model)


def test_two_outputs_are_refused() -> None:
    model = enlarging(LAST)
    model.graph.output.append(value("a", None))
    with pytest.raises(ConvertError, match="1 inputs and 2 outputs"):
        opened(model)


def test_shapes_that_contradict_are_told_in_one_line() -> None:
    model = enlarging(FIRST)
    model.graph.node[1].attribute[0].i = 5
    with pytest.raises(BadModelFile, match=r"^net: its shapes do not fit") as caught:
        opened(model)
    assert "\n" not in str(caught.value)
