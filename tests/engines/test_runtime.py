"""What is ONNX Runtime's own: threads, and files that are no graphs. The rest is the contract's."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from faceguard.engines.errors import (
    InferenceError,
    ModelCorrupt,
    ModelMissing,
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


def _feeds(n):
    return {
        "a": np.arange(2 * n, dtype=np.float32).reshape(1, n, 2),
        "b": np.array([10, 20], np.float32),
    }


@pytest.mark.parametrize("threads", [0, 1, 2])
@pytest.mark.parametrize("n", [1, 5])
def test_runs(adder, threads, n):
    with open_runtime(adder, threads=threads) as runtime:
        answer = runtime.infer(_feeds(n))
    want = _feeds(n)["a"] + _feeds(n)["b"]
    assert list(answer) == ["y"]
    np.testing.assert_array_equal(answer["y"], want)


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
