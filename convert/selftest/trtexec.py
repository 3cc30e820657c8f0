"""NVIDIA's own timing of an engine, where its tool is installed, to hold ours against."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from faceguard.engines.child import ChildFailed, run_limited

if TYPE_CHECKING:
    from faceguard.engines.manifest import EngineManifest
    from faceguard.engines.spec import Backend

_TOOLS: dict[Backend, tuple[str, ...]] = {
    # JetPack installs it outside of PATH.
    "tensorrt": ("trtexec", "/usr/src/tensorrt/bin/trtexec"),
    "tensorrt-rtx": ("tensorrt_rtx",),
}
_LATENCY = re.compile(r"\bLatency: .*?median = ([0-9.]+) ms")
_LIMIT_S = 120.0


def find_trtexec(backend: Backend) -> str | None:
    """The tool of this backend; None where it is not installed."""
    return next((found for tool in _TOOLS.get(backend, ()) if (found := shutil.which(tool))), None)


def trtexec_median_ms(tool: str, engine: Path, manifest: EngineManifest) -> float | str:
    """The median time of an inference, copies included, in milliseconds.

    Args:
        tool: From `find_trtexec`.
        engine: The engine.
        manifest: Its manifest, for the shapes.

    Returns:
        The time, or in one line why there is none.
    """
    shapes = ",".join(
        f"{note.name}:{'x'.join(map(str, note.optimum))}"
        for note in manifest.inputs
        if note.minimum != note.maximum
    )
    command = [tool, f"--loadEngine={engine}", "--useCudaGraph", "--warmUp=500", "--duration=3"]
    command += [f"--shapes={shapes}"] if shapes else []
    try:
        answer = run_limited(command, limit_s=_LIMIT_S)
    except (ChildFailed, OSError) as error:
        return f"{Path(tool).name}: {error}"
    found = _LATENCY.search(answer.out)
    if answer.code != 0 or found is None:
        last = ((answer.err or answer.out).strip().splitlines() or ["it said nothing"])[-1]
        return f"{Path(tool).name} ended with exit code {answer.code}: {last[:200]}"
    return float(found[1])
