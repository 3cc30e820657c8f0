"""`faceguard engines`: builds what a configuration asks for, and keeps the store in order."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from faceguard.convert.build.request import check_targets
from faceguard.convert.commands.telling import Speaker, made_lines, seconds, size, targets
from faceguard.convert.engine.configured import request_for
from faceguard.convert.engine.make import find_made, make_engine
from faceguard.convert.engine.publish import lock_build
from faceguard.convert.engine.request import TIMEOUT_S, Request
from faceguard.convert.files import writing
from faceguard.engines.catalogue import read_catalogue
from faceguard.engines.engine_store import Stored, look_at, stored_engines
from faceguard.engines.errors import BuildFailed, FaceguardError, OutputError, UsageError
from faceguard.engines.machine import Machine, read_machine
from faceguard.engines.spec import BACKENDS, PRECISIONS, Precision
from faceguard.engines.wanted import Wanted, read_wanted

HELP = "Builds the engines that a configuration names, lists them, removes old ones."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares build, list and prune."""
    group = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = group.add_parser("build", help="build what is missing or stale; skip the rest")
    add_wanted(build)
    build.add_argument("--force", action="store_true", help="build what is up to date, too")
    build.add_argument("--json", action="store_true", help="tell the results as JSON")
    build.add_argument("-q", "--quiet", action="store_true", help="no progress")
    build.set_defaults(act=_build)
    listing = group.add_parser("list", help="what is built, and whether it runs here")
    listing.add_argument("--json", action="store_true", help="as JSON, for programs")
    listing.set_defaults(act=_list)
    prune = group.add_parser(
        "prune", help="remove what is damaged, and what this machine built before it changed"
    )
    prune.set_defaults(act=_prune)


def add_wanted(parser: argparse.ArgumentParser) -> None:
    """Declares how to say which engines; see `wanted_requests`."""
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help="models; none: those of the configuration"
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="a configuration with a list `engines:`"
    )
    parser.add_argument(
        "--precision", choices=PRECISIONS, help="in place of the configuration's, for all"
    )
    parser.add_argument("--backend", choices=BACKENDS, help="what runs them (best of this machine)")
    parser.add_argument(
        "--target",
        type=targets,
        default=(),
        metavar="sm86,...",
        help="GPUs to build for, with tensorrt-rtx",
    )
    parser.add_argument(
        "--timeout", type=seconds, default=TIMEOUT_S, metavar="S", help="give one up after (1800)"
    )


def wanted_requests(
    options: argparse.Namespace, machine: Machine, *, force: bool = False
) -> list[tuple[Wanted, Request | FaceguardError]]:
    """What is to be built, all looked up before anything is done.

    Args:
        options: From `add_wanted`.
        machine: This one.
        force: Whether to build what is up to date.

    Returns:
        Each line that was asked for, and its request, or why there can be none: that is no reason
        not to build the others.

    Raises:
        FaceguardError: A configuration, catalogue or setting that cannot be used.
    """
    lines = list(read_wanted(options.config))
    if options.models:
        # A model's lines in the configuration say its shapes, where it has some.
        named = [
            [line for line in lines if line.model == name] or [Wanted(model=name)]
            for name in dict.fromkeys(options.models)
        ]
        lines = [line for some in named for line in some]
    if options.precision:
        lines = [_in_precision(line, options.precision) for line in lines]
    catalogue = read_catalogue()
    check_targets(options.target)

    def looked_up(line: Wanted) -> Request | FaceguardError:
        try:
            return request_for(
                line,
                machine,
                backend=options.backend,
                targets=options.target,
                timeout_s=options.timeout,
                force=force,
                catalogue=catalogue,
            )
        except FaceguardError as error:
            return error

    found = [(line, looked_up(line)) for line in lines]
    requests = [request for _, request in found if isinstance(request, Request)]
    if options.target and requests and not any(request.targets for request in requests):
        raise UsageError(
            f"--target is for --backend tensorrt-rtx; here it would be {requests[0].backend}: "
            "add --backend tensorrt-rtx"
        )
    return found


