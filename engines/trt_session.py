"""What a TensorRT runtime holds on the GPU, and one run of it."""

from __future__ import annotations

import ctypes
import logging
import math
import threading
import time
from typing import TYPE_CHECKING

import numpy as np

from faceguard.engines.closing import Closing
from faceguard.engines.cuda_device import CudaDevice, TensorMemory
from faceguard.engines.cuda_driver import CudaFailed, CudaGraph
from faceguard.engines.errors import InferenceError, InferenceTimeout, TensorMismatch
from faceguard.engines.trt_engine import TensorRtEngine, TensorRtFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from faceguard.engines.spec import Backend
    from faceguard.engines.types import Array, TensorSpec

_log = logging.getLogger(__name__)

# The first run may have to load, and for RTX to compile, every kernel.
_WARM_UP_LIMIT_S = 120.0
# How long closing waits for a run that was given up.
_REST_LIMIT_S = 1.0


class TensorRtSession(Closing):
    """All that a runtime holds on the GPU. Knows nothing of its runtime, which may be gone.

    Whoever calls it holds `lock`; `close` takes it by itself.
    """

    def __init__(self, name: str) -> None:
        """Holds nothing yet.

        Args:
            name: How messages call the engine.
        """
        self.name = name
        self.lock = threading.Lock()
        self.cuda: CudaDevice
        self.engine: TensorRtEngine
        self.graph: CudaGraph | None = None
        self._memory: dict[str, TensorMemory] = {}
        self._free: list[Callable[[], None]] = []  # the last comes first
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._at_work = False

    def open(self, data: bytes, backend: Backend) -> None:
        """Loads the engine and takes memory for its largest shapes."""
        self.cuda = CudaDevice()
        self._free += [self.cuda.close, self.cuda.free_stream, self._free_memory]
        with self.cuda.active():
            self.engine = TensorRtEngine(data, self.name, backend)
            self._free.append(self.engine.close)
            for tensor in self.engine.inputs:
                self._set_shape(tensor.spec.name, tensor.profile.maximum)
                self._take(tensor.spec, tensor.profile.maximum, 0)
            for spec in self.engine.outputs:
                shape = self.engine.shape(spec.name)
                self._take(spec, shape, self.engine.most_bytes(spec.name))

    def warm_up(self, *, cuda_graph: bool) -> None:
        """Runs once on zeros, and records that run where all shapes are fixed."""
        inputs = self.engine.inputs
        zeros = {
            tensor.spec.name: np.zeros(tensor.profile.optimum, tensor.spec.dtype)
            for tensor in inputs
        }
        self.run(zeros, time.monotonic() + _WARM_UP_LIMIT_S)
        specs = [*(tensor.spec for tensor in inputs), *self.engine.outputs]
        if not cuda_graph or any(None in spec.shape for spec in specs):
            return
        try:
            self.graph = CudaGraph(self.cuda.driver, self.cuda.stream.handle, self._enqueue)
        except (CudaFailed, TensorRtFailed, self.cuda.cuda.Error) as error:
            # Some layers cannot be recorded. Each run then starts its kernels one by one.
            _log.info("%s runs without a CUDA graph: %s", self.name, error)
        else:
            self._free.append(self.graph.close)
        self.run(zeros, time.monotonic() + _WARM_UP_LIMIT_S)

    def check_profiles(self, feeds: Mapping[str, Array]) -> None:
        """Stops arrays that are smaller or larger than what the engine was built for."""
        for tensor in self.engine.inputs:
            profile, shape = tensor.profile, feeds[tensor.spec.name].shape
            sides = zip(profile.minimum, shape, profile.maximum, strict=True)
            if not all(low <= side <= high for low, side, high in sides):
                low, have, high = (
                    "x".join(map(str, sides)) for sides in (profile.minimum, shape, profile.maximum)
                )
                raise TensorMismatch(
                    f"input {tensor.spec.name!r} takes {low} to {high}, not {have}; for other "
                    "shapes build the engine with another --profile"
                )

    def run(self, feeds: Mapping[str, Array], deadline_s: float | None) -> dict[str, Array]:
        """One inference; the CUDA context is current."""
        for name, array in feeds.items():
            self._set_shape(name, array.shape)
            self._memory[name].fill(array)
        self._at_work = True
        if self.graph is not None:
            self.graph.launch()
        else:
            self._enqueue()
        if not self.cuda.finish(deadline_s):
            raise InferenceTimeout(f"{self.name}: the GPU gave no answer in the time allowed")
        self._at_work = False
        return {
            spec.name: self._memory[spec.name].read(self._shape(spec), spec.dtype)
            for spec in self.engine.outputs
        }

    def close(self) -> None:
        """Frees everything, last taken first."""
        with self.lock:
            free, self._free = self._free, []
            if not free:
                return
            if self._at_work and not self._comes_to_rest():
                # Freeing waits for the GPU, so it would hang too; not even at the program's end
                # may Python try it.
                _log.warning("%s: the GPU still hangs; its memory is left behind", self.name)
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))
                return
            self.graph = None
            self._quietly(self.cuda.push)
            while free:
                self._quietly(free.pop())

    def _comes_to_rest(self) -> bool:
        """Whether the GPU is done, or gave up, with what it was left at work on."""
        try:
            with self.cuda.active():
                return self.cuda.finish(time.monotonic() + _REST_LIMIT_S)
        except self.cuda.cuda.Error:
            return True

    def _quietly(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (CudaFailed, self.cuda.cuda.Error, RuntimeError) as error:
            _log.warning("%s: closing: %s", self.name, error)

    def _enqueue(self) -> None:
        for tensor in self.engine.inputs:
            name = tensor.spec.name
            self._memory[name].upload(_size(self._shapes[name], tensor.spec.dtype))
        self.engine.enqueue(self.cuda.stream.handle)
        for spec in self.engine.outputs:
            self._memory[spec.name].download(_size(self._shape(spec), spec.dtype))

    def _set_shape(self, name: str, shape: tuple[int, ...]) -> None:
        if self._shapes.get(name) != shape:
            self.engine.set_shape(name, shape)
            self._shapes[name] = shape

    def _shape(self, spec: TensorSpec) -> tuple[int, ...]:
        """The shape that a tensor has in this run."""
        fixed = tuple(side for side in spec.shape if side is not None)
        return fixed if len(fixed) == len(spec.shape) else self.engine.shape(spec.name)

    def _take(self, spec: TensorSpec, shape: tuple[int, ...], least_bytes: int) -> None:
        if min(shape, default=1) < 0:
            raise InferenceError(
                f"{self.name}: the shape of output {spec.name!r} depends on the picture, which is "
                "not supported; build the engine without its NonMaxSuppression"
            )
        memory = TensorMemory(self.cuda, max(_size(shape, spec.dtype), least_bytes, 1))
        self._memory[spec.name] = memory
        self.engine.set_address(spec.name, memory.address)

    def _free_memory(self) -> None:
        while self._memory:
            self._memory.popitem()[1].free()


def _size(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> int:
    return math.prod(shape) * dtype.itemsize
