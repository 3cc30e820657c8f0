"""One model after another: built, proven and timed on the device that is to run it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from faceguard.convert.engine.make import make_engine
from faceguard.convert.engine.prepared import prepare_graph
from faceguard.convert.files import scratch
from faceguard.convert.selftest.speed import Speed, timed
from faceguard.convert.selftest.trtexec import find_trtexec, trtexec_median_ms
from faceguard.engines.errors import FaceguardError
from faceguard.engines.memory import free_memory
from faceguard.engines.runtime import Runtime, open_runtime

if TYPE_CHECKING:
    from faceguard.convert.accuracy.gate import Accuracy
    from faceguard.convert.engine.make import Made
    from faceguard.convert.engine.request import Request

MemoryOf = Literal["engine", "machine", "host"]
_MEMORY_WORDS: dict[MemoryOf, str] = {
    "engine": "MiB",
    "machine": "MiB",
    "host": "MiB of host memory (the GPU's own is not counted)",
}


@dataclass
class Tested:
    """What the selftest saw of one engine, as far as it came.

    Attributes:
        request: What was asked for.
        made: The engine.
        accuracy: How it saw the golden pictures now.
        speed: How fast it ran.
        memory_mb: Memory that it took while it was open, in MiB.
        memory_of: What that was counted on: `engine`, what the engine itself says; `machine`, how
            much less was free, on a machine with one memory for all; `host`, the same where the
            GPU has memory of its own, which is not in it.
        trtexec_ms: NVIDIA's own median, why there is none, or None where the tool is not here.
        error: Why it came no further.
    """

    request: Request
    made: Made | None = None
    accuracy: Accuracy | None = None
    speed: Speed | None = None
    memory_mb: float | None = None
    memory_of: MemoryOf | None = None
    trtexec_ms: float | str | None = None
    error: FaceguardError | None = None

    def facts(self) -> dict[str, Any]:
        """As JSON takes it; what is not known is not in it."""
        request = self.request
        facts: dict[str, Any] = {
            "name": request.source.name,
            "precision": request.precision,
            "backend": request.backend,
            "source_sha256": request.source.sha256,
        }
        if self.made is not None:
            facts["manifest"] = self.made.manifest.model_dump(mode="json")
            facts["built"] = self.made.fresh
        if self.accuracy is not None:
            facts["accuracy"] = self.accuracy.facts()
        if self.memory_mb is not None:
            facts |= {"memory_mb": round(self.memory_mb, 1), "memory_of": self.memory_of}
        if self.speed is not None:
            facts |= {"speed": asdict(self.speed), "trtexec_ms": self.trtexec_ms}
        if self.error is not None:
            facts["error"] = str(self.error)
        return facts

    def lines(self) -> list[str]:
        """For people; nothing where it was not timed."""
        if self.speed is None or self.memory_mb is None or self.memory_of is None:
            return []
        beside = ""
        if isinstance(self.trtexec_ms, float):
            share = self.speed.median_ms / self.trtexec_ms
            beside = f"; trtexec {self.trtexec_ms:.2f} ms, ours is {share:.2f} of it"
        elif self.trtexec_ms is not None:
            beside = f"; {self.trtexec_ms}"
        request = self.request
        head = f"{request.source.name}: {request.precision} on {request.backend}: {self.speed}"
        memory = f"{self.memory_mb:.0f} {_MEMORY_WORDS[self.memory_of]}"
        return [f"{head}, {memory}{beside}", f"  {self.accuracy}"]


def selftest(
    request: Request, *, for_s: float, say: Callable[[str], None], quiet: bool = False
) -> Tested:
    """Builds an engine where it is not built yet, proves it again, and times it.

    Args:
        request: The engine.
        for_s: How long to time it.
        say: Told one line for each step that may last.
        quiet: Whether to show no progress of the build.

    Returns:
        What was seen; where the engine cannot be built, or fails, or sees other faces than FP32,
        with the error, and with what was seen before.
    """
    tested = Tested(request)
    try:
        _test(tested, for_s=for_s, say=say, quiet=quiet)
    except FaceguardError as error:
        tested.error = error
    return tested


def _test(tested: Tested, *, for_s: float, say: Callable[[str], None], quiet: bool) -> None:
    request = tested.request
    made = tested.made = make_engine(request, say=say, quiet=quiet)
    with scratch("faceguard-selftest-") as folder:
        prepared = prepare_graph(request, folder)
        before = free_memory().bytes
        say(f"{made.manifest.name}: proving and timing the engine")
        with open_runtime(made.engine) as runtime:
            tested.accuracy = prepared.gate.check(
                made.manifest.name, prepared.reference, runtime, request.backend
            )
            tested.speed = timed(runtime, prepared.samples[0], for_s=for_s)
            lost = max(0, before - free_memory().bytes)
            size, tested.memory_of = _memory(runtime, request, lost)
            tested.memory_mb = size / 2**20
    tool = find_trtexec(request.backend)
    if tool:
        tested.trtexec_ms = trtexec_median_ms(tool, made.engine, made.manifest)


def _memory(runtime: Runtime, request: Request, lost_bytes: int) -> tuple[int, MemoryOf]:
    own = getattr(runtime, "memory_bytes", None)
    if isinstance(own, int):
        return own, "engine"
    gpu = request.machine.gpu
    shared = request.backend == "onnx" or gpu is None or gpu.integrated
    return lost_bytes, "machine" if shared else "host"
