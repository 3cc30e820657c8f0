"""Files that are damaged or made to do harm: one clear error, no crash, no flood of memory."""

from __future__ import annotations

import tracemalloc

import flatbuffers
import numpy as np
import pytest
import tflite
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from faceguard.convert.tflite import convert_tflite
from faceguard.engines.errors import BadModelFile, UnsupportedOp
from tests.convert.fuzz import FUZZ, hit, hits_of, refusal_of

# Counted from either end: tables lie at both, weights in the middle.
HITS = hits_of(first=-(1 << 16), largest=0xFFFFFFFC)


def convert_or_refuse(source: bytes) -> None:
    refusal_of(convert_tflite, source)


@given(st.binary(max_size=400))
@FUZZ
def test_random_bytes(tail):
    convert_or_refuse(tail)
    convert_or_refuse(tail[:4] + b"TFL3" + tail[4:])


@given(hits=HITS)
@FUZZ
def test_changed_bytes(tiny_file, hits):
    convert_or_refuse(hit(tiny_file, hits))


@given(hits=HITS)
@FUZZ
def test_changed_bytes_of_scaled_integers(tiny_scaled_file, hits):
    convert_or_refuse(hit(tiny_scaled_file, hits))


@given(length=st.integers(0, 1 << 16))
@FUZZ
def test_cut_off(tiny_file, length):
    with pytest.raises(BadModelFile):
        convert_tflite(tiny_file[: length % len(tiny_file)], name="fuzz")


@pytest.mark.data
@given(hits=HITS)
@FUZZ
def test_changed_bytes_in_a_real_file(short_range, hits):
    convert_or_refuse(hit(short_range, hits))


@pytest.mark.data
@settings(FUZZ, max_examples=60)
@given(hits=HITS)
def test_changed_bytes_in_a_real_file_of_scaled_integers(movenet, hits):
    convert_or_refuse(hit(movenet, hits))


@pytest.mark.data
@given(share=st.floats(0, 1, exclude_max=True))
@FUZZ
def test_cut_off_real_file(short_range, share):
    with pytest.raises(BadModelFile):
        convert_tflite(short_range[: int(share * len(short_range))], name="fuzz")


@pytest.fixture(scope="module")
def short_range(data) -> bytes:
    return (data / "models" / "face" / "blazeface_short_range.tflite").read_bytes()


@pytest.fixture(scope="module")
def movenet(data) -> bytes:
    name = "movenet_singlepose_lightning_int8_4.tflite"
    return (data / "models" / "pose" / name).read_bytes()


@pytest.mark.parametrize(
    "source", [b"", b"TFL3", b"\x08\x03\x12\x04TFL2 and more", b"PK\x03\x04" * 9]
)
def test_other_kinds_of_file_are_named(source):
    with pytest.raises(BadModelFile, match=f"^demo: .*no 'TFL3' at byte 4 of {len(source)} bytes"):
        convert_tflite(source, name="demo")


def test_line_breaks_in_names_stay_out_of_the_message(tiny_model):
    model = tiny_model()
    taken, made = model.add([1, 4]), model.add([1, 4])
    model.tensors[made].name = "a\nb" * 100
    model.op("SOFTMAX", [taken], [made], "Softmax")
    with pytest.raises(UnsupportedOp) as caught:
        convert_tflite(model.build([taken], [made]), name="demo")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def add_op(model, inputs: list[int], outputs: list[int]) -> None:
    model.op("ADD", inputs, outputs, "Add")


def test_tensor_numbers_outside_the_graph(tiny_model):
    for place in (3, -1, 1 << 30):
        model = tiny_model()
        left, right, made = (model.add([1, 4]) for _ in range(3))
        add_op(model, [left, place], [made])
        with pytest.raises(BadModelFile, match="op 0"):
            convert_tflite(model.build([left, right], [made]), name="demo")


def test_buffer_number_outside_the_file(tiny_model):
    model = tiny_model()
    left, right, made = (model.add([1, 4]) for _ in range(3))
    add_op(model, [left, right], [made])
    model.tensors[right].buffer = 9
    with pytest.raises(BadModelFile, match="tensor 1 has buffer 9 of 1"):
        convert_tflite(model.build([left], [made]), name="demo")


def test_constant_of_another_size_than_its_shape(tiny_model):
    model = tiny_model()
    left, made = model.add([1, 4]), model.add([1, 4])
    add_op(model, [left, model.add([1, 4], np.zeros(3, np.float32))], [made])
    with pytest.raises(BadModelFile, match="tensor 2 't2' stores 12 bytes"):
        convert_tflite(model.build([left], [made]), name="demo")


def test_tensor_that_is_read_before_it_is_made_or_made_twice(tiny_model):
    model = tiny_model()
    left, later, made = (model.add([1, 4]) for _ in range(3))
    add_op(model, [left, later], [made])
    add_op(model, [left, left], [later])
    with pytest.raises(BadModelFile, match="op 0 ADD: tensor 1 't1' is read before it is made"):
        convert_tflite(model.build([left], [made]), name="demo")
    model.operators.pop(0)
    add_op(model, [left, later], [later])
    with pytest.raises(BadModelFile, match="tensor 1 't1' is given a value twice"):
        convert_tflite(model.build([left], [later]), name="demo")


