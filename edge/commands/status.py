"""`faceguard status`: how the running cameras are, in plain words."""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from faceguard.edge.outputs.status import Life, Status, names_in, read_status
from faceguard.edge.outputs.status_words import told, troubles
from faceguard.edge.service.places import runtime_folders

HELP = "Says how the running cameras are."

EXIT_WELL, EXIT_TROUBLE, EXIT_NOT_RUNNING = 0, 1, 3
_AGAIN_S = 1.0
_CLEAR = "\x1b[H\x1b[2J\x1b[3J"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.epilog = (
        "The exit code is 0 when all is well, 1 when something is wrong (no camera, an output "
        "that fails, frames covered whole or held back), 3 when nothing runs."
    )
    parser.add_argument(
        "camera", nargs="?", metavar="NAME", help="of one camera; left out: all that there are"
    )
    parser.add_argument("--name", help="the same")
    parser.add_argument(
        "--folder",
        type=Path,
        help="where the status files are, as outputs.status.folder has it",
    )
    parser.add_argument("--json", action="store_true", help="as JSON, one line, for programs")
    parser.add_argument("--watch", action="store_true", help="again each second, until Ctrl-C")


def run(options: argparse.Namespace) -> int:
    """Reads the status files and tells.

    Args:
        options: From `add_arguments`.

    Returns:
        0, 1 or 3; see the epilog.

    Raises:
        InputError: A status file cannot be read.
    """
    folders, wanted = runtime_folders(options.folder), options.name or options.camera
    never = threading.Event()
    while True:
        found = list(_found(folders, wanted))
        _show(found, folders, wanted, options)
        if not options.watch:
            return _code(found)
        never.wait(_AGAIN_S)


def _found(folders: list[Path], wanted: str | None) -> Iterator[Status]:
    seen = set()
    for folder in folders:
        for name in names_in(folder) if wanted is None else [wanted]:
            status = read_status(folder, name)
            if status is not None and name not in seen:
                seen.add(name)
                yield status


def _show(
    found: list[Status], folders: list[Path], wanted: str | None, options: argparse.Namespace
) -> None:
    if options.json:
        text = json.dumps({status.name: _for_programs(status) for status in found}) + "\n"
    else:
        text = "\n".join(told(status) for status in found) or _nobody(folders, wanted)
    if options.watch and sys.stdout.isatty() and not options.json:
        text = _CLEAR + text
    sys.stdout.write(text)
    sys.stdout.flush()


def _for_programs(status: Status) -> dict[str, object]:
    wrong = troubles(status)
    return {
        "running": status.life is not Life.GONE,
        "well": not wrong,
        "troubles": wrong,
        "age_s": None if status.age_s is None else round(status.age_s, 1),
        "status": dict(status.state),
    }


def _nobody(folders: list[Path], name: str | None) -> str:
    who = "no camera is running" if name is None else f"{name} is not running"
    looked = ", ".join(str(folder) for folder in folders)
    unit = f"faceguard@{name or 'NAME'}"
    return (
        f"{who} here (looked in {looked})\n"
        f"start it: faceguard run --config FILE, or as a service: systemctl start {unit}\n"
    )


def _code(found: list[Status]) -> int:
    if all(status.life is Life.GONE for status in found):
        return EXIT_NOT_RUNNING
    return EXIT_TROUBLE if any(troubles(status) for status in found) else EXIT_WELL
