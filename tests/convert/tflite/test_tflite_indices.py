"""Integers that count and point, beside LiteRT: they agree exactly."""

from __future__ import annotations

import numpy as np
import pytest

from faceguard.convert.tflite import convert_tflite
from faceguard.engines.errors import BadModelFile, UnsupportedOp

RNG = np.random.default_rng(6)
DTYPES = {"INT32": np.int32, "INT64": np.int64}


def constant(model, values: object, kind: str = "INT32") -> int:
    array = np.array(values, DTYPES[kind])
    return model.add(array.shape, array, kind=kind)


def assert_equal(answers) -> None:
    assert answers
    for answer in answers:
        np.testing.assert_array_equal(answer.ours, answer.theirs)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("kind", DTYPES)
def test_place_of_the_largest(tiny_model, both, axis, kind):
    model = tiny_model()
    shape = [3, 7, 4]
    rest = [side for place, side in enumerate(shape) if place != axis % 3]
    taken, made = model.add(shape), model.add(rest, kind=kind)
    number = 2 if kind == "INT32" else 4
    model.op("ARG_MAX", [taken, constant(model, [axis])], [made], "ArgMax", outputType=number)
    values = RNG.integers(0, 4, shape).astype(np.float32)  # so that the largest comes up often
    assert_equal(both(model.build([taken], [made]), [values]))