def test_outputs_that_share_a_name(tiny_model):
    model = tiny_model()
    left, first, second = (model.add([1, 4]) for _ in range(3))
    add_op(model, [left, left], [first])
    add_op(model, [left, first], [second])
    model.tensors[second].name = model.tensors[first].name
    with pytest.raises(BadModelFile, match="needs a name of its own"):
        convert_tflite(model.build([left], [first, second]), name="demo")


def test_sparse_weights_cannot_claim_all_memory(tiny_model):
    """A file of a thousand bytes that speaks of 4 GB of zeros is refused before they are made."""
    model = tiny_model()
    side = 1 << 15

    def empty_level() -> schema.DimensionMetadataT:
        level = schema.DimensionMetadataT()
        level.format = schema.DimensionType.SPARSE_CSR
        level.arraySegmentsType = level.arrayIndicesType = schema.SparseIndexVector.Int32Vector
        level.arraySegments, level.arrayIndices = schema.Int32VectorT(), schema.Int32VectorT()
        level.arraySegments.values, level.arrayIndices.values = [0, 1], [5]
        return level

    sparsity = schema.SparsityParametersT()
    sparsity.traversalOrder = [0, 1]
    sparsity.dimMetadata = [empty_level(), empty_level()]
    weights = model.add([side, side], np.ones(1, np.float32), sparsity=sparsity)
    taken, dense, made = model.add([1, side]), model.add([side, side]), model.add([side, side])
    model.op("DENSIFY", [weights], [dense], "Densify")
    model.op("MUL", [taken, dense], [made], "Mul")
    source = model.build([taken], [made])
    assert len(source) < 2000
    tracemalloc.start()
    try:
        with pytest.raises(BadModelFile):
            convert_tflite(source, name="demo")
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["PACK", "UNPACK"])
def test_names_of_many_parts_are_found_quickly(tiny_model, kind):
    """Thousands of nodes of one operation take each the next number, not each all numbers anew."""
    model = tiny_model()
    many = 1 << 12
    whole = model.add([many, 2])
    if kind == "PACK":
        part = model.add([2])
        model.op(kind, [part] * many, [whole], kind.title(), axis=0, valuesCount=many)
        made = convert_tflite(model.build([part], [whole]), name="demo")
    else:
        parts = [model.add([2]) for _ in range(many)]
        model.op(kind, [whole], parts, kind.title(), axis=0, num=many)
        made = convert_tflite(model.build([whole], [parts[-1]]), name="demo")
    assert len({node.name for node in made.graph.node}) == len(made.graph.node) > many


def test_scales_cannot_claim_all_memory(tiny_model):
    """Integers of one byte become numbers of four: a file cannot have that done without end."""
    model = tiny_model()
    stored = np.ones(1 << 18, np.int8).reshape(1 << 12, 1, 1, 64)
    filters = model.add(stored.shape, stored, kind="INT8", scale=0.5)
    picture = model.add([1, 1, 1, 64])
    made = [model.add([1, 1, 1, 1 << 12]) for _ in range(100)]
    for index in made:
        model.op("CONV_2D", [picture, filters], [index], "Conv2D", strideH=1, strideW=1)
    source = model.build([picture], made[:1])
    tracemalloc.start()
    try:
        with pytest.raises(BadModelFile, match="more memory than"):
            convert_tflite(source, name="demo")
        assert tracemalloc.get_traced_memory()[1] < 100 * len(source)
    finally:
        tracemalloc.stop()


def test_one_long_name_cannot_be_read_a_thousand_times():
    """Every tensor points at the same megabyte."""
    builder = flatbuffers.Builder(1 << 21)
    name = builder.CreateString("x" * (1 << 20))
    tflite.TensorStart(builder)
    tflite.TensorAddName(builder, name)
    tensor = tflite.TensorEnd(builder)
    tflite.SubGraphStartTensorsVector(builder, 10_000)
    for _ in range(10_000):
        builder.PrependUOffsetTRelative(tensor)
    tensors = builder.EndVector()
    tflite.SubGraphStart(builder)
    tflite.SubGraphAddTensors(builder, tensors)
    graph = tflite.SubGraphEnd(builder)
    tflite.ModelStartSubgraphsVector(builder, 1)
    builder.PrependUOffsetTRelative(graph)
    graphs = builder.EndVector()
    tflite.BufferStart(builder)
    buffer = tflite.BufferEnd(builder)
    tflite.ModelStartBuffersVector(builder, 1)
    builder.PrependUOffsetTRelative(buffer)
    buffers = builder.EndVector()
    tflite.ModelStart(builder)
    tflite.ModelAddVersion(builder, 3)
    tflite.ModelAddSubgraphs(builder, graphs)
    tflite.ModelAddBuffers(builder, buffers)
    builder.Finish(tflite.ModelEnd(builder), b"TFL3")
    source = bytes(builder.Output())
    tracemalloc.start()
    try:
        with pytest.raises(BadModelFile, match="lie over one another"):
            convert_tflite(source, name="demo")
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
