"""`faceguard selftest`: what this device makes of every configured model, in a file to send."""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import sys
from dataclasses import asdict
from pathlib import Path

from faceguard.convert.commands.engines import add_wanted, wanted_requests
from faceguard.convert.commands.telling import Speaker
from faceguard.convert.engine.publish import FILE_ELSEWHERE
from faceguard.convert.engine.request import Request, tools
from faceguard.convert.files import publish, writing
from faceguard.engines.errors import FaceguardError
from faceguard.engines.machine import read_machine

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
        "--seconds", type=float, default=_FOR_S, metavar="S", help="time each for so long (3)"
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
    code = 0
    rows = []
    for request in wanted_requests(options):
        try:
            tested = selftest(request, for_s=options.seconds, say=speaker.say, quiet=options.quiet)
        except FaceguardError as error:
            sys.stderr.write(f"faceguard: {error}\n")
            rows.append({"name": request.source.name, "error": _without_paths(error, request)})
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
    text = json.dumps(report, indent=2) + "\n"
    if to_stdout:
        sys.stdout.write(text)
    else:
        place = options.out or Path(f"faceguard-selftest-{_stamp()}.json")
        _write(place, text)
        sys.stdout.write(f"report: {place}\n")
    return code


def _write(place: Path, text: str) -> None:
    with writing(place.parent, elsewhere=FILE_ELSEWHERE):
        draft = place.with_name(f".{place.name}.part")
        draft.write_text(text, encoding="utf-8")
        publish(draft, place)


def _stamp() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d-%H%M%S")


def _without_paths(error: FaceguardError, request: Request) -> str:
    """The error without the folder that the model lies in: it may tell a user's name."""
    return str(error).replace(str(request.source.path.parent), "...").replace(str(Path.home()), "~")
