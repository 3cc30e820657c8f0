"""`faceguard engines`: builds what a configuration asks for, and keeps the store in order."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

from faceguard.convert.commands.telling import Speaker, made_lines, seconds, size, targets
from faceguard.convert.engine.make import Made, find_made, make_engine
from faceguard.convert.engine.request import TIMEOUT_S, Request, request_for
from faceguard.engines.engine_store import Stored, stored_engines
from faceguard.engines.errors import FaceguardError, ModelError, OutputError, UsageError
from faceguard.engines.machine import read_machine
from faceguard.engines.manifest import check_whole
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
        "prune", help="remove what this machine's GPU cannot run, and what is damaged"
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


def wanted_requests(options: argparse.Namespace, *, force: bool = False) -> list[Request]:
    """What is to be built, all looked up before anything is done.

    Raises:
        FaceguardError: A configuration, model or setting that cannot be used.
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
    machine = read_machine()
    requests = [
        request_for(
            line,
            machine,
            backend=options.backend,
            targets=options.target,
            timeout_s=options.timeout,
            force=force,
        )
        for line in lines
    ]
    if options.target and not any(request.targets for request in requests):
        raise UsageError(
            f"--target is for --backend tensorrt-rtx; here it would be {requests[0].backend}: "
            "add --backend tensorrt-rtx"
        )
    return requests


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
    for request in wanted_requests(options, force=options.force):
        try:
            made = _made(request, speaker, quiet=options.quiet)
        except OutputError:
            raise  # the next would fail alike
        except FaceguardError as error:
            sys.stderr.write(f"faceguard: {error}\n")
            documents.append({"name": request.source.name, "error": str(error)})
            code = code or error.exit_code
            continue
        documents.append(made.facts())
        if not options.json:
            sys.stdout.write("\n".join(made_lines(made)) + "\n")
            sys.stdout.flush()
    if options.json:
        sys.stdout.write(json.dumps(documents, indent=2) + "\n")
    return code


def _made(request: Request, speaker: Speaker, *, quiet: bool) -> Made:
    found = None if request.force else find_made(request)
    return found or make_engine(request, say=speaker.say, quiet=quiet)


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
    for engine in stored_engines(machine):
        if engine.wrong is None:
            continue
        if machine.gpu is None and _is_for_a_gpu(engine):
            # A driver that hangs must not cost a device all its engines, nor is a builder's
            # work for GPUs elsewhere stale.
            sys.stdout.write(f"kept {engine.folder.name}: {engine.wrong}\n")
            continue
        try:
            shutil.rmtree(engine.folder)
        except OSError as error:
            raise OutputError(
                f"{engine.folder}: cannot be removed ({error.strerror}); remove it as its owner"
            ) from error
        sys.stdout.write(f"removed {engine.folder.name}: {engine.wrong}\n")
    return 0


def _is_for_a_gpu(engine: Stored) -> bool:
    """Whether it is whole, and only lacks a GPU to run on."""
    if engine.manifest is None or engine.manifest.backend == "onnx":
        return False
    try:
        check_whole(engine.folder / engine.manifest.file)
    except ModelError:
        return False
    return True
