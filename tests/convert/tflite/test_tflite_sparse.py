"""Sparse weights: spread out as they were packed, and refused where they do not fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from faceguard.convert.tflite import convert_tflite
from faceguard.convert.tflite.schema import Level, Sparsity
from faceguard.convert.tflite.sparse import densify
from faceguard.engines.errors import BadModelFile


def pack(
    dense: np.ndarray, order: list[int], block: dict[int, int], compressed: list[bool]
) -> tuple[np.ndarray, Sparsity]:
    """The slow and plain way: splits off the blocks as axes of their own, then walks the tree."""
    rank = dense.ndim
    split, outer, inner = [], [], []
    for axis, side in enumerate(dense.shape):
        size = block.get(axis, 1)
        outer.append(len(split))
        split.append(side // size)
        if axis in block:
            inner.append(len(split))
            split.append(size)
    axes = outer + inner
    tree = dense.reshape(split).transpose([axes[dimension] for dimension in order])
    levels = []
    nodes: list[tuple[int, ...]] = [()]
    for depth, side in enumerate(tree.shape):
        if not compressed[depth]:
            levels.append(Level(side))
            nodes = [(*node, place) for node in nodes for place in range(side)]
            continue
        segments, indices, kept = [0], [], []
        for node in nodes:
            for place in range(side):
                if np.any(tree[(*node, place)]):
                    indices.append(place)
                    kept.append((*node, place))
            segments.append(len(indices))
        levels.append(Level(0, np.array(segments, np.int32), np.array(indices, np.int32)))
        nodes = kept
    values = np.array([tree[node] for node in nodes], dense.dtype)
    assert len(order) == rank + len(block)
    return values, Sparsity(tuple(order), tuple(sorted(block)), tuple(levels))


@st.composite
def packed(draw) -> tuple[np.ndarray, np.ndarray, Sparsity]:
    rank = draw(st.integers(1, 4))
    block = {axis: draw(st.integers(1, 3)) for axis in range(rank) if draw(st.booleans())}
    shape = tuple(draw(st.integers(1, 4)) * block.get(axis, 1) for axis in range(rank))
    values = st.sampled_from([0.0, 0.0, 0.0, 1.0, -2.5])
    dense = draw(hnp.arrays(np.float16, shape, elements=values))
    order = draw(st.permutations(range(rank + len(block))))
    compressed = [dimension < rank and draw(st.booleans()) for dimension in order]
    return dense, *pack(dense, order, block, compressed)


@given(packed())
@settings(deadline=None, max_examples=150)
def test_what_was_packed_comes_back(case):
    dense, values, sparsity = case
    spread = densify(values, dense.shape, sparsity)
    assert spread.dtype == dense.dtype
    np.testing.assert_array_equal(spread, dense)


def to_schema(sparsity: Sparsity) -> schema.SparsityParametersT:
    made = schema.SparsityParametersT()
    made.traversalOrder = list(sparsity.order)
    made.blockMap = list(sparsity.block_map)
    made.dimMetadata = list(levels_to_schema(sparsity))
    return made


def levels_to_schema(sparsity: Sparsity) -> Iterator[schema.DimensionMetadataT]:
    for level in sparsity.levels:
        made = schema.DimensionMetadataT()
        made.denseSize = level.dense_size
        if level.segments is not None and level.indices is not None:
            made.format = schema.DimensionType.SPARSE_CSR
            made.arraySegmentsType = made.arrayIndicesType = schema.SparseIndexVector.Int32Vector
            made.arraySegments, made.arrayIndices = schema.Int32VectorT(), schema.Int32VectorT()
            made.arraySegments.values = level.segments.tolist()
            made.arrayIndices.values = level.indices.tolist()
        yield made


@pytest.mark.parametrize("block", [{}, {0: 2}, {0: 2, 3: 4}])
def test_litert_spreads_the_same_file_alike(tiny_model, block):
    rng = np.random.default_rng(5)
    dense = rng.normal(size=(4, 1, 1, 8)).astype(np.float32) * (rng.random((4, 1, 1, 8)) < 0.3)
    order = [0, 1, 2, 3, *range(4, 4 + len(block))]
    compressed = [False, False, False, True, *[False] * len(block)]
    values, sparsity = pack(dense, order, block, compressed)
    model = tiny_model()
    picture, made = model.add([1, 3, 3, 8]), model.add([1, 3, 3, 4])
    weights = model.add([4, 1, 1, 8], values, sparsity=to_schema(sparsity))
    spread = model.add([4, 1, 1, 8])
    bias = model.add([4], np.zeros(4, np.float32))
    model.op("DENSIFY", [weights], [spread], "Densify")
    model.op("CONV_2D", [picture, spread, bias], [made], "Conv2D", strideH=1, strideW=1)
    source = model.build([picture], [made])

    theirs = Interpreter(model_content=source, num_threads=1)
    theirs.allocate_tensors()
    noise = rng.normal(size=(1, 3, 3, 8)).astype(np.float32)
    theirs.set_tensor(theirs.get_input_details()[0]["index"], noise)
    theirs.invoke()
    expected = theirs.get_tensor(theirs.get_output_details()[0]["index"])
    graph = convert_tflite(source, name="tiny").graph
    [filters] = [weight for weight in graph.initializer if list(weight.dims) == [4, 8, 1, 1]]
    ours = np.frombuffer(filters.raw_data, np.float32).reshape(4, 8)
    np.testing.assert_array_equal(ours, dense[:, 0, 0, :])
    np.testing.assert_allclose(noise @ ours.T, expected, rtol=1e-5, atol=1e-5)


@pytest.fixture
def sound() -> tuple[np.ndarray, tuple[int, ...], Sparsity]:
    dense = np.array([[0, 1, 0, 2], [0, 0, 0, 0], [3, 0, 0, 0]], np.float32)
    values, sparsity = pack(dense, [0, 1], {}, [False, True])
    return values, dense.shape, sparsity


@pytest.mark.parametrize(
    ("segments", "indices"),
    [
        ([0, 2, 2], [1, 3, 0]),  # a row is missing
        ([0, 2, 2, 4], [1, 3, 0]),  # more children than indices
        ([1, 2, 2, 3], [1, 3, 0]),
        ([0, 3, 2, 3], [1, 3, 0]),  # runs backwards
        ([0, 2, 2, 3], [1, 4, 0]),  # past the last column
        ([0, 2, 2, 3], [1, -1, 0]),
        ([0, 2, 2, 2], [1, 3]),  # fewer than the stored values
        ([], []),
    ],
)
def test_indices_that_lead_out_are_refused(sound, segments, indices):
    values, shape, sparsity = sound
    level = Level(0, np.array(segments, np.int32), np.array(indices, np.int32))
    damaged = replace(sparsity, levels=(sparsity.levels[0], level))
    with pytest.raises(BadModelFile):
        densify(values, shape, damaged)


@pytest.mark.parametrize(
    "changes",
    [
        {"order": (0, 0)},
        {"order": (0, 2)},
        {"order": (0,)},
        {"block_map": (0,)},
        {"levels": (Level(3),)},
        {"levels": (Level(4), Level(4))},
        {"levels": (Level(1 << 31), Level(4))},
        {"order": (0, 1, 2), "block_map": (1,), "levels": (Level(3), Level(1), Level(3))},
        {"order": (0, 1, 2), "block_map": (5,), "levels": (Level(3), Level(4), Level(1))},
    ],
)
def test_trees_that_do_not_fit_are_refused(sound, changes):
    values, shape, sparsity = sound
    with pytest.raises(BadModelFile):
        densify(values, shape, replace(sparsity, **changes))
