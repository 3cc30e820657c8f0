"""ONNX Runtime on the CPU: runs everywhere, and is the reference for every other engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort

from faceguard.engines.closing import Closing
from faceguard.engines.errors import InferenceError, ModelCorrupt
from faceguard.engines.runtime import check_feeds
from faceguard.engines.types import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from faceguard.engines.types import Array

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}


class OnnxRuntime(Closing):
    """A graph on the CPU through ONNX Runtime; `infer` may be called by several threads at once."""

    def __init__(self, path: Path, *, threads: int = 0, lean: bool = False) -> None:
        """Loads the graph.

        Args:
            path: The `.onnx` file.
            threads: Threads for one inference; 0 takes one for each core.
            lean: Whether to give memory back at once: slower where it runs again and again, but
                then the most that it holds can be told beforehand.

        Raises:
            ModelCorrupt: ONNX Runtime cannot read the file.
        """
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # An idle worker that spins takes a core from the encoder running beside it.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Only errors: its warnings go to stderr past our logging.
        options.log_severity_level = 3
        if lean:
            keep_nothing(options)
        try:
            self._session: ort.InferenceSession | None = ort.InferenceSession(
                # A session keeps the bytes that it was given.
                str(path) if lean else path.read_bytes(),
                options,
                providers=["CPUExecutionProvider"],
            )
        except Exception as error:
            raise ModelCorrupt(
                f"{path}: not a graph that ONNX Runtime can run: {_first(error)}"
            ) from error
        self._path = path
        self._inputs = [_spec(node) for node in self._session.get_inputs()]
        self._outputs = [_spec(node) for node in self._session.get_outputs()]

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """What `infer` takes."""
        return self._inputs

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """What `infer` gives."""
        return self._outputs

    def infer(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the graph once; see `Runtime.infer`."""
        session = self._session
        if session is None:
            raise InferenceError(f"{self._path}: the runtime is closed")
        check_feeds(self._inputs, feeds)
        names = [spec.name for spec in self._outputs]
        try:
            values = session.run(names, dict(feeds))
        except Exception as error:
            raise InferenceError(f"{self._path}: inference failed: {_first(error)}") from error
        return dict(zip(names, values, strict=True))

    def close(self) -> None:
        """Frees the session."""
        self._session = None


def keep_nothing(options: ort.SessionOptions) -> None:
    """Has a session take each tensor's memory from the system, and give it back after use.

    Its arena keeps what was ever taken, and takes the next power of two; its blocked layout holds
    each tensor and each weight twice where one operation knows it and the next does not.
    """
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False


def _spec(node: ort.NodeArg) -> TensorSpec:
    shape = tuple(side if isinstance(side, int) else None for side in node.shape)
    dtype = _DTYPES.get(node.type)
    if dtype is None:
        raise ModelCorrupt(f"tensor {node.name!r} has the type {node.type}, which is not supported")
    return TensorSpec(node.name, shape, np.dtype(dtype))


def _first(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
