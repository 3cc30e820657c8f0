"""Sets a Jetson's power mode with NVIDIA's `nvpmodel`, and believes only what it reads after."""

from __future__ import annotations

import errno
import os
import re
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from faceguard.edge.heat.modes.power_mode import Mode, read_mode, read_modes
from faceguard.engines.child import Answer, ChildFailed, run_limited
from faceguard.engines.errors import PowerModeError, RestartNeeded, UsageError

PROGRAM = "nvpmodel"

# Users' search paths often go without the folders of what only root runs.
_PLACES = ("usr/sbin", "usr/bin", "sbin")
_ASK_AGAIN_S = 0.5
_LONGEST_WORD = 120

_ASKED_MODE = re.compile(r"^\s*NV Power Mode:\s*(\S+)", re.MULTILINE)
_WANTS_RESTART = re.compile(r"\breboot", re.IGNORECASE)
_NOT_ALLOWED = re.compile(
    rf":\s*(?:{errno.EACCES}|{errno.EPERM})\s*$|permission|not permitted|\broot\b",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True)
class Limits:
    """How long things may take.

    Attributes:
        switch_s: The program may take for a switch, seconds.
        ask_s: It may take to answer which mode is in force.
        hold_s: So long the mode must hold before it is believed.
    """

    switch_s: float = 30.0
    ask_s: float = 10.0
    hold_s: float = 5.0


@dataclass(frozen=True)
class Switched:
    """What came of it.

    Attributes:
        mode: The one in force now.
        before: The one in force before; None where that was not known.
    """

    mode: Mode
    before: Mode | None


def set_mode(name: str, root: Path = Path("/"), limits: Limits | None = None) -> Switched:
    """Sets a mode, and returns only when it was seen to hold.

    Where a mode needs a restart of the board, the program asks on its standard input whether to
    restart now. It finds that closed, so nothing restarts.

    Args:
        name: Of the mode; capitals do not matter.
        root: Where `etc` and `var` are.
        limits: How long things may take; None for what suits a Jetson.

    Returns:
        The mode, and the one before.

    Raises:
        UsageError: The board has no mode of this name.
        RestartNeeded: The board takes the mode only when it starts; nothing was restarted.
        PowerModeError: There are no modes or no program here, or the mode did not hold.
    """
    limits = limits or Limits()
    modes = read_modes(root)
    if not modes.all:
        raise PowerModeError(
            "this machine has no power modes to set: /etc/nvpmodel.conf is not there or names none"
        )
    wanted = modes.by_name(name)
    if wanted is None:
        known = ", ".join(mode.name for mode in modes.all)
        raise UsageError(f"no power mode {_plain(name)!r} on this board; it has {known}")
    places = os.pathsep.join(str(root / place) for place in _PLACES)
    program = shutil.which(PROGRAM) or shutil.which(PROGRAM, path=places)
    if program is None:
        raise PowerModeError(
            f"{PROGRAM} is not here, which sets power modes; from a container, "
            "set the mode outside of it"
        )
    before = read_mode(root)
    if _doubt(program, root, wanted, limits) is None:
        return Switched(wanted, before)
    try:
        answer = run_limited([program, "-m", str(wanted.id)], limit_s=limits.switch_s)
    except ChildFailed as error:
        raise PowerModeError(
            f"{PROGRAM} did not set {wanted.name}: {error}; {_now(root)}; restart the board, "
            "then try again"
        ) from None
    except OSError as error:
        raise PowerModeError(
            f"{PROGRAM} cannot be run: {error.strerror}; run with sudo: {again(wanted.name)}"
        ) from None
    doubt = _watch(program, root, wanted, limits) if answer.code == 0 else _last_word(answer)
    if doubt is not None:
        raise _failure(wanted, answer, doubt, root)
    return Switched(wanted, before)


def again(name: str) -> str:
    """The command that sets a mode, for people; root's search path seldom has ours."""
    return f"sudo $(command -v faceguard) power set {name}"


def asked_mode(program: str, limit_s: float) -> str | None:
    """The name of the mode in force, as the program says; None where it does not say.

    Args:
        program: Its path.
        limit_s: How long it may take.
    """
    try:
        answer = run_limited([program, "-q"], limit_s=limit_s)
    except (ChildFailed, OSError):
        return None
    told = _ASKED_MODE.search(answer.out)
    return None if told is None or answer.code != 0 else _plain(told.group(1))


def _watch(program: str, root: Path, wanted: Mode, limits: Limits) -> str | None:
    """Asks again and again, since a switch may fall back; why the mode is not held, or None."""
    until = time.monotonic() + limits.hold_s
    never = threading.Event()
    while True:
        # The clock first: the last look shall come after the whole time.
        left_s = until - time.monotonic()
        doubt = _doubt(program, root, wanted, limits)
        if doubt is not None or left_s <= 0:
            return doubt
        never.wait(min(_ASK_AGAIN_S, left_s))


def _doubt(program: str, root: Path, wanted: Mode, limits: Limits) -> str | None:
    """None where file and program both say that the mode is in force; else who says otherwise."""
    noted = read_mode(root)
    if noted != wanted:
        return f"its status file says {'nothing' if noted is None else noted.name}"
    asked = asked_mode(program, limits.ask_s)
    if asked is None or asked.upper() != wanted.name.upper():
        return f"{PROGRAM} -q says {asked or 'nothing'}"
    return None


def _failure(wanted: Mode, answer: Answer, doubt: str, root: Path) -> PowerModeError:
    """The error for a switch that came to nothing; what the program wrote only chooses words."""
    written = f"{answer.out}\n{answer.err}"
    if _WANTS_RESTART.search(written):
        return RestartNeeded(
            f"{wanted.name} needs a restart of the board; nothing was restarted, {_now(root)}: "
            f"run sudo {PROGRAM} -m {wanted.id} and answer YES when nobody minds"
        )
    if _NOT_ALLOWED.search(written):
        told = f"{PROGRAM} was not allowed to set {wanted.name} ({_now(root)})"
        return PowerModeError(f"{told}; run with sudo, not in a container: {again(wanted.name)}")
    told = f"{wanted.name} did not hold: {doubt}; {_now(root)}"
    if answer.code != 0:
        told = f"{PROGRAM} did not set {wanted.name} (exit code {answer.code}: {doubt})"
        told += f"; {_now(root)}"
    if os.geteuid() != 0:
        return PowerModeError(f"{told}; run with sudo: {again(wanted.name)}")
    return PowerModeError(
        f"{told}; restart the board and try again, "
        f"or run sudo {PROGRAM} -m {wanted.id} and see what it says"
    )


def _now(root: Path) -> str:
    """What is in force, in words."""
    mode = read_mode(root)
    return "the mode is not known now" if mode is None else f"the mode is {mode.name} now"


def _last_word(answer: Answer) -> str:
    lines = [line.strip() for line in (answer.err + answer.out).splitlines() if line.strip()]
    return _plain(lines[-1])[:_LONGEST_WORD] if lines else "it said nothing"


def _plain(text: str) -> str:
    """Printable ASCII: it goes to a terminal."""
    return "".join(char if " " <= char <= "~" else "?" for char in text)
