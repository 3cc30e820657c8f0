"""What runs in the child: prepares, builds and judges one engine, and writes its manifest."""

from __future__ import annotations

import datetime
import errno
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from faceguard.convert.build.forward import Forwarded
from faceguard.convert.child.inside import Inside, leave
from faceguard.convert.engine.work import BUILDING, COMPARING, Task
from faceguard.convert.files import output_error
from faceguard.engines.engine_store import engine_file
from faceguard.engines.errors import NotEnoughMemory
from faceguard.engines.manifest import EngineManifest
from faceguard.engines.store import sha256_of

if TYPE_CHECKING:
    from faceguard.convert.child.wire import Sender

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _Stopped(BaseException):
    """The work is to end."""


def main(message_handle: int) -> None:
    """Does the work; does not return.

    Args:
        message_handle: Where messages go.
    """
    try:
        inside = Inside(message_handle, on_stop=_stop)
        task: Task = pickle.loads(inside.request)  # noqa: S301 from the parent, nobody else
        with inside.telling(task.request.source.name), _disk(task):
            _work(task, inside.sender)
    except _Stopped:
        pass
    leave()


def _stop() -> None:
    """Raises in the main thread, where a build that runs can first save what it has."""
    main_thread = threading.main_thread()
    if threading.current_thread() is main_thread:
        raise _Stopped
    signal.pthread_kill(main_thread.ident or 0, signal.SIGTERM)


def _work(task: Task, sender: Sender) -> None:
    # Only here: a parent that is gone, or a signal, need not wait for all of this.
    from faceguard.convert.engine.backend import build, judge
    from faceguard.convert.engine.prepared import prepare_graph
    from faceguard.convert.engine.request import tools

    begun_ns = time.monotonic_ns()
    request, folder = task.request, task.folder
    prepared = prepare_graph(request, folder)
    if task.rehearsal:
        sender.send(
            "made",
            profiles={name: str(profile) for name, profile in prepared.profiles.items()},
            need=asdict(prepared.need),
            proof=asdict(prepared.proof),
            kept=[asdict(kept) for kept in prepared.kept],
            notes=prepared.notes(),
        )
        return
    sender.send("begin", step=BUILDING)
    engine = folder / engine_file(request.backend)
    built = build(request, prepared, engine, progress=Forwarded(sender))
    sender.send("begin", step=COMPARING)
    accuracy = judge(request, prepared, built.engine)
    manifest = EngineManifest(
        name=request.source.name,
        catalogue=request.source.entry.name if request.source.entry else None,
        key=request.key,
        backend=request.backend,
        precision=request.precision,
        file=request.out.name if request.out else built.engine.name,
        bytes=built.engine.stat().st_size,
        sha256=sha256_of(built.engine),
        source={"file": request.source.path.name, "sha256": request.source.sha256},
        graph_sha256=sha256_of(prepared.graph),
        inputs=prepared.inputs,
        outputs=prepared.outputs,
        flags=request.flags,
        built_for=request.built_for,
        precision_proof={
            "graph": asdict(prepared.proof),
            "engine": built.layers,
            "kept": [str(kept) for kept in prepared.kept],
        },
        accuracy=accuracy.facts(),
        build={**built.facts, "total_s": round((time.monotonic_ns() - begun_ns) / 1e9, 3)},
        tools=tools(),
        made=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    )
    notes = [*prepared.notes(), str(accuracy), *built.notes]
    sender.send("made", manifest=manifest.model_dump_json(), notes=notes)


@contextmanager
def _disk(task: Task) -> Iterator[None]:
    """Turns what the system says of a write into one clear line, in whichever step it was.

    Other things that fail, such as starting a process, are not the folder's fault.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOMEM, errno.EAGAIN):
            raise NotEnoughMemory(
                f"{task.request.source.name}: memory ran out while it was built; "
                "stop other programs"
            ) from error
        written = isinstance(error.filename, str) and Path(error.filename).is_relative_to(
            task.folder
        )
        if error.errno not in _FULL and not written:
            raise
        raise output_error(task.home, error, elsewhere=task.elsewhere) from error
