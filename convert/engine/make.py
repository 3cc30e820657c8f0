"""From a model's file to an engine that is proven: the whole way, one step after another."""

from __future__ import annotations

import datetime
import stat
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceguard.convert.engine.publish import FILE_ELSEWHERE, STORE_ELSEWHERE, Draft, lock_build
from faceguard.convert.engine.request import tools
from faceguard.convert.files import output_error
from faceguard.engines.engine_store import engine_file, engines_folder, find_built
from faceguard.engines.errors import ModelError, OutputError, OutputExists
from faceguard.engines.manifest import EngineManifest, check_whole, read_manifest
from faceguard.engines.store import sha256_of

if TYPE_CHECKING:
    from faceguard.convert.engine.request import Request

Say = Callable[[str], None]


@dataclass(frozen=True)
class Made:
    """An engine that can be trusted.

    Attributes:
        engine: Its file.
        manifest: What is known of it.
        fresh: Whether it was built now; otherwise it stood there already.
        notes: What a user should know of it, one line each.
    """

    engine: Path
    manifest: EngineManifest
    fresh: bool
    notes: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            "engine": str(self.engine),
            "built": self.fresh,
            "notes": list(self.notes),
            **self.manifest.model_dump(mode="json"),
        }


def find_made(request: Request) -> Made | None:
    """The engine, where one was made before from just the same; quick, and nothing is written.

    Args:
        request: What is asked for.

    Raises:
        OutputExists: Something else stands at the file that the user names.
        OutputError: No engine can stand there.
    """
    if request.out is not None:
        check_place(request.out)
        return _standing(request, request.out)
    found = find_built(request.source.name, request.precision, request.backend, request.key)
    return None if found is None else Made(*found, fresh=False)


def make_engine(request: Request, *, say: Say, quiet: bool = False) -> Made:
    """Makes an engine, proves it and puts it into its place; or finds it made before.

    Args:
        request: What is asked for.
        say: Told one line for each step that may last.
        quiet: Whether to show no progress of the build.

    Returns:
        The engine. Whatever was not proven is nowhere.

    Raises:
        ConvertError: The graph cannot become this engine, or the result is not as good as it.
        OutputError: The engine's place cannot be written.
        UsageError: Shapes that do not fit the graph.
        InputError: Calibration or golden pictures that cannot be read.
        MissingPackage: A package that this takes is not installed.
    """
    if not request.force and (found := find_made(request)) is not None:
        return found
    with ExitStack() as held:
        if request.out is None:
            store = engines_folder()
            held.enter_context(
                lock_build(store, request.folder_name, say=say, limit_s=request.timeout_s)
            )
            # Whoever held the lock before may have built the same.
            if not request.force and (found := find_made(request)) is not None:
                return found
            draft = held.enter_context(Draft(store, elsewhere=STORE_ELSEWHERE))
        else:
            check_place(request.out)
            draft = held.enter_context(Draft(request.out.parent, elsewhere=FILE_ELSEWHERE))
        return _make(request, draft, say=say, quiet=quiet)


def _make(request: Request, draft: Draft, *, say: Say, quiet: bool) -> Made:
    # Only here: these load what an engine that stands there already can do without.
    from faceguard.convert.engine.backend import build, judge
    from faceguard.convert.engine.prepared import prepare_graph

    begun_ns = time.monotonic_ns()
    name = request.source.name
    say(f"{name}: preparing the {request.precision} graph")
    with draft.writing():
        prepared = prepare_graph(request, draft.folder)
        built = build(request, prepared, draft.folder / engine_file(request.backend), quiet=quiet)
    say(f"{name}: comparing with the FP32 graph")
    accuracy = judge(request, prepared, built.engine)
    manifest = EngineManifest(
        name=name,
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
    if request.out is not None:
        engine = draft.into_file(built.engine, request.out, manifest)
    else:
        engine = draft.into_store(engines_folder() / request.folder_name, manifest)
    notes = (*prepared.notes(), str(accuracy), *built.notes)
    return Made(engine, manifest, fresh=True, notes=notes)


def _standing(request: Request, out: Path) -> Made | None:
    """What stands at the file that the user names: the same engine, nothing, or something else."""
    note = out.with_name(f"{out.name}.json")
    taken = next((path for path in (out, note) if path.exists()), None)
    if taken is None:
        return None
    try:
        manifest: EngineManifest | None = read_manifest(note)
        if taken == note:
            return None  # the paper of an engine that is gone
        manifest = check_whole(out)
    except ModelError:
        manifest = None
    if manifest is None or manifest.key != request.key:
        raise OutputExists(f"{taken}: something else stands there; use --force to replace it")
    return Made(out, manifest, fresh=False)


def check_place(out: Path) -> None:
    """Before anything is built: can the file be written at all?

    Args:
        out: What the user names.

    Raises:
        OutputError: It cannot; nothing that is no plain file is ever replaced.
    """
    for path in (out, out.with_name(f"{out.name}.json")) if out.name else (out,):
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            continue
        except OSError as error:
            raise output_error(path, error, elsewhere=FILE_ELSEWHERE) from error
        if stat.S_ISDIR(mode):
            raise OutputError(f"{path}: a folder stands there; {FILE_ELSEWHERE}")
        if not stat.S_ISREG(mode):
            raise OutputError(f"{path}: no plain file stands there; {FILE_ELSEWHERE}")
    if not out.parent.is_dir():
        raise OutputError(f"{out}: its folder does not exist; make the folder first")
