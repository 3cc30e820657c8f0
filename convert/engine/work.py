"""The parent's side of making an engine: all that may crash or last is done in a child process.

The work itself is in `worker`. Here it is watched: Ctrl-C and a time limit end it wherever it is, a
crash becomes one line, and while a step lasts it is said that it does.
"""

from __future__ import annotations

import pickle
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from faceguard.convert.build.forward import show
from faceguard.convert.child.process import Child
from faceguard.convert.child.signals import HeldSignals
from faceguard.convert.child.watch import Watch
from faceguard.convert.child.wire import Message, as_error
from faceguard.engines.errors import FaceguardError
from faceguard.engines.manifest import EngineManifest

if TYPE_CHECKING:
    from faceguard.convert.build.progress import BuildProgress
    from faceguard.convert.engine.request import Request

BEAT_S = 10.0
# The build within the child has 0.7 s to save its timings; see build/builder.py.
_STOP_GRACE_S = 0.95
_TIME_UP_GRACE_S = 6.0

PREPARING = "preparing"
BUILDING = "building"
COMPARING = "comparing"


@dataclass(frozen=True)
class Task:
    """What the child is to do.

    Attributes:
        request: The engine that is asked for.
        folder: Where to write; the engine is to lie there in the end.
        home: What to call that, for people: the folder itself is gone when they read it.
        elsewhere: How to name another place, for people.
        rehearsal: Whether to end with the prepared graph.
    """

    request: Request
    folder: Path
    home: Path
    elsewhere: str
    rehearsal: bool = False


@dataclass(frozen=True)
class Work:
    """What the child has done.

    Attributes:
        manifest: What is known of the engine, which is proven and lies in the folder.
        notes: What a user should know, one line each.
    """

    manifest: EngineManifest
    notes: tuple[str, ...]


def work(task: Task, *, say: Callable[[str], None], quiet: bool) -> Work:
    """Prepares, builds and judges an engine in a child process.

    Ctrl-C and SIGTERM end it within a second; then what the signal's handler raised is raised
    here. No process stays, however this function or its own process ends.

    Args:
        task: What is to be done.
        say: Told one line for each step, and every ten seconds while one lasts.
        quiet: Whether to show no progress of the build.

    Raises:
        FaceguardError: There is no engine; as `make.make_engine` lists them. BuildFailed also
            where a library crashed or the time was up, NotEnoughMemory where the kernel killed it.
    """
    made = _made(task, say=say, quiet=quiet)
    manifest = EngineManifest.model_validate_json(made["manifest"])
    return Work(manifest, tuple(made["notes"]))


def rehearsed(task: Task, *, say: Callable[[str], None]) -> Message:
    """Prepares the graph of an engine in a child process, likewise, and no more.

    Args:
        task: What is to be done, as a rehearsal.
        say: Told one line for each step, and every ten seconds while one lasts.

    Returns:
        The shapes as `profiles`, the memory as `need`, types as `proof`, layers in FP32 as `kept`,
        and `notes` for people.

    Raises:
        FaceguardError: There is no such graph; as `work`.
    """
    return _made(task, say=say, quiet=True)


def _made(task: Task, *, say: Callable[[str], None], quiet: bool) -> Message:
    request = task.request
    watch = Watch(request.timeout_s)
    with HeldSignals() as held, _Heard(request, say, quiet) as heard:
        heard.begin(PREPARING)
        with Child("faceguard.convert.engine.worker", pickle.dumps(task)) as child:
            code = watch.run(child, heard, held)
            if heard.made is None:
                raise _failure(task, heard, watch, child, code)
    return heard.made


class _Heard:
    """What the child has said; the user hears of it."""

    def __init__(self, request: Request, say: Callable[[str], None], quiet: bool) -> None:
        self.made: Message | None = None
        self.failed: Message | None = None
        self.doing = ""
        self._request = request
        self._say = say
        self._quiet = quiet
        self._begun_s = self._said_s = time.monotonic()
        self._progress: BuildProgress | None = None

    def __enter__(self) -> _Heard:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_progress()

    def begin(self, step: str) -> None:
        self._end_progress()
        self._begun_s = self._said_s = time.monotonic()
        self.doing = {
            PREPARING: f"preparing the {self._request.precision} graph",
            BUILDING: "building",
            COMPARING: "comparing with the FP32 graph",
        }[step]
        if step != BUILDING:
            self._say(f"{self._request.source.name}: {self.doing}")

    def take(self, message: Message) -> None:
        kind = message["kind"]
        if kind == "begin":
            self.begin(message["step"])
        elif kind == "made":
            self.made = message
        elif kind == "failed":
            self.failed = message
        else:
            show(self._open_progress(), message)

    def tick(self) -> None:
        now_s = time.monotonic()
        if self._progress is not None:
            self._progress.tick()
        elif now_s - self._said_s >= BEAT_S:
            self._said_s = now_s
            name, lasts_s = self._request.source.name, now_s - self._begun_s
            self._say(f"{name}: still {self.doing}, {lasts_s:.0f} s so far")

    def stopping(self, *, time_up: bool) -> float:
        if self._progress is None:
            return 0.0  # no other step leaves anything that is worth the wait
        self._progress.stage("stopping")
        return _TIME_UP_GRACE_S if time_up else _STOP_GRACE_S

    def _open_progress(self) -> BuildProgress:
        # Only here: a graph for the CPU is not built at all.
        from faceguard.convert.build.progress import open_progress

        if self._progress is None:
            self._progress = open_progress(self._request.source.name, quiet=self._quiet)
        return self._progress

    def _end_progress(self) -> None:
        if self._progress is not None:
            self._progress.close()
            self._progress = None


def _failure(
    task: Task, heard: _Heard, watch: Watch, child: Child, code: int | None
) -> FaceguardError:
    name = task.request.source.name
    if heard.failed is None:
        return watch.failure(
            child,
            code,
            name=name,
            worker=heard.doing,
            mend="try another precision or shape, or look whether the model is damaged",
        )
    error = as_error(heard.failed)
    # The files in the folder are gone when anyone reads this.
    files = re.escape(str(task.folder)) + r"/[A-Za-z0-9_]+(\.[a-z]+)?"
    return type(error)(re.sub(files, name, str(error)))
