"""Files that are damaged or made to do harm: one clear error, no crash, no flood of memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceguard.convert.frozen import convert_frozen
from faceguard.engines.errors import BadModelFile, UnsupportedOp
from tests.convert.fuzz import FUZZ, hit, hits_of, refusal_of

HITS = hits_of()


def convert_or_refuse(source: bytes) -> None:
    assert len(refusal_of(convert_frozen, source)) < 800


def test_tiny_file_is_sound(tiny_file):
    """What the fuzzing damages: it has to be whole before."""
    made = convert_frozen(tiny_file, name="fuzz")
    assert [value.name for value in made.graph.output] == ["result"]


@given(st.binary(max_size=400))
@FUZZ
def test_random_bytes(source):
    convert_or_refuse(source)


@given(hits=HITS)
@FUZZ
def test_changed_bytes(tiny_file, hits):
    convert_or_refuse(hit(tiny_file, hits))


@given(length=st.integers(0, 1 << 16))
@FUZZ
def test_cut_off(tiny_file, length):
    """Where a whole node is missing, others read it, or there is nothing left to convert."""
    convert_or_refuse(tiny_file[: length % len(tiny_file)])


# Settings that are likely to trip somebody: of another type, huge, negative, or of another node.
ODD = st.one_of(
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.sampled_from([0, -1, 1, 2, 3, 1 << 16, 1 << 31]),
    st.booleans(),
    st.sampled_from(["SAME", "VALID", "EXPLICIT", "NCHW", "NHWC", "REFLECT", "SCALED", ""]),
    st.lists(st.integers(-2, 3) | st.integers(-(1 << 63), (1 << 63) - 1), max_size=9),
)


@given(data=st.data())
@FUZZ
def test_changed_settings(tiny_file, tiny_graph, data):
    """Damage that protobuf does not notice: other settings, inputs, operations and sizes."""
    graph = tiny_graph()
    graph.proto.ParseFromString(tiny_file)
    nodes = graph.proto.node
    for _ in range(data.draw(st.integers(1, 3))):
        node = data.draw(st.sampled_from(list(nodes)))
        what = data.draw(st.sampled_from(["setting", "input", "op", "size", "values"]))
        if what == "input" and node.input:
            place = data.draw(st.integers(0, len(node.input) - 1))
            node.input[place] = data.draw(st.sampled_from([other.name for other in nodes]))
        elif what == "op":
            node.op = data.draw(st.sampled_from([other.op for other in nodes] + ["Sub", "Reshape"]))
        elif node.attr:
            entry = data.draw(st.sampled_from(list(node.attr)))
            if what == "setting":
                graph.set(entry.value, data.draw(ODD))
            elif what == "size" and entry.value.tensor.tensor_shape.dim:
                dims = entry.value.tensor.tensor_shape.dim
                data.draw(st.sampled_from(list(dims))).size = data.draw(st.integers(-2, 1 << 62))
            elif what == "values" and entry.value.HasField("tensor"):
                tensor = entry.value.tensor
                tensor.tensor_content = b""
                tensor.int_val.extend(data.draw(st.lists(st.integers(-9, 9), max_size=4)))
    convert_or_refuse(graph.build())


@pytest.fixture(scope="module")
def fsrcnn(data) -> bytes:
    return (data / "models" / "sr" / "FSRCNN_x2.pb").read_bytes()


@pytest.mark.data
@given(hits=HITS)
@FUZZ
def test_changed_bytes_in_a_real_file(fsrcnn, hits):
    convert_or_refuse(hit(fsrcnn, hits))


@pytest.mark.data
@given(share=st.floats(0, 1, exclude_max=True))
@FUZZ
def test_cut_off_real_file(fsrcnn, share):
    """In its first half, which has only constants; a later cut between nodes may well be sound."""
    with pytest.raises(BadModelFile):
        convert_frozen(fsrcnn[: int(share * len(fsrcnn)) // 2], name="fuzz")


@pytest.mark.parametrize(
    "source",
    [b"", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, b"PK\x03\x04" * 9, b"\0" * 100, b"TFL3" * 5],
)
def test_other_kinds_of_file(source):
    with pytest.raises(BadModelFile, match=r"^demo: not a sound frozen graph: ") as caught:
        convert_frozen(source, name="demo")
    assert "\n" not in str(caught.value)


def test_onnx_file(tiny_file):
    model = convert_frozen(tiny_file, name="demo")
    with pytest.raises(BadModelFile, match=r"^demo: not a sound frozen graph: "):
        convert_frozen(model.SerializeToString(), name="demo")


def test_many_empty_nodes():
    with pytest.raises(BadModelFile, match="1000000 nodes in 2000000 bytes"):
        convert_frozen(b"\x0a\x00" * 1_000_000, name="demo")


def test_many_inputs(tiny_graph):
    graph = tiny_graph()
    graph.placeholder([1, 3])
    graph.op("ConcatV2", "result", ["picture"] * 70_000)
    with pytest.raises(BadModelFile, match="more than 65536 inputs"):
        convert_frozen(graph.build(), name="demo")


def test_long_chain_does_not_overflow_the_stack(tiny_graph):
    graph = tiny_graph()
    for number in reversed(range(1, 5000)):
        graph.op("Relu", f"n{number}", [f"n{number - 1}"])
    graph.placeholder([1, 3], "n0")
    picture = np.array([[-1, 0, 2]], np.float32)
    np.testing.assert_array_equal(graph.run(n0=picture), [[0, 0, 2]])


@pytest.mark.parametrize("shape", [[1 << 20, 1 << 12], [1 << 62, 1 << 62], [1 << 14, 1 << 14]])
def test_one_listed_value_cannot_claim_all_memory(tiny_graph, shape):
    graph = tiny_graph()
    graph.placeholder([1, 1])
    graph.const("stored", np.zeros(1, np.float32), listed="float_val")
    tensor = graph.tensor("stored")
    del tensor.tensor_shape.dim[:]
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    graph.op("Add", "result", ["picture", "stored"])
    refuse_within(graph.build(), "weights claim more memory")


def test_arithmetic_on_constants_cannot_claim_all_memory(tiny_graph):
    """A column and a row of 64 kB make a table of 1 GB."""
    graph = tiny_graph()
    graph.placeholder([1, 1])
    graph.const("column", np.ones((1 << 14, 1), np.float32))
    graph.const("row", np.ones((1, 1 << 14), np.float32))
    graph.op("Mul", "table", ["column", "row"])
    graph.op("Add", "result", ["picture", "table"])
    refuse_within(graph.build(), "'table' .*weights claim more memory")


def test_sizes_cannot_grow_without_end(tiny_graph):
    graph = tiny_graph()
    graph.placeholder([1, -1, -1, 3])
    graph.op("Shape", "n0", ["picture"])
    graph.const("factor", np.array(1 << 20, np.int32))
    for number in range(1, 100):
        graph.op("Mul", f"n{number}", [f"n{number - 1}", "factor"])
    graph.op("Reshape", "result", ["picture", "n99"])
    refuse_within(graph.build(), "larger than any picture")


def refuse_within(source: bytes, why: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(BadModelFile, match=why):
            convert_frozen(source, name="demo")
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_nodes_that_read_one_another(tiny_graph):
    graph = tiny_graph()
    graph.placeholder([1, 3])
    graph.op("Add", "left", ["picture", "right"])
    graph.op("Relu", "right", ["left"])
    with pytest.raises(BadModelFile, match="none of them is an output"):
        convert_frozen(graph.build(), name="demo")
    graph.op("Relu", "result", ["left"])
    with pytest.raises(BadModelFile, match=r"node 'right' \(Relu\) reads itself"):
        convert_frozen(graph.build(), name="demo")


def test_input_that_is_not_there(tiny_graph):
    graph = tiny_graph()
    graph.op("Relu", "result", ["picture"])
    with pytest.raises(
        BadModelFile, match=r"'result' .* reads 'picture', which is not in the file"
    ):
        convert_frozen(graph.build(), name="demo")


@pytest.mark.parametrize("name", ["", "a\nb", "a b", "é", "x" * 1001])
def test_names_that_tensorflow_does_not_allow(tiny_graph, name):
    graph = tiny_graph()
    graph.op("Relu", name, [])
    with pytest.raises(BadModelFile, match="node 0 has no name, or one that TensorFlow"):
        convert_frozen(graph.build(), name="demo")


def test_name_used_twice(tiny_graph):
    graph = tiny_graph()
    graph.placeholder([1, 3])
    graph.op("Relu", "picture", ["picture"])
    with pytest.raises(BadModelFile, match="two nodes have the name of node 'picture'"):
        convert_frozen(graph.build(), name="demo")


def test_graph_without_a_picture(tiny_graph):
    graph = tiny_graph()
    graph.const("stored", np.ones(3, np.float32))
    with pytest.raises(BadModelFile, match="none of its nodes makes anything"):
        convert_frozen(graph.build(), name="demo")
    graph.op("Tanh", "result", ["stored"])
    with pytest.raises(BadModelFile, match="it has no input"):
        convert_frozen(graph.build(), name="demo")


def test_operation_that_is_not_known_is_named(tiny_graph):
    graph = tiny_graph()
    graph.placeholder([1, 3])
    graph.op("Softmax", "scores", ["picture"])
    graph.op("Relu", "result", ["scores"])
    wanted = r"^demo: node 'scores' \(Softmax\): this operation is not converted$"
    with pytest.raises(UnsupportedOp, match=wanted):
        convert_frozen(graph.build(), name="demo")


def test_weights_that_come_from_an_input(tiny_graph):
    graph = tiny_graph()
    graph.placeholder([1, 4, 4, 3])
    graph.placeholder([1, 1, 3, 2], "filters")
    graph.op("Conv2D", "result", ["picture", "filters"], strides=[1] * 4, padding="SAME")
    with pytest.raises(UnsupportedOp, match=r"'result' \(Conv2D\): .*'filters' is not a constant"):
        convert_frozen(graph.build(), name="demo")


def test_second_outputs_and_control_inputs(tiny_graph):
    graph = tiny_graph()
    graph.placeholder([1, 3])
    graph.op("NoOp", "before", [])
    graph.op("Relu", "result", ["picture:0", "^before"])
    picture = np.array([[-1, 0, 2]], np.float32)
    np.testing.assert_array_equal(graph.run(picture=picture), [[0, 0, 2]])
    graph.op("Relu", "other", ["result:1"])
    with pytest.raises(UnsupportedOp, match="reads another output of 'result' than the first"):
        convert_frozen(graph.build(), name="demo")
