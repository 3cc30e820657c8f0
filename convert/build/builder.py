"""The parent's side of a build: starts the child, listens, knows when it is enough, judges."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

from faceguard.convert.build.child import Child
from faceguard.convert.build.engine_file import EngineFile
from faceguard.convert.build.progress import BuildProgress
from faceguard.convert.build.request import BuildOutcome, BuildRequest
from faceguard.convert.build.signals import HeldSignals
from faceguard.convert.build.wire import Message
from faceguard.engines import errors
from faceguard.engines.child import signal_name
from faceguard.engines.errors import (
    BuildFailed,
    FaceguardError,
    ModelMissing,
    NotEnoughMemory,
    OutputError,
)

_TICK_S = 0.25
_STOP_GRACE_S = 0.7
_TIME_UP_GRACE_S = 5.0
_EXIT_GRACE_S = 5.0


def build_engine(
    request: BuildRequest, *, timeout_s: float | None = None, progress: BuildProgress
) -> BuildOutcome:
    """Builds an engine in a child process.

    Ctrl-C and SIGTERM stop the build within a second: first it is asked to, so that its timings
    are kept, then it is killed. Then what the signal's handler raised is raised here. However this
    function ends, and also where its process is killed, no child and no part of an engine stays.

    Args:
        request: What to build, and where to.
        timeout_s: The longest that it may take; None for as long as it takes.
        progress: Told how far it is; the caller closes it.

    Returns:
        What the build had to tell.

    Raises:
        UsageError: A target, shape or setting that cannot be meant.
        ModelMissing: There is no such graph.
        MissingPackage: The backend is not installed.
        BadModelFile: The graph is no ONNX file.
        UnsupportedOp: The backend does not know an operation; named with its node.
        BuildFailed: The backend refused the graph, crashed, or took too long.
        NotEnoughMemory: Memory ran out.
        OutputError: The engine cannot be written.
    """
    request.check()
    if not request.graph.is_file():
        raise ModelMissing(f"{request.graph}: no such graph; prepare it first")
    with HeldSignals() as held, EngineFile(request.out) as file:
        talk = _Talk(request, timeout_s, progress)
        with Child(request.to_json(), file.handle) as child:
            talk.run(child, held)
            code = child.wait(_EXIT_GRACE_S)
            if held.error is not None:
                raise held.error
            outcome = talk.judge(child, code)
        if os.fstat(file.handle).st_size != outcome.engine_bytes:
            raise OutputError(f"{request.out}: the engine was not written whole; build it again")
        file.publish()
    return outcome


class _Talk:
    """What was said between parent and child, and when."""

    def __init__(
        self, request: BuildRequest, timeout_s: float | None, progress: BuildProgress
    ) -> None:
        self._request = request
        self._timeout_s = timeout_s
        self._progress = progress
        self._started_s = time.monotonic()
        self._oom_kills = _oom_kills()
        self._kill_at_s: float | None = None
        self._time_up = False
        self._built: Message | None = None
        self._failed: Message | None = None
        self._layers: str | None = None

    def run(self, child: Child, held: HeldSignals) -> None:
        """Listens until the child is gone."""
        while child.is_talking:
            for message in child.listen(self._patience_s(), wake=held.fileno()):
                self._take(message)
            self._progress.tick()
            now_s = time.monotonic()
            if held.count > 1:
                child.kill()
            elif held.error is not None and (self._kill_at_s is None or self._time_up):
                self._time_up = False
                self._stop(child, _STOP_GRACE_S)
            elif self._kill_at_s is None and now_s >= self._deadline_s():
                self._time_up = True
                self._stop(child, _TIME_UP_GRACE_S)
            if self._kill_at_s is not None and now_s >= self._kill_at_s:
                child.kill()

    def judge(self, child: Child, code: int | None) -> BuildOutcome:
        """Makes of the end what it was.

        Args:
            child: The child, which is gone.
            code: How it ended; None where it hangs after its last word.

        Raises:
            FaceguardError: There is no engine; as `build_engine` lists them.
        """
        took_s = time.monotonic() - self._started_s
        if self._built is not None:
            return self._outcome(took_s, code)
        if self._failed is not None:
            raise _as_error(self._failed)
        graph, backend = self._request.graph, self._request.backend
        if self._time_up:
            raise BuildFailed(
                f"{graph}: not built within {self._timeout_s:g} s, and stopped; "
                "allow more with --timeout SECONDS"
            )
        words = child.last_words()
        if code == -signal.SIGKILL and not child.killed:
            sure = _oom_kills() > self._oom_kills
            why = "memory ran out" if sure else "from outside, most likely as memory ran out"
            raise NotEnoughMemory(
                f"{graph}: the build was killed after {took_s:.0f} s ({why}); stop other programs "
                "or lower --memory-limit, and see `journalctl -k`"
            )
        if code == 0:
            raise BuildFailed(f"{graph}: the build was stopped from outside; start it again")
        if code is not None and code < 0:
            how = f"crashed ({signal_name(-code)})"
        else:
            how = "hung at its end" if code is None else f"ended with exit code {code}"
        raise BuildFailed(
            f"{graph}: {backend} {how} after {took_s:.0f} s; try another precision or shape; "
            f"its last words: {words}"
        )

    def _take(self, message: Message) -> None:
        kind = message.pop("kind")
        if kind == "stage":
            self._progress.stage(message["name"])
        elif kind == "phase":
            self._progress.phase_start(message["name"], message["parent"], message["steps"])
        elif kind == "step":
            self._progress.step(message["name"], message["step"])
        elif kind == "finished":
            self._progress.phase_finish(message["name"])
        elif kind == "built":
            self._built = message
        elif kind == "layers":
            self._layers = message["layers"]
        else:
            self._failed = message

    def _outcome(self, took_s: float, code: int | None) -> BuildOutcome:
        built = self._built or {}
        warnings = list(built["warnings"])
        if code != 0:
            warnings.append("the library failed when the engine was built and looked over")
        return BuildOutcome(
            seconds=round(took_s, 3),
            peak_mb=built["peak_mb"],
            engine_bytes=built["bytes"],
            backend_version=built["version"],
            warnings=warnings,
            layers=self._layers,
        )

    def _stop(self, child: Child, grace_s: float) -> None:
        self._kill_at_s = time.monotonic() + grace_s
        self._progress.stage("stopping")
        child.ask_to_stop()

    def _deadline_s(self) -> float:
        return float("inf") if self._timeout_s is None else self._started_s + self._timeout_s

    def _patience_s(self) -> float:
        """Until something is due: a beat of the progress, the deadline, the end of a grace."""
        due_s = self._deadline_s() if self._kill_at_s is None else self._kill_at_s
        return min(_TICK_S, due_s - time.monotonic())


def _as_error(message: Message) -> FaceguardError:
    kind = getattr(errors, message["error"], BuildFailed)
    error: FaceguardError = kind(message["text"])
    return error


def _oom_kills() -> int:
    """How many processes the kernel has killed for memory since it was started."""
    try:
        text = Path("/proc/vmstat").read_text(encoding="ascii")
    except OSError:
        return 0
    found = re.search(r"^oom_kill (\d+)$", text, re.MULTILINE)
    return int(found.group(1)) if found else 0
