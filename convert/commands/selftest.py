"""`faceguard selftest`: what this device makes of every configured model, in a file to send."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import stat
import sys
from dataclasses import asdict
from pathlib import Path

from faceguard.convert.commands.engines import add_wanted, wanted_requests
from faceguard.convert.commands.telling import Speaker, seconds
from faceguard.convert.engine.publish import FILE_ELSEWHERE
from faceguard.convert.engine.request import tools
from faceguard.convert.files import publish, writing
from faceguard.engines.engine_store import engines_folder
from faceguard.engines.errors import FaceguardError, OutputError
from faceguard.engines.machine import read_machine
from faceguard.engines.store import store_folder

HELP = "Builds, proves and times every configured model on this device; writes a report."

_FOR_S = 3.0
_FOLDERS = re.compile(r"(?<![\w.])/([^/\s:;,'\"]+)/(?:[^/\s:;,'\"]+/)*")


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
    code = 0
    rows = []
    for request in wanted_requests(options):
        try:
            tested = selftest(request, for_s=options.seconds, say=speaker.say, quiet=options.quiet)
        except FaceguardError as error:
            sys.stderr.write(f"faceguard: {error}\n")
            rows.append({"name": request.source.name, "error": str(error)})
            code = code or error.exit_code
            continue
        rows.append(tested.facts())
        if not to_stdout:
            sys.stdout.write("\n".join(tested.lines()) + "\n")
            sys.stdout.flush()
    report = {
        "made": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": {
            **asdict(read_machine()),
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "python": platform.python_version(),
        },
        "tools": tools(),
        "models": rows,
    }
    text = json.dumps(_without_paths(report), indent=2) + "\n"
    if to_stdout:
        sys.stdout.write(text)
    else:
        _write(place, text)
        sys.stdout.write(f"report: {place}\n")
    return code


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


def _without_paths(value: object) -> object:
    """The same without folders in any text: they may tell a user's name."""
    if isinstance(value, dict):
        return {key: _without_paths(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_paths(inner) for inner in value]
    if not isinstance(value, str):
        return value
    # These may hold spaces, so that no pattern would find their end.
    home = Path(os.environ.get("HOME") or "/")
    for folder in (engines_folder(), store_folder(), Path.cwd(), home):
        if folder.name:
            value = value.replace(f"{folder}/", ".../")
    return _FOLDERS.sub(_hidden, value)


def _hidden(found: re.Match[str]) -> str:
    # The names of some models' layers look like paths, but begin with no folder of this machine.
    return ".../" if Path("/", found[1]).exists() else found[0]
