"""The part of TensorRT's module that faceguard runs engines with, on the fake driver's memory.

A plan is JSON here: what is computed, the tensors, and how the engine misbehaves. The kernels are
Python functions that the fake driver calls when somebody waits for the stream, so they read and
write the GPU's side only, as TensorRT does. `test_trt_api.py` holds the names in this file against
the real bindings.
"""

from __future__ import annotations

import ctypes
import json
from enum import Enum, IntEnum

import numpy as np

__version__ = "10.3.0"

MAGIC = b"a plan of the double"
_KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_DTYPES = {
    "FLOAT": np.float32,
    "HALF": np.float16,
    "INT8": np.int8,
    "INT32": np.int32,
    "INT64": np.int64,
    "UINT8": np.uint8,
    "BOOL": np.bool_,
    "BF16": np.uint16,
}
NAMES = {np.dtype(kind): name for name, kind in _DTYPES.items() if name != "BF16"}
_driver = ctypes.CDLL("libcuda.so.1")
_driver.fake_launch.argtypes = [ctypes.c_void_p, _KERNEL, ctypes.c_void_p]
_driver.fake_on_gpu.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_driver.cuStreamSynchronize.argtypes = [ctypes.c_void_p]


def make_plan(kind, tensors, **misbehaviour):
    """The bytes of an engine.

    Args:
        kind: `add` (y = a + b) or `same` (y = x).
        tensors: For each name: mode, dtype and shape, and for dynamic inputs a profile.
        misbehaviour: `waits` (cannot be recorded), `refuses` (the n-th run), `foreign`.
    """
    return MAGIC + json.dumps({"kind": kind, "tensors": tensors, **misbehaviour}).encode()


class DataType(Enum):
    FLOAT = 0
    HALF = 1
    INT8 = 2
    INT32 = 3
    BOOL = 4
    UINT8 = 5
    BF16 = 7
    INT64 = 8


class TensorIOMode(Enum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class TensorLocation(Enum):
    DEVICE = 0
    HOST = 1


class TensorFormat(Enum):
    LINEAR = 0
    CHW4 = 3


class ILogger:
    class Severity(IntEnum):
        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2
        INFO = 3
        VERBOSE = 4

    def log(self, severity, msg):
        raise NotImplementedError


class Runtime:
    def __init__(self, logger):
        self._logger = logger

    def deserialize_cuda_engine(self, serialized_engine):
        if not serialized_engine.startswith(MAGIC):
            self._logger.log(ILogger.Severity.ERROR, "IRuntime::deserialize: Error Code 1:\n magic")
            return None
        plan = json.loads(serialized_engine[len(MAGIC) :])
        if "foreign" in plan:
            self._logger.log(ILogger.Severity.ERROR, plan["foreign"])
            return None
        self._logger.log(ILogger.Severity.INFO, "Loaded engine size: 0 MiB")
        return ICudaEngine(plan, self)

    def __del__(self):
        _driver.fake_note(b"~Runtime")


class ICudaEngine:
    def __init__(self, plan, runtime):
        self._plan = plan
        self._tensors = plan["tensors"]
        self._runtime = runtime

    @property
    def num_io_tensors(self):
        return len(self._tensors)

    def get_tensor_name(self, index):
        return list(self._tensors)[index]

    def get_tensor_mode(self, name):
        return TensorIOMode[self._tensors[name]["mode"]]

    def get_tensor_dtype(self, name):
        return DataType[self._tensors[name]["dtype"]]

    def get_tensor_shape(self, name):
        return tuple(self._tensors[name]["shape"])

    def get_tensor_location(self, name):
        return TensorLocation[self._tensors[name].get("location", "DEVICE")]

    def get_tensor_format(self, name):
        return TensorFormat[self._tensors[name].get("format", "LINEAR")]

    def get_tensor_profile_shape(self, name, profile_index):
        assert profile_index == 0
        return [tuple(shape) for shape in self._tensors[name]["profile"]]

    def create_execution_context(self):
        if self._plan.get("no_memory"):
            self._runtime._logger.log(ILogger.Severity.ERROR, "Requested amount of GPU memory")
            return None
        return IExecutionContext(self)

    def __del__(self):
        _driver.fake_note(b"~ICudaEngine")


class IExecutionContext:
    def __init__(self, engine):
        self._engine = engine
        self._plan = engine._plan
        self._tensors = engine._tensors
        self._addresses = {}
        self._shapes = {}
        self._kernels = []
        self._runs = 0

    def set_input_shape(self, name, shape):
        tensor = self._tensors[name]
        if "profile" in tensor:
            low, _, high = tensor["profile"]
        else:
            low = high = tensor["shape"]
        if not all(a <= b <= c for a, b, c in zip(low, shape, high, strict=True)):
            self._error(f"setInputShape: {name} is out of its profile")
            return False
        self._shapes[name] = tuple(shape)
        return True

    def set_tensor_address(self, name, memory):
        assert name in self._tensors
        self._addresses[name] = memory
        return True

    def get_tensor_shape(self, name):
        if name in self._shapes:
            return self._shapes[name]
        wanted = self._tensors[name]["shape"]
        if -1 not in wanted or self._plan.get("open_ended"):
            return tuple(wanted)
        return self._shapes.get("a", self._shapes.get("x"))

    def get_max_output_size(self, name):
        shape = self.get_tensor_shape(name)
        if min(shape) < 0:
            return -1
        return int(np.prod(shape)) * self._dtype(name).itemsize + 32  # as padding does

    def execute_async_v3(self, stream_handle):
        self._runs += 1
        if self._runs == self._plan.get("refuses"):
            self._error("IExecutionContext::enqueueV3: Error Code 1: Cuda Runtime (fake\nreason)")
            return False
        if self._plan.get("waits"):
            _driver.cuStreamSynchronize(stream_handle)
        # The kernel knows its arrays and not this context, which would else never be freed.
        arrays = {
            name: (self._addresses[name], self._dtype(name), self.get_tensor_shape(name))
            for name in self._tensors
        }
        kind = self._plan["kind"]
        kernel = _KERNEL(lambda _: _compute(kind, arrays))
        self._kernels.append(kernel)  # a recording calls it later, and again
        return _driver.fake_launch(stream_handle, kernel, None) == 0

    def _dtype(self, name):
        return np.dtype(_DTYPES[self._tensors[name]["dtype"]])

    def _error(self, text):
        self._engine._runtime._logger.log(ILogger.Severity.ERROR, text)

    def __del__(self):
        _driver.fake_note(b"~IExecutionContext")


def _compute(kind, arrays):
    value = {name: _array(name, *place) for name, place in arrays.items()}
    if kind == "add":
        np.add(value["a"], value["b"], out=value["y"])
    else:
        np.copyto(value["y"], value["x"])


def _array(name, address, dtype, shape):
    size = int(np.prod(shape)) * dtype.itemsize
    assert _driver.fake_on_gpu(address, size), f"{name} is not in the GPU's memory"
    memory = (ctypes.c_char * size).from_address(address)
    return np.frombuffer(memory, dtype).reshape(shape)
