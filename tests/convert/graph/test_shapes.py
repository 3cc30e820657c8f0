"""--shape and --profile: read, fitted to the graph, or refused in one clear line."""

from __future__ import annotations

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceguard.convert.graph.shape_options import ONLY_INPUT, parse_profiles, parse_shapes
from faceguard.convert.graph.shapes import resolve_shapes
from faceguard.engines.errors import BadModelFile, FaceguardError, UsageError
from faceguard.engines.spec import Profile
from tests.convert.graphs import graph, network, node, sides, value, weight

SIDES = st.lists(st.integers(1, 2**31 - 1), min_size=1, max_size=8).map(tuple)


@given(name=st.text(max_size=12), shape=SIDES)
def test_a_shape_is_read_as_it_is_written(name, shape):
    text = "x".join(map(str, shape))
    option = f"{name}={text}" if name else text
    assert parse_shapes([option]) == {name: shape}


@given(st.text(max_size=40), st.booleans())
def test_any_text_is_a_shape_or_one_line(text, ranged):
    parse = parse_profiles if ranged else parse_shapes
    try:
        found = parse([text])
    except UsageError as error:
        message = str(error)
    else:
        assert len(found) == 1
        return
    assert message.startswith("--profile" if ranged else "--shape")


@given(st.lists(st.tuples(*[st.integers(1, 4000)] * 3).map(sorted), min_size=1, max_size=6))
def test_a_profile_is_read_as_it_is_written(bounds):
    low, best, high = (tuple(shape) for shape in zip(*bounds, strict=True))
    text = ",".join("x".join(map(str, shape)) for shape in (low, best, high))
    assert parse_profiles([f"in={text}"]) == {"in": Profile(low, best, high)}


@pytest.mark.parametrize(
    "text", ["", "1x", "x1", "1xx2", "0x3", "-1x3", "1x3x²", "1,3", "1.5", " ", "1x9999999999"]
)
def test_what_is_no_shape_is_refused(text):
    with pytest.raises(UsageError, match="is no shape"):
        parse_shapes([f"in={text}"])


def test_a_profile_needs_three_shapes_in_order():
    with pytest.raises(UsageError, match="2 shapes; write three"):
        parse_profiles(["1x3,1x4"])
    with pytest.raises(UsageError, match="axis 1 goes 4, 3, 5"):
        parse_profiles(["1x4,1x3,1x5"])
    with pytest.raises(UsageError, match="same number of sides"):
        parse_profiles(["1x4,1x4x2,1x5"])


def test_the_same_input_twice_is_refused():
    with pytest.raises(UsageError, match="given twice"):
        parse_shapes(["in=1x3", "in=1x4"])


def resolve(model: onnx.ModelProto, *, shape=(), profile=()):
    before = model.SerializeToString()
    try:
        wanted = {key: Profile.fixed(sides) for key, sides in parse_shapes(shape).items()}
        return resolve_shapes(model, wanted | parse_profiles(profile), name="small")
    finally:
        assert model.SerializeToString() == before


def test_an_open_side_shows_the_option_to_add():
    with pytest.raises(UsageError) as caught:
        resolve(network(height="height", width="width"))
    assert str(caught.value) == (
        "small: axis 2 (height) of input 'picture' is open: add --shape picture=1x3x640x640 "
        "or --profile picture=1x3x320x320,1x3x640x640,1x3x1280x1280"
    )


def test_a_shape_is_written_into_inputs_and_outputs():
    made, profiles = resolve(network(height="height", width="width"), shape=["1x3x32x48"])
    assert profiles == {"picture": Profile.fixed((1, 3, 32, 48))}
    assert sides(made.graph.input[0]) == [1, 3, 32, 48]
    assert sides(made.graph.output[0]) == [1, 8, 32, 48]
    onnx.checker.check_model(made, full_check=True)


def test_a_profile_leaves_sides_open_that_have_a_range():
    option = ["picture=1x3x32x48,1x3x64x48,1x3x96x48"]
    made, profiles = resolve(network(height="height", width="width"), profile=option)
    assert sides(made.graph.input[0]) == [1, 3, "height", 48]
    assert sides(made.graph.output[0])[3] == 48
    assert str(profiles["picture"]) == option[0].partition("=")[2]
    assert not profiles["picture"].is_fixed


def test_a_fixed_graph_needs_no_option_and_takes_no_other_shape():
    made, profiles = resolve(network())
    assert profiles["picture"].is_fixed
    assert sides(made.graph.output[0]) == [1, 8, 16, 16]
    resolve(network(), shape=["picture=1x3x16x16"])
    with pytest.raises(UsageError, match=r"axis 2 of input 'picture' is 16 .* cannot become 32"):
        resolve(network(), shape=["1x3x32x16"])
    with pytest.raises(UsageError, match=r"axis 3 .* cannot become 16 to 32"):
        resolve(network(), profile=["1x3x16x16,1x3x16x16,1x3x16x32"])


