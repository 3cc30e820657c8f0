"""ONNX Runtime on the CPU: runs everywhere, and is the reference for every other engine."""

from __future__ import annotations

import ctypes
import re
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort

from faceguard.engines.closing import Closing
from faceguard.engines.errors import InferenceError, ModelCorrupt, NoRoom
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

# How it words that the system gave it no memory.
_NO_MEMORY = re.compile(r"bad_alloc|bad allocation|[Ff]ailed to allocate memory|out of memory")
_SAME_AS_REQUESTED = 1  # kSameAsRequested of its enum ArenaExtendStrategy
_FATAL = 4  # ORT_LOGGING_LEVEL_FATAL
_M_TRIM_THRESHOLD = -1  # of glibc's malloc.h
_M_MMAP_THRESHOLD = -3
_HEAVY_BYTES = 8 << 20
_registering = threading.Lock()


class OnnxRuntime(Closing):
    """A graph on the CPU through ONNX Runtime; `infer` may be called by several threads at once."""

    def __init__(
        self,
        path: Path,
        *,
        threads: int = 0,
        lean: bool = False,
        steady: bool = False,
        blocked: bool = True,
    ) -> None:
        """Loads the graph.

        Args:
            path: The `.onnx` file.
            threads: Threads for one inference; 0 takes one for each core.
            lean: Whether to give memory back at once: slower where it runs again and again, but
                then the most that it holds can be told beforehand.
            steady: Whether to take no more than is needed and keep that for the next inference of
                the same shapes. As fast as usual, and what it takes follows from the shapes alone,
                not from those before.
            blocked: Whether tensors and weights may be laid out in blocks. It is faster, and holds
                each weight up to three times while the graph is loaded.

        Raises:
            ModelCorrupt: ONNX Runtime cannot read the file.
            NoRoom: There is not enough memory to load it.
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
        if not blocked:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        self._session: ort.InferenceSession | None
        try:
            if steady:
                self._session = _steady_session(path, options)
            else:
                self._session = ort.InferenceSession(
                    # A session keeps the bytes that it was given.
                    str(path) if lean else path.read_bytes(),
                    options,
                    providers=["CPUExecutionProvider"],
                )
        except Exception as error:
            if _is_no_memory(error):
                raise NoRoom(f"{path}: memory ran out while it was loaded") from error
            raise ModelCorrupt(
                f"{path}: not a graph that ONNX Runtime can run: {_first(error)}"
            ) from error
        self._path = path
        self._steady = steady
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._under_way: set[ort.RunOptions] = set()
        self._telling = threading.Lock()
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
        """Runs the graph once; see `Runtime.infer`.

        Raises:
            NoRoom: The system gave it no memory.
            InferenceError: It failed, or was interrupted.
        """
        session = self._session
        if session is None:
            raise InferenceError(f"{self._path}: the runtime is closed")
        check_feeds(self._inputs, feeds)
        if self._steady:
            shapes = {name: array.shape for name, array in feeds.items()}
            if shapes != self._shapes:
                # Else pieces that fit the shapes before would be kept beside those of these.
                self.release()
                self._shapes = shapes
        names = [spec.name for spec in self._outputs]
        options = ort.RunOptions()
        # Whatever ends it comes as an exception, and need not be on stderr as well.
        options.log_severity_level = _FATAL
        with self._telling:
            self._under_way.add(options)
        try:
            values = session.run(names, dict(feeds), options)
        except Exception as error:
            if options.terminate:
                raise InferenceError(f"{self._path}: the inference was interrupted") from error
            if _is_no_memory(error):
                raise NoRoom(f"{self._path}: memory ran out in an inference") from error
            raise InferenceError(f"{self._path}: inference failed: {_first(error)}") from error
        finally:
            with self._telling:
                self._under_way.discard(options)
        return dict(zip(names, values, strict=True))

    def interrupt(self) -> None:
        """Has the inferences that are under way end with an InferenceError; later ones run.

        May be called from any thread. ONNX Runtime looks between two operations of the graph, so
        the one that is being computed is still done.
        """
        with self._telling:
            for options in self._under_way:
                options.terminate = True

    def release(self) -> None:
        """Gives back what a steady runtime keeps for the next inference; does nothing to others.

        ONNX Runtime does so at the end of an inference only, so it gets the smallest there is. One
        whose shapes are all fixed keeps its memory, since it can run in no other.
        """
        session = self._session
        sides = [side for spec in self._inputs for side in spec.shape]
        if not self._steady or session is None or not self._shapes or None not in sides:
            return
        self._shapes = {}
        options = ort.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        least = {
            spec.name: np.zeros([side or 1 for side in spec.shape], spec.dtype)
            for spec in self._inputs
        }
        # A graph that takes nothing so small keeps its memory; the next inference tells of errors.
        with suppress(Exception):
            session.run(None, least, options)
        _trim()

    def close(self) -> None:
        """Frees the session."""
        self.release()
        if self._steady and self._session is not None:
            self._session = None
            with _registering:
                _register_arena()
        self._session = None


def keep_nothing(options: ort.SessionOptions) -> None:
    """Has a session take each tensor's memory from the system, and give it back after use.

    Its arena keeps what was ever taken, and takes the next power of two; its blocked layout holds
    each tensor and each weight twice where one operation knows it and the next does not.
    """
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False


def _steady_session(path: Path, options: ort.SessionOptions) -> ort.InferenceSession:
    options.enable_mem_pattern = False  # it takes one piece as large as all, beside what is kept
    options.add_session_config_entry("session.use_env_allocators", "1")
    # Weights that are laid out anew leave room in an arena, which it would keep.
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    is_heavy = path.stat().st_size > _HEAVY_BYTES
    with _registering:
        _register_arena()
        if is_heavy:
            _map_from(1 << 20)
        try:
            return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        finally:
            if is_heavy:
                _map_from(32 << 20, keep_bytes=64 << 20)
            _trim()


def _map_from(least_bytes: int, *, keep_bytes: int | None = None) -> None:
    """Has the C library map what is larger by itself, and so give it back when it is freed.

    Else the peak while weights are laid out anew depends on the largest array that the program
    freed before: glibc learns from it to take such from its heap, where holes stay. It cannot be
    told to learn again, so afterwards it gets the values at which learning ends.
    """
    with suppress(AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, least_bytes)
        if keep_bytes is not None:
            library.mallopt(_M_TRIM_THRESHOLD, keep_bytes)


def _trim() -> None:
    """Has the C library give back what was freed in the middle of its heap."""
    with suppress(AttributeError):  # only glibc can
        ctypes.CDLL(None).malloc_trim(0)


def _register_arena() -> None:
    """Has the next session take its memory from a new arena, which takes what it is asked for.

    The usual one takes the next power of two. In 1.19 there can be but one, so that sessions share
    the first; in 1.23 a new one takes its place.
    """
    where = ort.OrtMemoryInfo(
        "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
    )
    how = ort.OrtArenaCfg({"arena_extend_strategy": _SAME_AS_REQUESTED})
    with suppress(RuntimeError):
        ort.create_and_register_allocator(where, how)


def _is_no_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)) is not None


def _spec(node: ort.NodeArg) -> TensorSpec:
    shape = tuple(side if isinstance(side, int) else None for side in node.shape)
    dtype = _DTYPES.get(node.type)
    if dtype is None:
        raise ModelCorrupt(f"tensor {node.name!r} has the type {node.type}, which is not supported")
    return TensorSpec(node.name, shape, np.dtype(dtype))


def _first(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
