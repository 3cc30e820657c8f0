"""The backend's turn: it builds the prepared graph, and what it built is judged."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceguard.convert.admission import admit
from faceguard.convert.build.builder import build_engine
from faceguard.convert.build.request import BuildRequest
from faceguard.convert.build.timing import timing_cache_path
from faceguard.convert.onnx_bytes import parsed, serialized
from faceguard.convert.precision.proof import prove_engine_layers
from faceguard.convert.precision.rounding import rounded
from faceguard.engines.engine_store import engines_folder
from faceguard.engines.errors import FaceguardError, ProofFailed
from faceguard.engines.onnx import OnnxRuntime
from faceguard.engines.trt import TensorRtRuntime

if TYPE_CHECKING:
    from faceguard.convert.accuracy.gate import Accuracy
    from faceguard.convert.build.progress import BuildProgress
    from faceguard.convert.build.request import BuildOutcome
    from faceguard.convert.engine.prepared import Prepared
    from faceguard.convert.engine.request import Request
    from faceguard.engines.runtime import Runtime

_TIMINGS = ".timings"
_MOST_WARNINGS = 3
# What TensorRT says of every Resize of opset 11, which must name a region even where none is used.
_IDLE = ("Empty initializer",)


@dataclass(frozen=True)
class Built:
    """What the backend made of a graph.

    Attributes:
        engine: The engine's file.
        facts: Time and memory that it took.
        layers: The types of the engine's layers, where they could be looked at.
        notes: What a user should know, one line each.
    """

    engine: Path
    facts: dict[str, Any]
    layers: dict[str, Any]
    notes: tuple[str, ...] = ()


def build(request: Request, prepared: Prepared, out: Path, *, progress: BuildProgress) -> Built:
    """Builds an engine from a prepared graph.

    Args:
        request: What is asked for.
        prepared: The graph.
        out: Where the engine is to be written.
        progress: Told how far the build is.

    Raises:
        NotEnoughMemory: It would not fit into what is free, or did not.
        BuildFailed: The backend refused, crashed, or took too long.
        ProofFailed: The engine's layers are not in the precision asked for.
        OutputError: The engine cannot be written.
    """
    if request.backend == "onnx":
        begun_ns = time.monotonic_ns()
        shutil.copyfile(prepared.graph, out)
        return Built(out, {"seconds": round((time.monotonic_ns() - begun_ns) / 1e9, 3)}, {})
    name = request.source.name
    need = prepared.need
    workspace_bytes = admit(need, request.free(), name=name)
    asked = BuildRequest(
        graph=prepared.graph,
        out=out,
        backend=request.backend,
        profiles=prepared.profiles,
        workspace_bytes=workspace_bytes or None,
        timing_cache=_timings(request),
        targets=request.targets,
    )
    try:
        outcome = build_engine(asked, progress=progress)  # its time limit is the whole work's
    except FaceguardError as error:
        # The draft is gone when anyone reads this.
        told = str(error).replace(str(prepared.graph), name).replace(str(out), name)
        raise type(error)(told) from error
    facts = {
        "seconds": round(outcome.seconds, 3),
        "peak_mb": round(outcome.peak_mb, 1),
        "need_mb": round(need.total_bytes / 1e6, 1),
        "workspace_mb": round(workspace_bytes / 1e6, 1),
        "workspace_wanted_mb": round(need.workspace_bytes / 1e6, 1),
        "warnings": outcome.warnings,
    }
    lowered = 0 < workspace_bytes < need.workspace_bytes
    notes = [f"built in {outcome.seconds:.1f} s, peak {outcome.peak_mb:.0f} MB"]
    if lowered:
        notes.append(f"little memory was free: workspace lowered to {workspace_bytes / 1e6:.0f} MB")
    serious = [line for line in outcome.warnings if not any(idle in line for idle in _IDLE)]
    notes += [f"warning: {line}" for line in serious[:_MOST_WARNINGS]]
    return Built(out, facts, _layers(request, prepared, outcome), tuple(notes))


def judge(request: Request, prepared: Prepared, engine: Path) -> Accuracy:
    """Shows the golden pictures to the engine, or where it cannot run here, to its graph.

    Args:
        request: What was asked for.
        prepared: The graph, and what the FP32 graph made of the pictures.
        engine: The engine's file.

    Raises:
        ProofFailed: It sees other faces, or answers otherwise.
    """
    with _opened(request, prepared, engine) as runtime:
        on = "ONNX Runtime" if isinstance(runtime, OnnxRuntime) else request.backend
        return prepared.gate.check(request.source.name, prepared.reference, runtime, on)


def _opened(request: Request, prepared: Prepared, engine: Path) -> Runtime:
    if request.backend == "onnx":
        return OnnxRuntime(prepared.graph, lean=True)
    if request.runs_here:
        return TensorRtRuntime(engine, backend=request.backend)
    # ONNX Runtime computes half precision in single on a CPU and hides what a GPU would lose.
    spelled_out = prepared.graph.with_name("rounded.onnx")
    graph = parsed(prepared.graph.read_bytes(), name=request.source.name)
    spelled_out.write_bytes(serialized(rounded(graph)))
    return OnnxRuntime(spelled_out, lean=True)


def _timings(request: Request) -> Path | None:
    if request.timing_cache is not None:
        return request.timing_cache
    return timing_cache_path(engines_folder() / _TIMINGS, request.built_for, request.backend)


def _layers(request: Request, prepared: Prepared, outcome: BuildOutcome) -> dict[str, Any]:
    """What the engine's own inspector says; nothing where there is no GPU to ask it on."""
    name = request.source.name
    if outcome.layers is None:
        # TensorRT always builds on its GPU. Whether the other's inspector tells anything of an
        # engine that is compiled when it is loaded has not been seen.
        if request.backend == "tensorrt":
            last = f" ({outcome.warnings[-1]})" if outcome.warnings else ""
            raise ProofFailed(
                f"{name}: the engine's inspector said nothing{last}, so its precision is not "
                "proven; nothing was published; see: faceguard doctor"
            )
        return {}
    allowed = prepared.proof.kept
    return asdict(prove_engine_layers(outcome.layers, request.precision, allowed, name=name))