def _in_precision(line: Wanted, precision: Precision) -> Wanted:
    if precision == "int8" and line.calibration is None:
        raise UsageError(
            f"{line.model}: int8 needs pictures; give it a line in a --config with "
            "`precision: int8` and `calibration: FOLDER`"
        )
    calibration = line.calibration if precision == "int8" else None
    return line.model_copy(update={"precision": precision, "calibration": calibration})


def run(options: argparse.Namespace) -> int:
    """Does what was asked.

    Args:
        options: From `add_arguments`.

    Returns:
        The exit code.

    Raises:
        FaceguardError: A configuration, model or setting that cannot be used.
    """
    code: int = options.act(options)
    return code


def _build(options: argparse.Namespace) -> int:
    speaker = Speaker(quiet=options.quiet)
    code = 0
    documents = []
    for line, request in wanted_requests(options, read_machine(), force=options.force):
        try:
            if isinstance(request, FaceguardError):
                raise request
            made = find_made(request) if not request.force else None
            made = made or make_engine(request, say=speaker.say, quiet=options.quiet)
        except FaceguardError as error:
            sys.stderr.write(f"faceguard: {error}\n")
            documents.append({"name": line.model, "error": str(error)})
            code = code or error.exit_code
            if isinstance(error, OutputError):
                break  # the next would fail alike
            continue
        documents.append(made.facts())
        if not options.json:
            sys.stdout.write("\n".join(made_lines(made)) + "\n")
            sys.stdout.flush()
    if options.json:
        sys.stdout.write(json.dumps(documents, indent=2) + "\n")
    return code


def _list(options: argparse.Namespace) -> int:
    stored = list(stored_engines(read_machine()))
    if options.json:
        rows = [
            {
                "folder": str(engine.folder),
                "runs_here": engine.wrong is None,
                "wrong": engine.wrong,
                "manifest": engine.manifest.model_dump(mode="json") if engine.manifest else None,
            }
            for engine in stored
        ]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return 0
    if not stored:
        sys.stdout.write("no engines yet: run `faceguard engines build`\n")
    for engine in stored:
        sys.stdout.write(_row(engine) + "\n")
    return 0


def _row(engine: Stored) -> str:
    manifest = engine.manifest
    if manifest is None:
        return f"{engine.folder.name}  {engine.wrong}"
    ready = f"ready: {engine.folder / manifest.file}"
    state = ready if engine.wrong is None else f"cannot be used here: {engine.wrong}"
    shapes = " ".join(_shapes(note.minimum, note.maximum) for note in manifest.inputs)
    return (
        f"{manifest.name}  {manifest.precision}  {manifest.backend}  {shapes}  "
        f"{size(manifest.bytes)}  {state}"
    )


def _shapes(least: tuple[int | None, ...], most: tuple[int | None, ...]) -> str:
    low, high = ("x".join(map(str, shape)) for shape in (least, most))
    return low if low == high else f"{low}..{high}"


def _prune(_options: argparse.Namespace) -> int:
    machine = read_machine()
    code = 0
    for engine in list(stored_engines(machine)):
        if engine.wrong is None:
            continue
        try:
            for line in _pruned(engine, machine):
                sys.stdout.write(line + "\n")
        except OutputError as error:
            # A store of somebody else's is no reason to leave one's own full.
            sys.stderr.write(f"faceguard: {error}\n")
            code = code or error.exit_code
    return code


def _pruned(engine: Stored, machine: Machine) -> Iterator[str]:
    """Removes one engine if nobody misses it; says what became of it."""
    name = engine.folder.name
    if not engine.useless:
        yield f"kept {name}: {engine.wrong}"
        return
    store = engine.folder.parent
    try:
        held = lock_build(store, name, say=lambda _: None, limit_s=0)
    except BuildFailed:
        yield f"kept {name}: a build of it is at work"
        return
    with held:
        # It may have been built anew since it was looked at.
        now = look_at(engine.folder, machine)
        if now is None or not now.useless:
            return
        with writing(store, elsewhere=f"remove {engine.folder} as its owner"):
            shutil.rmtree(engine.folder)
        yield f"removed {name}: {now.wrong}"
