"""What every runtime promises, held against ONNX Runtime on graphs made here."""

from __future__ import annotations

import threading

import numpy as np
import onnx
import pytest
from onnx import helper

from faceguard.engines.errors import (
    InferenceError,
    ModelCorrupt,
    ModelMissing,
    TensorMismatch,
    UsageError,
)
from faceguard.engines.runtime import open_runtime

FLOAT = onnx.TensorProto.FLOAT


@pytest.fixture
def adder(tmp_path):
    """y = a + b, with a [1, n, 2] and b [2]; opens as a file."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["a", "b"], ["y"])],
        "adder",
        [
            helper.make_tensor_value_info("a", FLOAT, [1, "n", 2]),
            helper.make_tensor_value_info("b", FLOAT, [2]),
        ],
        [helper.make_tensor_value_info("y", FLOAT, [1, "n", 2])],
    )
    path = tmp_path / "adder.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def _feeds(n=3, **other):
    feeds = {
        "a": np.arange(2 * n, dtype=np.float32).reshape(1, n, 2),
        "b": np.array([10, 20], np.float32),
    }
    return {**feeds, **other}


def test_says_what_it_takes_and_gives(adder):
    with open_runtime(adder) as runtime:
        assert [(spec.name, spec.shape) for spec in runtime.inputs] == [
            ("a", (1, None, 2)),
            ("b", (2,)),
        ]
        assert [(spec.name, spec.dtype) for spec in runtime.outputs] == [("y", np.dtype("f4"))]


@pytest.mark.parametrize("threads", [0, 1, 2])
@pytest.mark.parametrize("n", [1, 5])
def test_runs(adder, threads, n):
    with open_runtime(adder, threads=threads) as runtime:
        answer = runtime.infer(_feeds(n))
    want = _feeds(n)["a"] + _feeds(n)["b"]
    assert list(answer) == ["y"]
    np.testing.assert_array_equal(answer["y"], want)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"a": np.zeros((1, 3, 2))}, "'a' takes float32 1x?x2, not float64 1x3x2"),
        ({"a": np.zeros((1, 3, 2), np.uint8)}, "not uint8"),
        ({"a": np.zeros((2, 3, 2), np.float32)}, "not float32 2x3x2"),
        ({"a": np.zeros((3, 2), np.float32)}, "not float32 3x2"),
        ({"b": np.zeros(3, np.float32)}, "'b' takes float32 2, not float32 3"),
        ({"c": np.zeros(2, np.float32)}, "no input is called 'c'"),
    ],
)
def test_stops_wrong_arrays_at_the_door(adder, wrong, says):
    with open_runtime(adder) as runtime:
        with pytest.raises(TensorMismatch) as caught:
            runtime.infer(_feeds(**wrong))
        assert says in str(caught.value)
        assert "\n" not in str(caught.value)
        assert runtime.infer(_feeds())["y"].shape == (1, 3, 2)  # and goes on working


def test_misses_an_input(adder):
    with open_runtime(adder) as runtime, pytest.raises(TensorMismatch, match="'b' was not given"):
        runtime.infer({"a": np.zeros((1, 1, 2), np.float32)})


def test_is_closed_for_good(adder):
    runtime = open_runtime(adder)
    runtime.close()
    runtime.close()
    with pytest.raises(InferenceError, match="closed"):
        runtime.infer(_feeds())


def test_failure_inside_is_one_line(tmp_path):
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["x", "shape"], ["y"])],
        "reshape",
        [
            helper.make_tensor_value_info("x", FLOAT, ["n"]),
            helper.make_tensor_value_info("shape", onnx.TensorProto.INT64, [2]),
        ],
        [helper.make_tensor_value_info("y", FLOAT, ["p", "q"])],
    )
    path = tmp_path / "reshape.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    with open_runtime(path) as runtime:
        with pytest.raises(InferenceError) as caught:
            runtime.infer({"x": np.zeros(6, np.float32), "shape": np.array([4, 2])})
        assert "inference failed" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_serves_several_threads(adder):
    wrong = []

    def work(runtime, n):
        want = _feeds(n)["a"] + _feeds(n)["b"]
        same = [np.array_equal(runtime.infer(_feeds(n))["y"], want) for _ in range(50)]
        if not all(same):
            wrong.append(n)

    with open_runtime(adder, threads=1) as runtime:
        workers = [threading.Thread(target=work, args=(runtime, n)) for n in (1, 2, 3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(timeout=30)
    assert not wrong
    assert not any(worker.is_alive() for worker in workers)


@pytest.mark.parametrize("content", [b"", b"no graph at all", bytes(range(256)) * 8])
def test_refuses_garbage(tmp_path, content):
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelCorrupt) as caught:
        open_runtime(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_refuses_a_truncated_graph(adder):
    adder.write_bytes(adder.read_bytes()[:-20])
    with pytest.raises(ModelCorrupt):
        open_runtime(adder)


def test_refuses_what_no_backend_runs(tmp_path):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(b"x")
    with pytest.raises(UsageError, match=r"\.caffemodel"):
        open_runtime(path)
    with pytest.raises(ModelMissing, match="no such engine file"):
        open_runtime(tmp_path / "absent.onnx")
