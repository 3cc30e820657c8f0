"""Sparse weights spread out over their shape.

TFLite stores a sparse tensor as a tree after the TACO compiler: each level walks one dimension,
either densely (every coordinate is stored) or compressed (segments and indices). Blocks are
further dimensions, each cutting one of the tensor's own. (Kjolstad et al., "The Tensor Algebra
Compiler", 2017; SparsityParameters in TensorFlow Lite's schema.fbs.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faceguard.engines.errors import BadModelFile

if TYPE_CHECKING:
    import numpy.typing as npt

    from faceguard.convert.tflite.schema import Level, Sparsity
    from faceguard.engines.types import Array


def densify(values: Array, shape: tuple[int, ...], sparsity: Sparsity) -> Array:
    """Spreads stored values over a dense array, zeros elsewhere.

    Takes memory in proportion to the stored vectors and to the dense result, whatever the levels
    claim; the caller bounds the result.

    Args:
        values: The stored values, one axis, in the order of the tree's leaves.
        shape: The dense shape.
        sparsity: The tree.

    Returns:
        An array of this shape and of the values' dtype.

    Raises:
        BadModelFile: The tree does not fit the shape, or the values do not fit the tree.
    """
    sides, steps = _walk(shape, sparsity)
    _check_counts(len(values), sides, sparsity.levels)
    place = np.zeros(1, np.int64)
    for level, side, step in zip(sparsity.levels, sides, steps, strict=True):
        if level.segments is None or level.indices is None:
            place = (place[:, None] + np.arange(side) * step).ravel()
        else:
            segments = level.segments.astype(np.int64)
            children = segments[1:] - segments[:-1]
            place = np.repeat(place, children) + level.indices.astype(np.int64) * step
    dense = np.zeros(shape, values.dtype)
    dense.reshape(-1)[place] = values
    return dense


def _walk(shape: tuple[int, ...], sparsity: Sparsity) -> tuple[list[int], list[int]]:
    """For each level: how many coordinates it has, and how far apart they lie in the result."""
    rank = len(shape)
    blocks = len(sparsity.block_map)
    count = rank + blocks
    if (
        len(sparsity.levels) != count
        or sorted(sparsity.order) != list(range(count))
        or any(not 0 <= axis < rank for axis in sparsity.block_map)
        or len(set(sparsity.block_map)) != blocks
    ):
        raise BadModelFile("the levels of a sparse tensor do not fit its rank")
    by_dimension = dict(zip(sparsity.order, sparsity.levels, strict=True))
    strides = [int(np.prod(shape[axis + 1 :], dtype=np.int64)) for axis in range(rank)]
    block = [1] * rank
    for number, axis in enumerate(sparsity.block_map):
        size = by_dimension[rank + number].dense_size
        if size < 1 or shape[axis] % size:
            raise BadModelFile(f"blocks of {size} do not divide a side of {shape[axis]}")
        block[axis] = size
    sides = [shape[axis] // block[axis] for axis in range(rank)]
    steps = [strides[axis] * block[axis] for axis in range(rank)]
    sides += [block[axis] for axis in sparsity.block_map]
    steps += [strides[axis] for axis in sparsity.block_map]
    return [sides[d] for d in sparsity.order], [steps[d] for d in sparsity.order]


def _check_counts(stored: int, sides: list[int], levels: tuple[Level, ...]) -> None:
    """Walks the tree by numbers alone, before anything is allocated for it."""
    nodes = 1
    for side, level in zip(sides, levels, strict=True):
        if level.segments is None or level.indices is None:
            if level.dense_size != side:
                raise BadModelFile(
                    f"a sparse tensor's level has {level.dense_size} of {side} coordinates"
                )
            nodes *= side
        else:
            _check_sparse(level.segments, level.indices, nodes, side)
            nodes = len(level.indices)
    if nodes != stored:
        raise BadModelFile(f"a sparse tensor stores {stored} of {nodes} values")


def _check_sparse(
    segments: npt.NDArray[np.integer], indices: npt.NDArray[np.integer], nodes: int, side: int
) -> None:
    if (
        len(segments) != nodes + 1
        or segments[0] != 0
        or segments[-1] != len(indices)
        or np.any(segments[1:] < segments[:-1])
        or (len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < side)
    ):
        raise BadModelFile("the indices of a sparse tensor lead out of its shape")
