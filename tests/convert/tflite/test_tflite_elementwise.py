"""What works on each number by itself, beside both sets of LiteRT's kernels."""

from __future__ import annotations

import numpy as np
import pytest

RNG = np.random.default_rng(4)


def noise(*shape: int) -> np.ndarray:
    return RNG.normal(scale=2, size=shape).astype(np.float32)


def assert_agrees(both, model, taken: int, made: int) -> None:
    feed = noise(*model.tensors[taken].shape)
    for answer in both(model.build([taken], [made]), [feed]):
        np.testing.assert_allclose(answer.ours, answer.theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("alpha", [0.2, 0, -0.5, 1.5])
@pytest.mark.parametrize("shape", [[1, 3, 4, 5], [2, 7]])
def test_leaky_relu(tiny_model, both, alpha, shape):
    model = tiny_model()
    taken, made = model.add(shape), model.add(shape)
    model.op("LEAKY_RELU", [taken], [made], "LeakyRelu", alpha=alpha)
    assert_agrees(both, model, taken, made)


def test_square_root(tiny_model, both):
    model = tiny_model()
    taken, squared, made = (model.add([1, 3, 4, 5]) for _ in range(3))
    model.op("MUL", [taken, taken], [squared], "Mul")
    model.op("SQRT", [squared], [made])
    assert_agrees(both, model, taken, made)


@pytest.mark.parametrize("kind", ["SUB", "DIV"])
@pytest.mark.parametrize("channels_first", [False, True])
@pytest.mark.parametrize("shape", [[1, 5, 6, 3], [1, 5, 6, 1], [1, 1, 1, 3]])
def test_the_constant_may_come_first(tiny_model, both, kind, channels_first, shape):
    """Neither is the same the other way round, nor is every first operand the larger."""
    model = tiny_model()
    picture, large = model.add([1, 5, 6, 3]), model.add([1, 5, 6, 3])
    settings = {"filterHeight": 1, "filterWidth": 1, "strideH": 1, "strideW": 1}
    taken = picture
    if channels_first:
        taken = model.add([1, 5, 6, 3])
        model.op("MAX_POOL_2D", [picture], [taken], "Pool2D", **settings)
    model.op("ADD", [taken, model.add([], np.float32(20))], [large], "Add")  # away from 0
    made = model.add([1, 5, 6, 3])
    model.op(kind, [model.add(shape, noise(*shape)), large], [made], kind.title())
    assert_agrees(both, model, picture, made)


def test_convolution_of_a_constant(tiny_model, both):
    """The cartoon networks count the pixels under a filter's window so."""
    model = tiny_model()
    taken, made, sums = model.add([1, 5, 6, 1]), model.add([1, 5, 6, 1]), model.add([1, 5, 6, 1])
    ones = model.add([1, 5, 6, 1], np.ones((1, 5, 6, 1), np.float32))
    filters = model.add([1, 3, 3, 1], np.ones((1, 3, 3, 1), np.float32))
    bias = model.add([1], np.zeros(1, np.float32))
    settings = {"strideH": 1, "strideW": 1, "depthMultiplier": 1}
    model.op("DEPTHWISE_CONV_2D", [ones, filters, bias], [sums], "DepthwiseConv2D", **settings)
    model.op("DIV", [taken, sums], [made], "Div")
    assert_agrees(both, model, taken, made)
