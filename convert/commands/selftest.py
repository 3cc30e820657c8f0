"""`faceguard selftest`: what this device makes of every configured model, in a file to send."""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import stat
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from faceguard.convert.commands.engines import add_wanted, wanted_requests
from faceguard.convert.commands.telling import Speaker, seconds
from faceguard.convert.commands.without_paths import without_paths
from faceguard.convert.engine.publish import FILE_ELSEWHERE
from faceguard.convert.engine.request import tools
from faceguard.convert.files import publish, writing
from faceguard.engines.errors import FaceguardError, OutputError, UsageError
from faceguard.engines.machine import Machine, read_machine

HELP = "Builds, proves and times every configured model on this device; writes a report."

_FOR_S = 3.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    add_wanted(parser)
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        metavar="FILE",
        help="the report (faceguard-selftest-TIME.json in this folder); '-' for stdout",
    )
    parser.add_argument(
        "--seconds", type=seconds, default=_FOR_S, metavar="S", help="time each for so long (3)"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")


def run(options: argparse.Namespace) -> int:
    """Does what was asked.

    Args:
        options: From `add_arguments`.

    Returns:
        0, or the exit code of the first model that failed.

    Raises:
        FaceguardError: Nothing could be tested, or the report cannot be written.
    """
    # Only here: it loads all of the converter.
    from faceguard.convert.selftest.tested import selftest

    speaker = Speaker(quiet=options.quiet)
    to_stdout = options.out == Path("-")
    place = options.out or Path(f"faceguard-selftest-{_stamp()}.json")
    if not to_stdout:
        _check(place)
    machine = read_machine()
    _check_targets(options.target, machine)
    code = 0
    rows: list[dict[str, Any]] = []
    folders: list[Path] = []
    for line, request in wanted_requests(options, machine):
        folders += [line.calibration] if line.calibration else []
        error: FaceguardError | None
        if isinstance(request, FaceguardError):
            error = request
            rows.append({"name": line.model, "error": str(error)})
        else:
            tested = selftest(request, for_s=options.seconds, say=speaker.say, quiet=options.quiet)
            error = tested.error
            rows.append(tested.facts())
            if not to_stdout:
                sys.stdout.writelines(f"{told}\n" for told in tested.lines())
                sys.stdout.flush()
        if error is not None:
            sys.stderr.write(f"faceguard: {error}\n")
            code = code or error.exit_code
    report = {
        "made": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": {
            **asdict(machine),
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "python": platform.python_version(),
        },
        "tools": tools(),
        "models": rows,
    }
    folders += [options.config.parent] if options.config else []
    text = json.dumps(without_paths(report, folders), indent=2) + "\n"
    if to_stdout:
        sys.stdout.write(text)
    else:
        _write(place, text)
        sys.stdout.write(f"report: {place}\n")
    return code


def _check_targets(targets: tuple[str, ...], machine: Machine) -> None:
    """Before minutes of work: will what is built run here?"""
    gpu = machine.gpu
    here = "sm{}{}".format(*gpu.compute_capability) if gpu is not None else None
    if targets and here not in targets:
        raise UsageError(
            f"--target {','.join(targets)}: the selftest runs its engines, and here is "
            f"{here or 'no GPU'}; leave it out, or build with `faceguard engines build`"
        )


def _check(place: Path) -> None:
    """Before minutes of work: can the report be written?"""
    with writing(place.parent, elsewhere=FILE_ELSEWHERE):
        if stat.S_ISDIR(place.parent.stat().st_mode) and place.is_dir():
            raise OutputError(f"{place}: a folder stands there; {FILE_ELSEWHERE}")
        draft = _draft(place)
        draft.touch()
        draft.unlink()


def _write(place: Path, text: str) -> None:
    draft = _draft(place)
    try:
        with writing(place.parent, elsewhere=FILE_ELSEWHERE):
            draft.write_text(text, encoding="utf-8")
            publish(draft, place)
    finally:
        draft.unlink(missing_ok=True)


def _draft(place: Path) -> Path:
    return place.with_name(f".{place.name}.part")


def _stamp() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d-%H%M%S")