def test_unknown_names_and_wrong_ranks_are_refused():
    with pytest.raises(UsageError, match="no input is called 'image'; this model takes picture"):
        resolve(network(), shape=["image=1x3x16x16"])
    with pytest.raises(UsageError, match=r"has 4 sides .* and 3x16x16 has 3"):
        resolve(network(), shape=["3x16x16"])
    with pytest.raises(UsageError, match="two shapes"):
        resolve(network(), shape=["1x3x16x16", "picture=1x3x16x16"])


def two_inputs(*, left: str = "side", right: str = "side") -> onnx.ModelProto:
    return graph(
        [node("Add", ["a", "b"], ["y"], "add")],
        [value("a", [1, left]), value("b", [1, right])],
        [value("y", [1, None])],
    )


def test_a_shared_symbol_is_one_side():
    made, profiles = resolve(two_inputs(), shape=["a=1x7"])
    assert profiles == dict.fromkeys("ab", Profile.fixed((1, 7)))
    assert sides(made.graph.output[0]) == [1, 7]
    with pytest.raises(UsageError, match="axis 1 of input 'b' is 8, but it is 'side'"):
        resolve(two_inputs(), shape=["a=1x7", "b=1x8"])


def test_a_name_may_only_be_left_out_where_there_is_one_input():
    with pytest.raises(UsageError, match="names no input, and there are 2"):
        resolve_shapes(two_inputs(), {ONLY_INPUT: Profile.fixed((1, 7))}, name="small")


def test_a_contradiction_names_input_and_axis():
    model = graph(
        [node("Add", ["a", "b"], ["y"], "add")],
        [value("a", [1, 7]), value("b", [1, "right"])],
        [value("y", [1, None])],
    )
    with pytest.raises(UsageError, match=r"axis 1 \(right\) of input 'b' cannot be 8: .*add"):
        resolve(model, shape=["b=1x8"])
    made, _ = resolve(model, shape=["b=1x7"])
    assert sides(made.graph.output[0]) == [1, 7]


def test_a_graph_that_never_fits_is_no_user_error():
    model = graph(
        [node("Add", ["a", "w"], ["y"], "add")],
        [value("a", [1, 7])],
        [value("y", None)],
        [weight("w", [[1.0] * 5])],
    )
    with pytest.raises(BadModelFile, match="contradict one another"):
        resolve(model)


def test_an_input_without_even_a_rank_takes_what_is_given():
    model = graph([node("Relu", ["x"], ["y"])], [value("x", None)], [value("y", None)])
    with pytest.raises(UsageError, match="has no shape; add --shape x="):
        resolve(model)
    made, _ = resolve(model, shape=["1x3x4"])
    assert sides(made.graph.output[0]) == [1, 3, 4]


@given(
    st.lists(st.sampled_from(["h", "w", None, 1, 3, 16]), min_size=4, max_size=4),
    st.lists(st.integers(1, 70), min_size=3, max_size=5),
)
def test_any_shape_fits_or_is_one_line(given_sides, wanted):
    model = network()
    del model.graph.input[:]
    model.graph.input.append(value("picture", given_sides))
    model.graph.output[0].type.tensor_type.ClearField("shape")
    option = "x".join(map(str, wanted))
    try:
        made, profiles = resolve(model, shape=[option])
    except FaceguardError as error:
        message = str(error)
    else:
        assert profiles["picture"] == Profile.fixed(tuple(wanted))
        assert sides(made.graph.input[0]) == wanted
        return
    assert message.startswith("small: ")
    assert "\n" not in message


@pytest.mark.models
def test_yunet_at_a_size_it_cannot_take_says_which_would_do(engine_path):
    model = onnx.load(engine_path("yunet"))
    with pytest.raises(UsageError) as caught:
        resolve(model, shape=["1x3x330x640"])
    message = str(caught.value)
    assert "axis 2 (height) of input 'input' cannot be 330 (a multiple of 32, 352, fits)" in message
    assert "Add_50" in message
    made, _ = resolve(model, shape=["1x3x352x640"])
    assert sides(made.graph.output[0]) == [1, 44 * 80, 1]


@pytest.mark.models
def test_centerface_takes_a_profile(engine_path):
    model = onnx.load(engine_path("centerface"))
    option = "1x3x320x320,1x3x640x640,1x3x1280x1280"
    made, profiles = resolve(model, profile=[option])
    assert sides(made.graph.input[0]) == [1, 3, "height", "width"]
    assert str(profiles["input.1"]) == option
    onnx.checker.check_model(made, full_check=True)
