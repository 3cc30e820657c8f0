"""The parent's side of a build: starts the child, hears it, makes of its end what it was."""

from __future__ import annotations

import os

from faceguard.convert.build.engine_file import EngineFile
from faceguard.convert.build.forward import show
from faceguard.convert.build.progress import BuildProgress
from faceguard.convert.build.request import BuildOutcome, BuildRequest
from faceguard.convert.child.process import Child
from faceguard.convert.child.signals import HeldSignals
from faceguard.convert.child.watch import Watch
from faceguard.convert.child.wire import Message, as_error
from faceguard.engines.errors import ModelMissing, OutputError

_STOP_GRACE_S = 0.7
_TIME_UP_GRACE_S = 5.0


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
        heard = _Heard(progress)
        watch = Watch(timeout_s)
        asked = request.to_json().encode()
        with Child("faceguard.convert.build.worker", asked, file.handle) as child:
            code = watch.run(child, heard, held)
            if heard.built is None:
                raise _failure(request, heard, watch, child, code)
        outcome = _outcome(heard, heard.built, watch.took_s, code)
        if os.fstat(file.handle).st_size != outcome.engine_bytes:
            raise OutputError(f"{request.out}: the engine was not written whole; build it again")
        file.publish()
    return outcome


class _Heard:
    """What the child has said."""

    def __init__(self, progress: BuildProgress) -> None:
        self._progress = progress
        self.built: Message | None = None
        self.failed: Message | None = None
        self.layers: str | None = None

    def take(self, message: Message) -> None:
        kind = message["kind"]
        if kind == "built":
            self.built = message
        elif kind == "layers":
            self.layers = message["layers"]
        elif kind == "failed":
            self.failed = message
        else:
            show(self._progress, message)

    def tick(self) -> None:
        self._progress.tick()

    def stopping(self, *, time_up: bool) -> float:
        self._progress.stage("stopping")
        return _TIME_UP_GRACE_S if time_up else _STOP_GRACE_S


def _failure(
    request: BuildRequest, heard: _Heard, watch: Watch, child: Child, code: int | None
) -> Exception:
    if heard.failed is not None:
        return as_error(heard.failed)
    return watch.failure(
        child,
        code,
        name=str(request.graph),
        worker=request.backend,
        mend="try another precision or shape",
    )


def _outcome(heard: _Heard, built: Message, took_s: float, code: int | None) -> BuildOutcome:
    warnings = list(built["warnings"])
    if code != 0:
        warnings.append("the library failed when the engine was built and looked over")
    return BuildOutcome(
        seconds=round(took_s, 3),
        peak_mb=built["peak_mb"],
        engine_bytes=built["bytes"],
        backend_version=built["version"],
        warnings=warnings,
        layers=heard.layers,
    )
