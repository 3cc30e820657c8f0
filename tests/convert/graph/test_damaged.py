"""Graphs that are damaged or made to do harm: one clear error, no crash, no flood of memory."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from faceguard.convert.graph.check import check_graph, check_sound, problems
from faceguard.convert.graph.fold import fold
from faceguard.convert.graph.shapes import resolve_shapes
from faceguard.convert.graph.tensors import tensor_types
from faceguard.convert.onnx_bytes import parsed
from faceguard.engines.errors import BadModelFile, UnsupportedOp, UsageError
from faceguard.engines.spec import Profile
from tests.convert.fuzz import FUZZ, hit, hits_of
from tests.convert.graphs import conv, graph, kinds, network, node, noise, run, value, weight

HITS = hits_of()
# Settings and sides that are likely to trip somebody.
ODD = st.sampled_from([0, -1, 1, 2, 3, -2, 7, 1 << 16, 1 << 31, -(1 << 63), (1 << 63) - 1])
PICTURE = {"": Profile.fixed((1, 3, 8, 8))}


def many_kinds() -> onnx.ModelProto:
    """Weights in several forms, and operations that folding, fusing and the table look into."""
    rng = np.random.default_rng(1)
    first, weights = conv("first", "x", "a", rng, (2, 3, 3, 3))
    nodes = [
        first,
        node("BatchNormalization", ["a", "s", "s", "s", "s"], ["n"], "norm"),
        node("Relu", ["n"], ["r"], "relu"),
        node("Shape", ["r"], ["shape"]),
        node("Gather", ["shape", "zero"], ["batch"]),
        node("Unsqueeze", ["batch", "zeros"], ["batches"]),
        node("Constant", [], ["rest"], value=weight("rest", [-1], np.int64)),
        node("Concat", ["batches", "rest"], ["wanted"], axis=0),
        node("Reshape", ["r", "wanted"], ["flat"], "reshape"),
        node("MatMul", ["flat", "w"], ["product"], "product"),
        node("TopK", ["product", "threes"], ["best", "places"], "best"),
        node("Div", ["three", "three"], ["one"]),
        node("Range", ["zero", "three", "one.0"], ["steps"]),
        node("Cast", ["steps"], ["offsets"], to=TensorProto.FLOAT),
        node("Add", ["best", "offsets"], ["scores"]),
        node("MaxPool", ["r"], ["small"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Resize", ["small", "", "scales"], ["large"], "resize", mode="nearest"),
        node("Transpose", ["large"], ["turned"], perm=[0, 2, 3, 1]),
        node("QuantizeLinear", ["turned", "step", "point"], ["bytes"]),
        node("DequantizeLinear", ["bytes", "step", "point"], ["picture"]),
        node("Identity", ["one"], ["count"]),
    ]
    typed = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[128, 4])
    typed.float_data.extend([0.5] * 512)
    stored = [
        *weights,
        typed,
        weight("s", [1, 2]),
        weight("zero", 0, np.int64),
        weight("one.0", 1, np.int64),
        weight("zeros", [0], np.int64),
        weight("three", 3, np.int64),
        weight("threes", [3], np.int64),
        weight("scales", [1, 1, 2, 2]),
        weight("step", 0.1),
        weight("point", 0, np.int8),
    ]
    outputs = [
        value("scores", [1, 3]),
        value("picture", [1, "height", 8, 2]),
        value("count", [], TensorProto.INT64),
    ]
    return graph(nodes, [value("x", [1, 3, "height", 8])], outputs, stored)


def take_or_refuse(source: bytes, *, every: bool = True) -> None:
    """All that is done before ONNX Runtime or TensorRT see a graph, and the ways it may end."""
    refusal = ""
    try:
        model = parsed(source, name="fuzz")
        (check_graph if every else check_sound)(model, name="fuzz")
        shaped, _ = resolve_shapes(model, PICTURE, name="fuzz")
    except (BadModelFile, UnsupportedOp, UsageError) as error:
        refusal = str(error)
    if refusal:
        assert refusal.startswith("fuzz: ")
        assert "\n" not in refusal
        assert len(refusal) < 1500
    else:
        fold(shaped)


SOURCE = many_kinds().SerializeToString()


def test_what_the_fuzzing_damages_is_whole_before():
    model = parsed(SOURCE, name="fuzz")
    check_graph(model, name="fuzz")
    shaped, _ = resolve_shapes(model, PICTURE, name="fuzz")
    made = fold(shaped)
    assert "BatchNormalization" not in kinds(made)
    feeds = {"x": noise((1, 3, 8, 8))}
    ours, theirs = run(made, feeds), run(model, feeds)
    for name, wanted in theirs.items():
        np.testing.assert_allclose(ours[name], wanted, atol=1e-5)


@given(hits=HITS, every=st.booleans())
@FUZZ
def test_changed_bytes(hits, every):
    take_or_refuse(hit(SOURCE, hits), every=every)


@given(length=st.integers(0, len(SOURCE) - 1))
@FUZZ
def test_cut_off(length):
    take_or_refuse(SOURCE[:length])


@given(st.binary(max_size=400))
@FUZZ
def test_random_bytes(source):
    take_or_refuse(source)


@given(data=st.data())
@FUZZ
def test_changed_settings(data):
    """Damage that protobuf does not notice: settings, inputs, operations, sizes, types."""
    model = many_kinds()
    nodes, weights = model.graph.node, model.graph.initializer
    for _ in range(data.draw(st.integers(1, 3))):
        what = data.draw(
            st.sampled_from(["setting", "input", "op", "size", "type", "side", "gone"])
        )
        item = data.draw(st.sampled_from(list(nodes)))
        stored = data.draw(st.sampled_from(list(weights)))
        if what == "setting" and item.attribute:
            setting = data.draw(st.sampled_from(list(item.attribute)))
            if setting.type == onnx.AttributeProto.INT:
                setting.i = data.draw(ODD)
            elif setting.type == onnx.AttributeProto.INTS:
                del setting.ints[:]
                setting.ints.extend(data.draw(st.lists(ODD, max_size=5)))
            elif setting.type == onnx.AttributeProto.STRING:
                setting.s = data.draw(st.binary(max_size=4))
        elif what == "input" and item.input:
            place = data.draw(st.integers(0, len(item.input) - 1))
            other = data.draw(st.sampled_from(["", "x", stored.name, *item.output]))
            item.input[place] = other
        elif what == "op":
            item.op_type = data.draw(st.sampled_from([other.op_type for other in nodes]))
        elif what == "size":
            del stored.dims[:]
            stored.dims.extend(data.draw(st.lists(ODD, max_size=4)))
        elif what == "type":
            stored.data_type = data.draw(st.integers(-1, 30))
        elif what == "side":
            side = data.draw(st.sampled_from(list(model.graph.input[0].type.tensor_type.shape.dim)))
            side.dim_value = data.draw(ODD)
        elif what == "gone":
            nodes.remove(item)
    take_or_refuse(model.SerializeToString(), every=data.draw(st.booleans()))


def refused(model: onnx.ModelProto) -> str:
    with pytest.raises(BadModelFile) as caught:
        check_sound(parsed(model.SerializeToString(), name="demo"), name="demo")
    message = str(caught.value)
    assert message.startswith("demo: ")
    assert message.count("\n") == 0
    assert "export the model" in message
    return message


def stored(model: onnx.ModelProto) -> onnx.TensorProto:
    """The weights of the first convolution, 8x3x3x3."""
    return model.graph.initializer[0]


@pytest.mark.parametrize("bytes_", [0, 863, 865, 1 << 12])
def test_a_weight_of_the_wrong_size_is_named(bytes_):
    model = network()
    stored(model).raw_data = bytes(bytes_)
    wanted = f"weight 'first.weight' is 8x3x3x3 FLOAT, 864 bytes, and {bytes_} bytes are stored"
    assert wanted in refused(model)


def test_a_weight_whose_numbers_are_too_few_is_named():
    model = network()
    stored(model).ClearField("raw_data")
    stored(model).float_data.extend([1.0] * 9)
    assert "weight 'first.weight' is 8x3x3x3 FLOAT, but what is stored is not" in refused(model)


@pytest.mark.parametrize(
    ("dims", "says"),
    [
        ([8, 3, 3, -3], "is 8x3x3x-3"),
        ([1 << 62, 1 << 62], f"is {1 << 62}x{1 << 62}"),
        ([1] * 40, "has 40 axes"),
        ([1 << 31], f"is {1 << 31}"),
        ([1 << 30, 1 << 30], "bytes are stored"),
    ],
)
def test_a_weight_of_an_absurd_shape_is_named(dims, says):
    model = network()
    del stored(model).dims[:]
    stored(model).dims.extend(dims)
    assert says in refused(model)


@pytest.mark.parametrize("elem", [0, -1, 99])
def test_a_weight_of_an_unknown_type_is_named(elem):
    model = network()
    stored(model).data_type = elem
    assert f"'first.weight' has element type {elem}, which is none of ONNX" in refused(model)


def test_an_input_of_an_unknown_type_is_refused():
    model = network()
    model.graph.input[0].type.tensor_type.elem_type = 99
    assert "element type 99 is none of ONNX" in refused(model)


def test_weights_in_bodies_and_settings_are_looked_at():
    bad = weight("inner", [1, 2, 3])
    bad.raw_data = b""
    inner = helper.make_graph([node("Neg", ["inner"], ["t"])], "then", [], [value("t", [3])], [bad])
    other = helper.make_graph([node("Neg", ["x"], ["e"])], "else", [], [value("e", [3])])
    branch = node("If", ["on"], ["y"], "if", then_branch=inner, else_branch=other)
    ends = [value("x", [3]), value("on", [], TensorProto.BOOL)]
    assert "weight 'inner' is 3 FLOAT, 12 bytes" in refused(
        graph([branch], ends, [value("y", [3])])
    )
    nodes = [node("Constant", [], ["c"], value=bad), node("Add", ["x", "c"], ["y"])]
    assert "weight 'inner'" in refused(graph(nodes, [value("x", [3])], [value("y", [3])]))


@pytest.mark.parametrize("elem", ["INT4", "UINT4"])
def test_four_bits_are_counted_as_such(elem):
    kind = getattr(TensorProto, elem)
    model = graph(
        [node("DequantizeLinear", ["w", "s"], ["d"]), node("Add", ["x", "d"], ["y"])],
        [value("x", [3])],
        [value("y", [3])],
        [TensorProto(name="w", data_type=kind, dims=[3], raw_data=b"\x21\x03"), weight("s", 1.0)],
        opset=21,
    )
    model.ir_version = 10
    check_sound(model, name="demo")
    model.graph.initializer[0].raw_data = b"\x21\x03\x00"
    assert f"is 3 {elem}, 2 bytes, and 3 bytes are stored" in refused(model)


@pytest.mark.parametrize("side", [-1, 1 << 31])
@pytest.mark.parametrize("what", ["input", "output"])
def test_a_side_that_no_tensor_has_is_named(side, what):
    model = network()
    ends = model.graph.input if what == "input" else model.graph.output
    ends[0].type.tensor_type.shape.dim[2].dim_value = side
    assert f"axis 2 of {what} '{ends[0].name}' is {side}; export the model with a" in refused(model)


@pytest.mark.parametrize(("there", "now"), [(b"second", b"sec\xffnd"), (b"relu", b"re\nu")])
def test_names_that_are_no_text_are_refused(there, now):
    source = network().SerializeToString().replace(there, now)
    with pytest.raises(BadModelFile, match=r"of a \w+ is no plain text|can't decode") as caught:
        check_sound(parsed(source, name="demo"), name="demo")
    assert "\n" not in str(caught.value)


def test_what_people_wrote_beside_the_graph_may_be_in_any_encoding():
    model = network()
    model.graph.node[0].doc_string = "line 1\nline 2 Stra=e"
    model.metadata_props.add(key="author", value="Stra=e")
    source = model.SerializeToString().replace(b"Stra=e", b"Stra\xdfe")
    check_graph(parsed(source, name="demo"), name="demo")


def test_sparse_weights_are_a_problem():
    model = network()
    sparse = onnx.SparseTensorProto(dims=[4])
    sparse.values.CopyFrom(weight("thin", [1.0]))
    sparse.indices.CopyFrom(weight("", [2], np.int64))
    model.graph.sparse_initializer.append(sparse)
    assert "weight 'thin': is stored sparse; export it as a plain one" in map(str, problems(model))


def test_a_long_range_is_not_written_out():
    """Shape inference would make 2**40 numbers of it, and take all memory."""
    nodes = [
        node("Range", ["zero", "limit", "one"], ["steps"]),
        node("Gather", ["steps", "place"], ["y"]),
    ]
    weights = [
        weight("zero", 0, np.int64),
        weight("limit", 1 << 40, np.int64),
        weight("one", 1, np.int64),
    ]
    ends = [value("place", [1], TensorProto.INT64)], [value("y", [1], TensorProto.INT64)]
    model = graph(nodes, *ends, weights)
    check_sound(model, name="demo")
    shaped, _ = resolve_shapes(model, {}, name="demo")
    assert kinds(fold(shaped)) == ["Range", "Gather"]
    assert tensor_types(model)["steps"].elem == TensorProto.INT64
    model.graph.initializer[1].CopyFrom(weight("limit", 12, np.int64))
    assert tensor_types(model)["steps"].fixed == (12,)
    assert kinds(fold(model)) == ["Gather"]


@pytest.mark.parametrize("op", ["Div", "Mod"])
@pytest.mark.parametrize("divisor", [0, -1, 2])
def test_a_division_that_would_stop_the_program_is_not_done(op, divisor):
    """Whole numbers divided by 0 end a process without a word."""
    low = int(np.iinfo(np.int64).min)
    nodes = [node(op, ["low", "divisor"], ["part"]), node("Add", ["x", "part"], ["y"])]
    model = graph(
        nodes,
        [value("x", [1], TensorProto.INT64)],
        [value("y", [1], TensorProto.INT64)],
        [weight("low", [low], np.int64), weight("divisor", [divisor], np.int64)],
    )
    assert kinds(fold(model)) == (["Add"] if divisor > 0 else [op, "Add"])


@pytest.mark.parametrize("variance", [-1.0, float("nan")])
def test_a_normalization_that_gives_no_number_is_not_fused(variance):
    rng = np.random.default_rng(1)
    first, weights = conv("conv", "x", "c", rng, (2, 3, 3, 3))
    stored = [*weights, weight("ones", [1, 1]), weight("v", [1, variance])]
    norm = node("BatchNormalization", ["c", "ones", "ones", "ones", "v"], ["y"], "norm")
    ends = [value("x", [1, 3, 8, 8])], [value("y", [1, 2, 8, 8])]
    assert kinds(fold(graph([first, norm], *ends, stored))) == ["Conv", "BatchNormalization"]
