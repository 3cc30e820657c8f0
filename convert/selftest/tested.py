"""One model after another: built, proven and timed on the device that is to run it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from faceguard.convert.engine.make import make_engine
from faceguard.convert.engine.prepared import prepare_graph
from faceguard.convert.files import scratch
from faceguard.convert.selftest.speed import Speed, timed
from faceguard.convert.selftest.trtexec import find_trtexec, trtexec_median_ms
from faceguard.engines.memory import free_memory
from faceguard.engines.runtime import open_runtime

if TYPE_CHECKING:
    from faceguard.convert.accuracy.gate import Accuracy
    from faceguard.convert.engine.make import Made
    from faceguard.convert.engine.request import Request


@dataclass(frozen=True)
class Tested:
    """What the selftest saw of one engine.

    Attributes:
        made: The engine.
        accuracy: How it saw the golden pictures now.
        speed: How fast it ran.
        memory_mb: How much less memory was free while it was open, in MiB.
        trtexec_ms: NVIDIA's own median, why there is none, or None where the tool is not here.
    """

    made: Made
    accuracy: Accuracy
    speed: Speed
    memory_mb: float
    trtexec_ms: float | str | None

    def facts(self) -> dict[str, Any]:
        """As JSON takes it; no path of this machine is in it."""
        return {
            "manifest": self.made.manifest.model_dump(mode="json"),
            "built": self.made.fresh,
            "accuracy": self.accuracy.facts(),
            "speed": asdict(self.speed),
            "memory_mb": round(self.memory_mb, 1),
            "trtexec_ms": self.trtexec_ms,
        }

    def lines(self) -> list[str]:
        """For people."""
        manifest = self.made.manifest
        beside = ""
        if isinstance(self.trtexec_ms, float):
            share = self.speed.median_ms / self.trtexec_ms
            beside = f"; trtexec {self.trtexec_ms:.2f} ms, ours is {share:.2f} of it"
        elif self.trtexec_ms is not None:
            beside = f"; {self.trtexec_ms}"
        head = f"{manifest.name}: {manifest.precision} on {manifest.backend}: {self.speed}"
        return [f"{head}, {self.memory_mb:.0f} MiB{beside}", f"  {self.accuracy}"]


def selftest(
    request: Request, *, for_s: float, say: Callable[[str], None], quiet: bool = False
) -> Tested:
    """Builds an engine where it is not built yet, proves it again, and times it.

    Args:
        request: The engine.
        for_s: How long to time it.
        say: Told one line for each step that may last.
        quiet: Whether to show no progress of the build.

    Raises:
        FaceguardError: The engine cannot be built, or fails, or sees other faces than FP32.
    """
    made = make_engine(request, say=say, quiet=quiet)
    with scratch("faceguard-selftest-") as folder:
        prepared = prepare_graph(request, folder)
    before = free_memory().bytes
    say(f"{made.manifest.name}: proving and timing the engine")
    with open_runtime(made.engine) as runtime:
        accuracy = prepared.gate.check(
            made.manifest.name, prepared.reference, runtime, request.backend
        )
        speed = timed(runtime, prepared.reference[0].feeds, for_s=for_s)
        memory_mb = max(0, before - free_memory().bytes) / 2**20
    tool = find_trtexec(request.backend)
    beside = trtexec_median_ms(tool, made.engine, made.manifest) if tool else None
    return Tested(made, accuracy, speed, memory_mb, beside)
