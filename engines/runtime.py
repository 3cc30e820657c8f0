"""An engine runs: arrays in, arrays out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from faceguard.engines.closing import Closing
from faceguard.engines.errors import MissingPackage, ModelMissing, TensorMismatch, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from faceguard.engines.types import Array, TensorSpec

ENGINE_SUFFIXES = (".engine", ".plan")


class Runtime(Closing, Protocol):
    """One loaded engine.

    Runtimes are context managers; leaving the block frees what they hold. `infer` may be called
    from any thread, one call at a time or several where the backend allows it (ONNX Runtime does).
    """

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """What `infer` takes."""
        ...

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """What `infer` gives."""
        ...

    def infer(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the engine once.

        Args:
            feeds: One array an input, by name.

        Returns:
            One array an output, by name; the caller's own.

        Raises:
            TensorMismatch: A name, dtype or shape that the engine does not take.
            InferenceError: The backend failed.
        """
        ...


def check_feeds(specs: Sequence[TensorSpec], feeds: Mapping[str, Array]) -> None:
    """Stops wrong arrays at the door.

    Args:
        specs: The engine's inputs.
        feeds: What was given.

    Raises:
        TensorMismatch: Naming the first input that is missing, unknown or of another kind.
    """
    known = {spec.name for spec in specs}
    for name in feeds:
        if name not in known:
            raise TensorMismatch(f"no input is called {name!r}; this engine takes {sorted(known)}")
    for spec in specs:
        array = feeds.get(spec.name)
        if array is None:
            raise TensorMismatch(f"input {spec.name!r} was not given")
        if not spec.accepts(array):
            want = "x".join("?" if side is None else str(side) for side in spec.shape)
            have = "x".join(map(str, array.shape))
            raise TensorMismatch(
                f"input {spec.name!r} takes {spec.dtype} {want}, not {array.dtype} {have}"
            )


def open_runtime(path: Path, *, threads: int = 0) -> Runtime:
    """Opens an engine file with the backend that its suffix names.

    Args:
        path: A `.onnx` graph, for ONNX Runtime on the CPU, which is held against its manifest where
            one stands beside it; or a `.engine` or `.plan` file, for TensorRT, which needs one.
        threads: Threads for one inference on the CPU; 0 leaves the choice to the backend.

    Raises:
        ModelMissing: There is no such file, or no manifest beside an engine.
        ModelCorrupt: Its bytes are not those of its manifest, or the backend cannot read it.
        EngineStale: It was built for another machine; the message says what to run.
        MissingPackage: The backend is not installed.
        UsageError: No backend runs files of this kind.
    """
    # Only here: pydantic and the machine's probe are not needed to describe a runtime.
    from faceguard.engines.machine import read_machine
    from faceguard.engines.manifest import check_whole, load_engine, manifest_of

    # Not `Path.is_file`: that one raises where a folder above is another user's.
    if not os.path.isfile(path):  # noqa: PTH113
        raise ModelMissing(f"{path}: no such engine file, or one that this user cannot see")
    if path.suffix == ".onnx":
        if manifest_of(path).exists():
            check_whole(path)
        try:
            from faceguard.engines.onnx import OnnxRuntime  # heavy: loads onnxruntime
        except ModuleNotFoundError as error:
            raise MissingPackage(
                f"{path.name} needs the Python package {error.name!r}; "
                "run: pip install 'faceguard-edge[cpu]'"
            ) from error
        return OnnxRuntime(path, threads=threads)
    if path.suffix in ENGINE_SUFFIXES:
        from faceguard.engines.trt import TensorRtRuntime

        manifest, data = load_engine(path, read_machine())
        return TensorRtRuntime(data, backend=manifest.backend, name=path.name)
    raise UsageError(
        f"{path}: no runtime opens {path.suffix or 'files without a suffix'!r}; "
        "give a .onnx graph or a .engine file"
    )
