"""From a model's file to an engine that is proven: the whole way, one step after another."""

from __future__ import annotations

import stat
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceguard.convert.engine.publish import FILE_ELSEWHERE, STORE_ELSEWHERE, Draft, lock_build
from faceguard.convert.files import output_error
from faceguard.engines.engine_store import engine_file, engines_folder, find_built
from faceguard.engines.errors import ModelError, OutputError, OutputExists
from faceguard.engines.manifest import EngineManifest, check_whole, read_manifest

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
    return None if found is None else _made_before(*found)


def make_engine(request: Request, *, say: Say, quiet: bool = False) -> Made:
    """Makes an engine, proves it and puts it into its place; or finds it made before.

    The work is done in a child process. Ctrl-C and SIGTERM end it within a second; then what the
    signal's handler raised is raised here.

    Args:
        request: What is asked for; its `timeout_s` is for all of the work.
        say: Told one line for each step that may last, and every ten seconds while one does.
        quiet: Whether to show no progress of the build.

    Returns:
        The engine. Whatever was not proven is nowhere.

    Raises:
        ConvertError: The graph cannot become this engine, or the result is not as good as it;
            also where the work crashed, took too long, or ran out of memory.
        OutputError: The engine's place cannot be written.
        UsageError: Shapes that do not fit the graph.
        InputError: Calibration or golden pictures that cannot be read.
        MissingPackage: A package that this takes is not installed.
    """
    if not request.force and (found := find_made(request)) is not None:
        return found
    with ExitStack() as held:
        if request.out is None:
            home, elsewhere, lock = engines_folder(), STORE_ELSEWHERE, request.folder_name
        else:
            check_place(request.out)
            home, elsewhere, lock = request.out.parent, FILE_ELSEWHERE, request.out.name
        held.enter_context(
            lock_build(home, lock, say=say, limit_s=request.timeout_s, elsewhere=elsewhere)
        )
        # Whoever held the lock before may have built the same.
        if not request.force and (found := find_made(request)) is not None:
            return found
        draft = held.enter_context(Draft(home, elsewhere=elsewhere))
        return _make(request, draft, say=say, quiet=quiet)


def _make(request: Request, draft: Draft, *, say: Say, quiet: bool) -> Made:
    # Only here: an engine that stands there already can do without.
    from faceguard.convert.engine.work import Task, work

    done = work(Task(request, draft.folder, draft.home, draft.elsewhere), say=say, quiet=quiet)
    if request.out is None:
        engine = draft.into_store(engines_folder() / request.folder_name, done.manifest)
        return Made(engine, done.manifest, fresh=True, notes=done.notes)
    # Minutes have gone by, and not everyone who writes files takes our lock.
    check_place(request.out)
    if not request.force and (found := _standing(request, request.out)) is not None:
        return found
    built = draft.folder / engine_file(request.backend)
    engine = draft.into_file(built, request.out, done.manifest)
    return Made(engine, done.manifest, fresh=True, notes=done.notes)


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
    return _made_before(out, manifest)


def _made_before(engine: Path, manifest: EngineManifest) -> Made:
    """With the note that counts as long as the engine does: it may be slower than need be."""
    given_mb, wanted_mb = (
        manifest.build.get(key, 0.0) for key in ("workspace_mb", "workspace_wanted_mb")
    )
    if not 0 < given_mb < wanted_mb:
        return Made(engine, manifest, fresh=False)
    lowered = (
        f"built when little memory was free, with a workspace of {given_mb:.0f} MB in place of "
        f"{wanted_mb:.0f} MB; --force builds it anew"
    )
    return Made(engine, manifest, fresh=False, notes=(lowered,))


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
