"""What every runtime promises, held against each of them.

TensorRT's runs here where there is a GPU; `test_trt.py` runs this very file once more in a process
of its own, where the driver is a fake and TensorRT a double.
"""

from __future__ import annotations

import threading

import numpy as np
import pytest

from faceguard.engines.errors import InferenceError, TensorMismatch
from tests.engines.runtimes import KINDS, MOST_ROWS, TYPES, make_opener


@pytest.fixture(params=KINDS)
def opener(request, tmp_path):
    return make_opener(request.param, tmp_path)


def _feeds(rows=3, first=0):
    return {
        "a": np.arange(first, first + 2 * rows, dtype=np.float32).reshape(1, rows, 2),
        "b": np.array([10, 20], np.float32),
    }


def _sum(feeds):
    return feeds["a"] + feeds["b"]


@pytest.mark.parametrize("rows", [None, 3])
def test_says_what_it_takes_and_gives(opener, rows):
    with opener.adder(rows) as runtime:
        assert [(spec.name, spec.shape, spec.dtype) for spec in runtime.inputs] == [
            ("a", (1, rows, 2), np.dtype("f4")),
            ("b", (2,), np.dtype("f4")),
        ]
        assert [(spec.name, spec.shape, spec.dtype) for spec in runtime.outputs] == [
            ("y", (1, rows, 2), np.dtype("f4"))
        ]


def test_runs_a_fixed_shape_again_and_again(opener):
    with opener.adder(3) as runtime:
        for first in range(20):
            answer = runtime.infer(_feeds(3, first))
            assert list(answer) == ["y"]
            np.testing.assert_array_equal(answer["y"], _sum(_feeds(3, first)))


def test_runs_batches_of_any_size_in_any_order(opener):
    with opener.adder(None) as runtime:
        for rows in (1, MOST_ROWS, 2, 2, 1, 5, MOST_ROWS):
            answer = runtime.infer(_feeds(rows, first=rows))["y"]
            np.testing.assert_array_equal(answer, _sum(_feeds(rows, first=rows)))


@pytest.mark.parametrize("kind", TYPES)
def test_keeps_every_dtype(opener, kind):
    if kind not in opener.types:
        pytest.skip("this backend computes nothing in that type")
    value = np.array([[0, 1, 0], [3, 100, 0]]).astype(kind)
    with opener.same(kind) as runtime:
        assert runtime.inputs[0].dtype == runtime.outputs[0].dtype == np.dtype(kind)
        answer = runtime.infer({"x": value})["y"]
    assert answer.dtype == np.dtype(kind)
    np.testing.assert_array_equal(answer, value)


@pytest.mark.parametrize("rows", [None, 3])
def test_answers_are_the_callers_own(opener, rows):
    feeds = _feeds()
    with opener.adder(rows) as runtime:
        first = runtime.infer(feeds)["y"]
        runtime.infer(_feeds(3, first=100))
        np.testing.assert_array_equal(first, _sum(_feeds()))
        first[:] = -1
        np.testing.assert_array_equal(runtime.infer(feeds)["y"], _sum(_feeds()))
    np.testing.assert_array_equal(feeds["a"], _feeds()["a"])
    assert (first == -1).all()  # also when what it came from is closed


def test_an_answer_is_no_view_of_what_was_given(opener):
    value = np.ones((2, 3), np.float32)
    with opener.same("f4") as runtime:
        answer = runtime.infer({"x": value})["y"]
    value[:] = 7
    assert (answer == 1).all()


def test_takes_arrays_in_any_memory_order(opener):
    scattered = np.arange(12, dtype=np.float32).reshape(1, 3, 4)[:, :, ::2]
    assert not scattered.flags.c_contiguous
    scattered.flags.writeable = False
    with opener.adder(3) as runtime:
        answer = runtime.infer({**_feeds(), "a": scattered})["y"]
    np.testing.assert_array_equal(answer, scattered + _feeds()["b"])


@pytest.mark.parametrize("rows", [None, 3])
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"a": np.zeros((1, 3, 2))}, "not float64 1x3x2"),
        ({"a": np.zeros((1, 3, 2), np.uint8)}, "not uint8"),
        ({"a": np.zeros((2, 3, 2), np.float32)}, "not float32 2x3x2"),
        ({"a": np.zeros((3, 2), np.float32)}, "not float32 3x2"),
        ({"b": np.zeros(3, np.float32)}, "'b' takes float32 2, not float32 3"),
        ({"c": np.zeros(2, np.float32)}, "no input is called 'c'"),
    ],
)
def test_stops_wrong_arrays_at_the_door(opener, rows, wrong, says):
    with opener.adder(rows) as runtime:
        with pytest.raises(TensorMismatch) as caught:
            runtime.infer({**_feeds(), **wrong})
        assert says in str(caught.value)
        assert "\n" not in str(caught.value)
        np.testing.assert_array_equal(runtime.infer(_feeds())["y"], _sum(_feeds()))


def test_misses_an_input(opener):
    with opener.adder(3) as runtime, pytest.raises(TensorMismatch, match="'b' was not given"):
        runtime.infer({"a": _feeds()["a"]})


def test_is_closed_for_good(opener):
    with opener.adder(3) as runtime:
        assert runtime.infer(_feeds())
    runtime.close()
    runtime.close()
    with pytest.raises(InferenceError, match="closed"):
        runtime.infer(_feeds())


def test_two_live_side_by_side(opener):
    with opener.adder(3) as one, opener.adder(None) as two:
        np.testing.assert_array_equal(one.infer(_feeds())["y"], _sum(_feeds()))
        np.testing.assert_array_equal(two.infer(_feeds(5))["y"], _sum(_feeds(5)))
        one.close()
        np.testing.assert_array_equal(two.infer(_feeds(2))["y"], _sum(_feeds(2)))


@pytest.mark.parametrize("rows", [None, 3])
def test_serves_several_threads(opener, rows):
    wrong, done = [], []

    def work(runtime, first):
        feeds = _feeds(3, first)
        same = [np.array_equal(runtime.infer(feeds)["y"], _sum(feeds)) for _ in range(30)]
        (done if all(same) else wrong).append(first)

    with opener.adder(rows) as runtime:
        workers = [threading.Thread(target=work, args=(runtime, 100 * n)) for n in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(timeout=60)
    assert not wrong
    assert len(done) == 4


def test_may_be_opened_used_and_closed_by_different_threads(opener):
    held, answers = [], []

    def in_a_thread(work):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(timeout=60)

    in_a_thread(lambda: held.append(opener.adder(3)))
    in_a_thread(lambda: answers.append(held[0].infer(_feeds())["y"]))
    answers.append(held[0].infer(_feeds())["y"])
    in_a_thread(lambda: held[0].close())
    for answer in answers:
        np.testing.assert_array_equal(answer, _sum(_feeds()))
    assert len(answers) == 2
    with pytest.raises(InferenceError, match="closed"):
        held[0].infer(_feeds())