@pytest.mark.parametrize("divisor", [1, 7, 48])
def test_division_goes_down(tiny_model, both, divisor):
    model = tiny_model()
    taken, made = model.add([40], kind="INT32"), model.add([40], kind="INT32")
    model.op("FLOOR_DIV", [taken, constant(model, divisor)], [made], "FloorDiv")
    values = RNG.integers(-100, 100, 40).astype(np.int32)
    answers = both(model.build([taken], [made]), [values])
    assert_equal(answers)
    np.testing.assert_array_equal(answers[0].ours, values // divisor)


@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL"])
def test_arithmetic(tiny_model, both, kind):
    model = tiny_model()
    left, made = model.add([1, 9], kind="INT32"), model.add([1, 9], kind="INT32")
    model.op(kind, [left, constant(model, 48)], [made], kind.title())
    values = RNG.integers(-1000, 1000, (1, 9)).astype(np.int32)
    assert_equal(both(model.build([left], [made]), [values]))


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_pack_and_unpack(tiny_model, both, axis):
    model = tiny_model()
    parts = [model.add([4, 5], kind="INT32") for _ in range(3)]
    shape = [4, 5]
    shape.insert(axis % 3, 3)
    whole = model.add(shape, kind="INT32")
    model.op("PACK", parts, [whole], "Pack", axis=axis, valuesCount=3)
    slices = [model.add([3, 5], kind="INT32") for _ in range(4)]
    where = shape.index(4)
    rest = [side for place, side in enumerate(shape) if place != where]
    for index in slices:
        model.tensors[index].shape = rest
    model.op("UNPACK", [whole], slices, "Unpack", axis=where, num=4)
    feeds = [RNG.integers(-99, 99, (4, 5)).astype(np.int32) for _ in parts]
    assert_equal(both(model.build(parts, [whole, *slices]), feeds))


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_look_up(tiny_model, both, depth):
    model = tiny_model()
    taken = model.add([3, 4, 5])
    where = RNG.integers(0, 3, (6, depth))
    made = model.add([6, *[3, 4, 5][depth:]])
    model.op("GATHER_ND", [taken, constant(model, where)], [made], "GatherNd")
    values = RNG.normal(size=(3, 4, 5)).astype(np.float32)
    assert_equal(both(model.build([taken], [made]), [values]))


def test_look_up_in_a_picture_that_is_kept_channels_first(tiny_model, both):
    model = tiny_model()
    picture, pooled = model.add([1, 4, 5, 3]), model.add([1, 4, 5, 3])
    window = {"filterHeight": 2, "filterWidth": 2, "strideH": 1, "strideW": 1}
    model.op("MAX_POOL_2D", [picture], [pooled], "Pool2D", **window)
    made = model.add([2, 3])
    model.op("GATHER_ND", [pooled, constant(model, [[0, 1, 4], [0, 3, 2]])], [made], "GatherNd")
    values = RNG.normal(size=(1, 4, 5, 3)).astype(np.float32)
    assert_equal(both(model.build([picture], [made]), [values]))


def test_joining_integers(tiny_model, both):
    model = tiny_model()
    taken, made = model.add([3, 2], kind="INT32"), model.add([3, 3], kind="INT32")
    model.op(
        "CONCATENATION", [taken, constant(model, [[7], [8], [9]])], [made], "Concatenation", axis=1
    )
    values = RNG.integers(-9, 9, (3, 2)).astype(np.int32)
    assert_equal(both(model.build([taken], [made]), [values]))


def refuse(model, taken: list[int], made: list[int]):
    return convert_tflite(model.build(taken, made), name="demo")


@pytest.mark.parametrize("divisor", [0, -3])
def test_division_that_a_runtime_may_die_of_is_refused(tiny_model, divisor):
    model = tiny_model()
    taken, made = model.add([4], kind="INT32"), model.add([4], kind="INT32")
    model.op("FLOOR_DIV", [taken, constant(model, divisor)], [made], "FloorDiv")
    with pytest.raises(UnsupportedOp, match=r"op 0 FLOOR_DIV, .*a divisor below 1"):
        refuse(model, [taken], [made])


def test_division_by_what_is_not_known_is_refused(tiny_model):
    model = tiny_model()
    taken, by, made = (model.add([4], kind="INT32") for _ in range(3))
    model.op("FLOOR_DIV", [taken, by], [made], "FloorDiv")
    with pytest.raises(UnsupportedOp, match=r"op 0 FLOOR_DIV, .*is not a constant"):
        refuse(model, [taken, by], [made])


@pytest.mark.parametrize("axis", [[2], [-3], [0, 1]])
def test_axis_of_the_largest_outside_the_shape(tiny_model, axis):
    model = tiny_model()
    taken, made = model.add([3, 4]), model.add([3], kind="INT32")
    model.op("ARG_MAX", [taken, constant(model, axis)], [made], "ArgMax", outputType=2)
    with pytest.raises(BadModelFile, match=r"op 0 ARG_MAX: .*axis"):
        refuse(model, [taken], [made])


@pytest.mark.parametrize("axis", [3, -4])
def test_pack_axis_outside_the_shape(tiny_model, axis):
    model = tiny_model()
    parts, made = [model.add([4, 5]), model.add([4, 5])], model.add([2, 4, 5])
    model.op("PACK", parts, [made], "Pack", axis=axis, valuesCount=2)
    with pytest.raises(BadModelFile, match="op 0 PACK: axis"):
        refuse(model, parts, [made])


def test_pack_of_parts_that_differ(tiny_model):
    model = tiny_model()
    parts, made = [model.add([4, 5]), model.add([4, 1])], model.add([2, 4, 5])
    model.op("PACK", parts, [made], "Pack", axis=0, valuesCount=2)
    with pytest.raises(BadModelFile, match="op 0 PACK: its parts differ in shape"):
        refuse(model, parts, [made])
    model.tensors[parts[1]].shape = [4, 5]
    model.tensors[parts[1]].type = 2  # INT32
    with pytest.raises(UnsupportedOp, match=r"op 0 PACK, .*its parts differ in type"):
        refuse(model, parts, [made])


def test_unpack_into_another_number_of_slices(tiny_model):
    model = tiny_model()
    taken, slices = model.add([3, 4]), [model.add([4]), model.add([4])]
    model.op("UNPACK", [taken], slices, "Unpack", axis=0, num=2)
    with pytest.raises(BadModelFile, match="op 0 UNPACK: 2 outputs for 3 slices"):
        refuse(model, [taken], slices)


@pytest.mark.parametrize("places", [[[0, 0, 0]], [[]]])
def test_look_up_with_places_that_do_not_fit(tiny_model, places):
    model = tiny_model()
    taken, made = model.add([3, 4]), model.add([1])
    model.op("GATHER_ND", [taken, constant(model, places)], [made], "GatherNd")
    with pytest.raises(BadModelFile, match="op 0 GATHER_ND: places"):
        refuse(model, [taken], [made])


def test_result_of_another_type_than_the_file_says(tiny_model):
    model = tiny_model()
    taken, made = model.add([4], kind="INT32"), model.add([4])
    model.op("ADD", [taken, constant(model, 2)], [made], "Add")
    with pytest.raises(BadModelFile, match="comes out as INT32, the file says FLOAT32"):
        refuse(model, [taken], [made])


def test_integers_where_real_numbers_are_wanted(tiny_model):
    model = tiny_model()
    taken, made = model.add([4], kind="INT32"), model.add([4], kind="INT32")
    model.op("LOGISTIC", [taken], [made])
    with pytest.raises(UnsupportedOp, match="'t0' holds INT32 without a scale"):
        refuse(model, [taken], [made])


def test_activation_on_integers_is_refused(tiny_model):
    model = tiny_model()
    taken, made = model.add([4], kind="INT32"), model.add([4], kind="INT32")
    model.op("ADD", [taken, constant(model, 2)], [made], "Add", fusedActivationFunction=1)
    with pytest.raises(UnsupportedOp, match="a fused activation on INT32"):
        refuse(model, [taken], [made])


def test_mixed_operands_are_refused(tiny_model):
    model = tiny_model()
    left, right, made = model.add([4]), model.add([4], kind="INT32"), model.add([4])
    model.op("ADD", [left, right], [made], "Add")
    with pytest.raises(BadModelFile, match="FLOAT32 and INT32 do not fit"):
        refuse(model, [left, right], [made])
