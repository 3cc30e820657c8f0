"""The same small engines for every runtime: y = a + b, and y = x."""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from faceguard.engines.fake import FakeRuntime
from faceguard.engines.machine import read_machine
from faceguard.engines.runtime import open_runtime
from faceguard.engines.types import TensorSpec

# Names the fake libcuda in the process that test_trt.py starts, and nowhere else.
FAKE_CUDA = os.environ.get("FACEGUARD_TEST_FAKE_CUDA")
MOST_ROWS = 6
TYPES = ("f4", "f2", "i4", "i8", "i1", "u1", "?")

if FAKE_CUDA:
    # Loaded by its soname once, it is what pycuda and ctypes then find under that name.
    DRIVER = ctypes.CDLL(FAKE_CUDA, ctypes.RTLD_GLOBAL)
    # pycuda names a hundred calls that the fake has not; they are looked up when they are made.
    sys.setdlopenflags(os.RTLD_LAZY)
    DRIVER.fake_trace.restype = ctypes.c_char_p
    DRIVER.fake_current.restype = ctypes.c_void_p
    sys.modules["tensorrt"] = importlib.import_module("tests.engines.trt_double")
    KINDS = ["tensorrt, discrete", "tensorrt, integrated"]
else:
    KINDS = ["onnx", "fake", pytest.param("gpu", marks=pytest.mark.gpu)]


def model(node, inputs, outputs):
    """The bytes of an ONNX graph of one operation."""

    def infos(tensors):
        kinds = helper.np_dtype_to_tensor_dtype
        return [
            helper.make_tensor_value_info(name, kinds(np.dtype(kind)), shape)
            for name, (kind, shape) in tensors.items()
        ]

    nodes = [helper.make_node(node, list(inputs), list(outputs))]
    graph = helper.make_graph(nodes, "small", infos(inputs), infos(outputs))
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def adder_model(rows):
    side = rows or "n"
    return model("Add", {"a": ("f4", [1, side, 2]), "b": ("f4", [2])}, {"y": ("f4", [1, side, 2])})


class OnnxOpener:
    types = TYPES

    def __init__(self, folder: Path) -> None:
        self._path = folder / "small.onnx"

    def adder(self, rows):
        self._path.write_bytes(adder_model(rows))
        return open_runtime(self._path)

    def same(self, kind):
        self._path.write_bytes(model("Identity", {"x": (kind, [2, 3])}, {"y": (kind, [2, 3])}))
        return open_runtime(self._path)


class FakeOpener:
    types = TYPES

    def adder(self, rows):
        f4 = np.dtype("f4")
        return FakeRuntime(
            [TensorSpec("a", (1, rows, 2), f4), TensorSpec("b", (2,), f4)],
            [TensorSpec("y", (1, rows, 2), f4)],
            lambda feeds: {"y": feeds["a"] + feeds["b"]},
        )

    def same(self, kind):
        dtype = np.dtype(kind)
        return FakeRuntime(
            [TensorSpec("x", (2, 3), dtype)],
            [TensorSpec("y", (2, 3), dtype)],
            lambda feeds: {"y": feeds["x"]},
        )


def adder_plan(rows, **misbehaviour):
    """The double's plan of y = a + b."""
    from tests.engines.trt_double import make_plan

    a = {"mode": "INPUT", "dtype": "FLOAT", "shape": [1, rows or -1, 2]}
    if rows is None:
        a["profile"] = [[1, 1, 2], [1, 3, 2], [1, MOST_ROWS, 2]]
    tensors = {
        "a": a,
        "b": {"mode": "INPUT", "dtype": "FLOAT", "shape": [2]},
        "y": {"mode": "OUTPUT", "dtype": "FLOAT", "shape": [1, rows or -1, 2]},
    }
    return make_plan("add", tensors, **misbehaviour)


class DoubleOpener:
    types = TYPES

    def __init__(self, *, integrated: bool) -> None:
        DRIVER.fake_reset()
        DRIVER.fake_integrated(integrated)

    def adder(self, rows):
        from faceguard.engines.trt import TensorRtRuntime

        return TensorRtRuntime(adder_plan(rows))

    def same(self, kind):
        from faceguard.engines.trt import TensorRtRuntime
        from tests.engines.trt_double import NAMES, make_plan

        tensor = {"dtype": NAMES[np.dtype(kind)], "shape": [2, 3]}
        tensors = {"x": {**tensor, "mode": "INPUT"}, "y": {**tensor, "mode": "OUTPUT"}}
        return TensorRtRuntime(make_plan("same", tensors))


class GpuOpener:
    types = ("f4", "f2", "i4", "i8")  # TensorRT has no Identity for the others

    def __init__(self) -> None:
        machine = read_machine()
        if machine.gpu is None:
            pytest.skip(f"no GPU: {machine.no_gpu}")
        if machine.tensorrt is None and machine.tensorrt_rtx is None:
            pytest.skip("neither TensorRT nor TensorRT for RTX is installed")
        pytest.importorskip("pycuda")
        self._backend = "tensorrt" if machine.tensorrt else "tensorrt-rtx"

    def adder(self, rows):
        return self._open(adder_model(rows), {} if rows else {"a": (1, 3, MOST_ROWS)})

    def same(self, kind):
        return self._open(model("Identity", {"x": (kind, [2, 3])}, {"y": (kind, [2, 3])}), {})

    def _open(self, graph, rows_of):
        from faceguard.engines.trt import TensorRtRuntime
        from faceguard.engines.trt_engine import load_tensorrt, tensorrt_log

        trt = load_tensorrt(self._backend)
        logger = tensorrt_log(trt).logger
        builder = trt.Builder(logger)
        flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        network = builder.create_network(flags)
        parser = trt.OnnxParser(network, logger)
        assert parser.parse(graph)
        config = builder.create_builder_config()
        for name, rows in rows_of.items():
            profile = builder.create_optimization_profile()
            profile.set_shape(name, *((1, side, 2) for side in rows))
            config.add_optimization_profile(profile)
        plan = builder.build_serialized_network(network, config)
        assert plan is not None
        return TensorRtRuntime(bytes(plan), backend=self._backend)


def make_opener(kind: str, folder: Path):
    """What opens the engines on this kind of runtime, or a skip that says what is missing."""
    if kind == "onnx":
        return OnnxOpener(folder)
    if kind == "fake":
        return FakeOpener()
    if kind == "gpu":
        return GpuOpener()
    return DoubleOpener(integrated=kind.endswith("integrated"))
