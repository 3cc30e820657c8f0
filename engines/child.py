"""Runs what may crash or hang in a process of its own, with a time limit that always holds."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass


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

    @property
    def crash(self) -> str | None:
        """The signal that killed it, by name; None where it ended by itself."""
        return signal_name(-self.code) if self.code < 0 else None


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


def signal_name(number: int) -> str:
    """SIGSEGV for 11, and so on; a number that has no name is told as it is."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


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
