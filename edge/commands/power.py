"""`faceguard power`: a Jetson's power modes, what it draws, which mode is right, and setting it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faceguard.edge.heat.modes.nvpmodel import Limits

HELP = "Shows a Jetson's power modes and what it draws, proposes a mode, and sets one."

_WIDTH = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares show, which is the default, and set."""
    parser.epilog = (
        "Exit codes: 0 shown (also where there are no power modes), or set and seen to hold for "
        "5 s; 1 not set, did not hold, or no Jetson; 2 the board has no such mode; 11 the board "
        "takes this mode only when it starts, and was not restarted."
    )
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    group = parser.add_subparsers(dest="action", metavar="ACTION")
    setting = group.add_parser(
        "set",
        help="set a mode by its name, and see that it holds; needs root, never restarts the board",
        epilog=parser.epilog,
    )
    setting.add_argument("mode", metavar="MODE", help="15W, 25W, MAXN_SUPER ...")
    # Left out, it shall not undo `power --json set`.
    setting.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="as JSON, for programs"
    )


def run(options: argparse.Namespace) -> int:
    """Shows, or sets.

    Args:
        options: From `add_arguments`.

    Returns:
        0; what goes wrong is raised.

    Raises:
        UsageError: The board has no mode of this name.
        PowerModeError: The mode could not be set, or did not hold.
    """
    root = Path("/")
    if options.action == "set":
        return put(options.mode, root, as_json=options.json)
    return show(root, as_json=options.json)


def show(root: Path, *, as_json: bool, limit_s: float = 1.0) -> int:
    """Writes what is known to standard output.

    Args:
        root: Where `proc`, `sys`, `etc` and `var` are.
        as_json: Whether to write it for programs.
        limit_s: How long the sensors may take.

    Returns:
        0, also on a machine that is no Jetson.
    """
    told = _told(root, limit_s)
    if as_json:
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    elif told["board"] is None:
        sys.stdout.write("this is no Jetson: it has no power modes to show or set\n")
    else:
        sys.stdout.writelines(f"{name.ljust(_WIDTH)}{text}\n" for name, text in _rows(told))
    return 0


def put(name: str, root: Path, *, as_json: bool, limits: Limits | None = None) -> int:
    """Sets a mode and says what came of it.

    Args:
        name: Of the mode.
        root: Where `proc`, `etc` and `var` are.
        as_json: Whether to say it for programs.
        limits: How long things may take; None for what suits a Jetson.

    Returns:
        0.

    Raises:
        UsageError: The board has no mode of this name.
        PowerModeError: This is no Jetson, or the mode could not be set, or did not hold.
    """
    # Here and not above: `faceguard --help` shall not load all this.
    from faceguard.edge.doctor.jetson import read_jetson
    from faceguard.edge.heat.modes.nvpmodel import set_mode
    from faceguard.engines.errors import PowerModeError

    if read_jetson(root) is None:
        raise PowerModeError("this is no Jetson: it has no power modes to show or set")
    done = set_mode(name, root, limits)
    before = None if done.before is None else done.before.name
    if as_json:
        sys.stdout.write(json.dumps({"mode": done.mode.name, "before": before}) + "\n")
    elif before == done.mode.name:
        sys.stdout.write(f"{done.mode.name} was in force already\n")
    else:
        sys.stdout.write(f"{done.mode.name} is in force and holds; before: {before or 'unknown'}\n")
    return 0


def _told(root: Path, limit_s: float) -> dict[str, Any]:
    """Everything as plain values."""
    from faceguard.edge.doctor.heat import proposal
    from faceguard.edge.doctor.jetson import read_jetson
    from faceguard.edge.heat.modes.power_mode import read_mode, read_modes
    from faceguard.edge.heat.reading import Survey
    from faceguard.edge.heat.sensing.sensors import read_once

    board = read_jetson(root)
    survey = Survey() if board is None else read_once(root, limit_s)
    modes, present = read_modes(root), read_mode(root)
    proposed = None if board is None else proposal(survey, root, board)
    return {
        "board": None if board is None else board.model,
        "mode": None if present is None else present.name,
        "default": None if modes.default is None else modes.default.name,
        "modes": [
            {"name": mode.name, "id": mode.id, "cores_off": mode.cores_off} for mode in modes.all
        ],
        "draw_w": {name: sensed.value for name, sensed in survey.rails_w.items()},
        "throttling": list(survey.throttling),
        "over_current": survey.over_current.value,
        "proposal": {
            "mode": None if proposed is None else proposed.mode,
            "reason": "this is no Jetson" if proposed is None else proposed.reason,
        },
    }


def _rows(told: dict[str, Any]) -> list[tuple[str, str]]:
    """What is told, for people."""
    from faceguard.edge.heat.modes.nvpmodel import again

    rows = [("board", told["board"])]
    for number, mode in enumerate(told["modes"]):
        rows.append(("modes" if number == 0 else "", _mode_words(mode, told)))
    if not told["modes"]:
        rows.append(("modes", "unknown: /etc/nvpmodel.conf is not there or names none"))
    draw = [f"{rail} {_watts(watts)}" for rail, watts in told["draw_w"].items()]
    rows.append(("draw", ", ".join(draw) or "unknown"))
    counted = told["over_current"]
    rows.append(("throttling", ", ".join(told["throttling"]) or "none now"))
    rows.append(
        (
            "",
            "over-current: " + ("unknown" if counted is None else f"{counted:.0f} since the start"),
        )
    )
    proposed = told["proposal"]
    rows.append(("proposal", f"{proposed['mode'] or 'none'}: {proposed['reason']}"))
    if proposed["mode"] not in (None, told["mode"]):
        rows.append(("set it with", again(proposed["mode"])))
    return rows


def _mode_words(mode: dict[str, Any], told: dict[str, Any]) -> str:
    words = f"{'*' if mode['name'] == told['mode'] else ' '} {mode['name']}"
    if mode["cores_off"]:
        words += f", {mode['cores_off']} CPU cores off"
    if mode["name"] == told["default"]:
        words += ", default"
    return words + (" (in force)" if mode["name"] == told["mode"] else "")


def _watts(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f} W"
