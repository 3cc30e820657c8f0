"""Runs what may crash or hang in a process of its own, with a time limit that always holds."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

MARK = "faceguard-probe:"
_START = (
    # The parent's own path, so that the child finds the very same modules.
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from faceguard.edge.doctor import probes; probes.main(sys.argv[1])"
)


class ChildFailed(Exception):
    """A child that gave no answer; the message says why in one line."""


@dataclass(frozen=True)
class Answer:
    """What a child left behind.

    Attributes:
        code: Its exit code; negative is the signal that killed it.
        out: Its standard output.
        err: Its standard error.
    """

    code: int
    out: str
    err: str


def run_limited(command: list[str], *, limit_s: float) -> Answer:
    """Runs a program, and gives it up after a while.

    `subprocess.run` waits for a killed child to be gone. One that hangs within a driver, which
    is what a broken GPU makes of `nvidia-smi`, cannot be killed; here it is left behind instead.

    Args:
        command: The program and its arguments.
        limit_s: How long to wait.

    Returns:
        What it left.

    Raises:
        ChildFailed: No answer in time.
        OSError: It could not be started.
    """
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Programs speak English and write points, not commas, whatever the user's language.
        env={**os.environ, "LC_ALL": "C", "LANGUAGE": "C"},
        start_new_session=True,
    )
    try:
        out, err = child.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        _kill(child)
        raise ChildFailed(f"no answer within {limit_s:g} s") from None
    except BaseException:
        _kill(child)
        raise
    return Answer(child.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


def ask(probe: str, *, limit_s: float = 60.0) -> dict[str, Any]:
    """Asks one of `probes` in a child process.

    Args:
        probe: Its name.
        limit_s: How long to wait. Loading large libraries from a slow card takes a while.

    Returns:
        What it answered; the key `error` holds why, where it crashed, hung or said nothing.

    Raises:
        OSError: Python could not be started.
    """
    command = [sys.executable, "-c", _START, probe, *sys.path]
    try:
        answer = run_limited(command, limit_s=limit_s)
    except ChildFailed as error:
        return {"error": f"loading it gave {error}"}
    for line in reversed(answer.out.splitlines()):
        if line.startswith(MARK):
            told: dict[str, Any] = json.loads(line[len(MARK) :])
            return told
    if answer.code < 0:
        return {"error": f"loading it crashed ({_signal_name(-answer.code)})"}
    last = (answer.err.strip().splitlines() or ["it said nothing"])[-1]
    return {"error": f"loading it ended with exit code {answer.code}: {last}"}


def _kill(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.communicate(timeout=1)
    for pipe in (child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()
    if child.returncode is None:
        # It cannot be reaped; claiming that it was keeps Python from warning about it at exit.
        child.returncode = -signal.SIGKILL


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
