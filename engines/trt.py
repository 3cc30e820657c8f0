"""Runs TensorRT engines, on a Jetson or a PC.

This file and its neighbours `trt_session`, `trt_engine`, `cuda_device` and `cuda_driver` are the
only ones that use TensorRT and pycuda to run engines, and load them when an engine is opened.
"""

from __future__ import annotations

import time
import weakref
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from faceguard.engines.closing import Closing
from faceguard.engines.cuda_device import load_pycuda
from faceguard.engines.cuda_driver import CudaFailed
from faceguard.engines.errors import FaceguardError, InferenceError, InferenceTimeout, ModelMissing
from faceguard.engines.runtime import check_feeds
from faceguard.engines.trt_engine import TensorRtFailed
from faceguard.engines.trt_session import TensorRtSession

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from faceguard.engines.spec import Backend
    from faceguard.engines.types import Array, TensorSpec


class TensorRtRuntime(Closing):
    """An engine on the GPU; `infer` may be called from any thread, and calls take turns.

    Memory is taken once, for the largest shapes. Where all shapes are fixed, copies and kernels
    are recorded as a CUDA graph and started by one call.

    After a failure or a timeout it refuses further work, since the GPU may still be at it, or
    have lost its context; close it and open it again.
    """

    def __init__(
        self,
        engine: bytes | Path,
        *,
        backend: Backend = "tensorrt",
        name: str | None = None,
        timeout_s: float | None = 60.0,
        cuda_graph: bool = True,
    ) -> None:
        """Loads an engine and runs it once on zeros.

        Args:
            engine: An engine file, or its bytes.
            backend: Which TensorRT built it.
            name: For messages; None takes the file's.
            timeout_s: How long one inference may take; None waits for as long as it takes.
            cuda_graph: Whether to record a CUDA graph where that can be done.

        Raises:
            ModelMissing: The file is not there.
            MissingPackage: TensorRT or pycuda is not installed.
            EngineStale: Another TensorRT built it, or for another GPU.
            ModelCorrupt: TensorRT cannot read it.
            InferenceError: No GPU, not enough memory, or the run on zeros failed.
        """
        self._name = name or (engine.name if isinstance(engine, Path) else "engine")
        self._timeout_s = timeout_s
        self._unusable: str | None = None
        self._session = TensorRtSession(self._name)
        # Whoever forgets to close has it closed when the runtime goes, or the program ends.
        self._finalizer = weakref.finalize(self, self._session.close)
        data = _read(engine)
        load_pycuda()
        try:
            with self._session.lock, self._failures("opening it failed"):
                self._session.open(data, backend)
                with self._session.cuda.active():
                    self._session.warm_up(cuda_graph=cuda_graph)
        except BaseException:
            self.close()
            raise
        self._inputs = [tensor.spec for tensor in self._session.engine.inputs]
        self._outputs = list(self._session.engine.outputs)

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """What `infer` takes."""
        return self._inputs

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """What `infer` gives."""
        return self._outputs

    @property
    def uses_cuda_graph(self) -> bool:
        """Whether runs are started from a recording."""
        return self._session.graph is not None

    @property
    def is_zero_copy(self) -> bool:
        """Whether CPU and GPU work on the same memory."""
        return self._session.cuda.integrated

    def infer(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the engine once; see `Runtime.infer`.

        Raises:
            TensorMismatch: A name, dtype or shape that the engine does not take.
            InferenceTimeout: No answer in the time allowed.
            InferenceError: CUDA or TensorRT failed, or the runtime can no longer be used.
        """
        with self._session.lock:
            if not self._finalizer.alive:
                raise InferenceError(f"{self._name}: the runtime is closed")
            if self._unusable is not None:
                raise InferenceError(
                    f"{self._name}: {self._unusable}; close this runtime and open it again, and "
                    "if that fails too, start the program anew"
                )
            check_feeds(self._inputs, feeds)
            self._session.check_profiles(feeds)
            # Until it is known to have ended well: an interrupt leaves the GPU at work.
            self._unusable = "an inference was broken off"
            deadline_s = None if self._timeout_s is None else time.monotonic() + self._timeout_s
            with self._failures("inference failed"), self._session.cuda.active():
                answer = self._session.run(feeds, deadline_s)
            self._unusable = None
            return answer

    def close(self) -> None:
        """Frees everything in order; failures are logged, so that they hide no other error."""
        self._finalizer()

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        """Turns what CUDA, pycuda and TensorRT raise into one line."""
        try:
            yield
        except InferenceTimeout:
            self._unusable = "an inference did not end in time"
            raise
        except FaceguardError:
            self._unusable = "an inference failed"
            raise
        except (CudaFailed, TensorRtFailed, load_pycuda().Error, RuntimeError) as error:
            self._unusable = "an inference failed"
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise InferenceError(f"{self._name}: {what}: {reason}") from error


def _read(engine: bytes | Path) -> bytes:
    if isinstance(engine, bytes):
        return engine
    try:
        return engine.read_bytes()
    except OSError as error:
        raise ModelMissing(f"{engine}: cannot be read: {error.strerror}") from error
