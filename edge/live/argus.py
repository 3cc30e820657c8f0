"""Restarting nvargus-daemon, through which CSI cameras come on a Jetson.

When it hangs, no client gets a frame until it is restarted; nothing that a client does helps.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

COMMAND = ("systemctl", "--no-ask-password", "restart", "nvargus-daemon")
_LIMIT_S = 20.0
_MOST_AN_HOUR = 3
_HOUR_S = 3600.0
_MOST_SAID = 2000
_OFF = "or set supervision.restart_argus to false"
_SYSTEMD = "run where systemd is"
_RIGHTS_MEND = f"allow this service's user to restart it by a polkit rule, run it as root, {_OFF}"
# What systemctl says, and what to do about it.
_MENDS = (
    ("authentication", _RIGHTS_MEND),
    ("access denied", _RIGHTS_MEND),
    ("permission", _RIGHTS_MEND),
    ("not found", f"this system has no such unit: install the Jetson's camera packages, {_OFF}"),
    ("not loaded", f"this system has no such unit: install the Jetson's camera packages, {_OFF}"),
)


@dataclass(frozen=True)
class Attempt:
    """What came of trying.

    Attributes:
        restarted: Whether the daemon was restarted.
        says: Why not, in one line; empty where there is nothing new to say.
    """

    restarted: bool
    says: str = ""


class ArgusRestarter:
    """Restarts the daemon, three times in any hour at most.

    Whether it is allowed and called for is the caller's to know.
    """

    def __init__(
        self,
        *,
        command: Sequence[str] = COMMAND,
        limit_s: float = _LIMIT_S,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Sets up; nothing runs yet.

        Args:
            command: What restarts it, found through PATH.
            limit_s: How long that may take.
            clock_s: Monotonic seconds; for tests.
        """
        self._command = tuple(command)
        self._limit_s = limit_s
        self._clock_s = clock_s
        self._tried_s: deque[float] = deque(maxlen=_MOST_AN_HOUR)
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._cancelled = False
        self._told = ""

    def restart(self) -> Attempt:
        """Restarts the daemon, unless that was tried three times within the hour.

        Waits for it, for `limit_s` at most. Never raises for what the command does.
        """
        now_s = self._clock_s()
        if len(self._tried_s) == _MOST_AN_HOUR and now_s - self._tried_s[0] < _HOUR_S:
            return self._not("limit", "was tried three times within the hour; leaving it as it is")
        self._tried_s.append(now_s)
        trouble = self._run()
        if self._cancelled:
            return Attempt(restarted=False)
        if trouble is not None:
            return self._not(*trouble)
        self._told = ""
        return Attempt(restarted=True)

    def cancel(self) -> None:
        """Ends a restart that is under way in another thread; none begins any more."""
        with self._lock:
            self._cancelled = True
            if self._child is not None:
                _kill(self._child)

    def _run(self) -> tuple[str, str] | None:
        """Runs the command; what went wrong, as a key and in words."""
        try:
            # A file and not a pipe: what the command leaves running may hold a pipe for ever.
            with tempfile.TemporaryFile() as said:
                child = self._begin(said.fileno())
                if child is None:
                    return None
                code = self._wait(child)
                said.seek(0)
                text = said.read(_MOST_SAID).decode("utf-8", "replace")
        except OSError as error:
            why = os.strerror(error.errno or 0)
            return "start", f"failed: {self._command[0]} cannot be run ({why}); {_SYSTEMD}, {_OFF}"
        if code is None:
            return "late", f"took more than {self._limit_s:g} s; the camera is tried all the same"
        return None if code == 0 else _failed(code, text)

    def _wait(self, child: subprocess.Popen[bytes]) -> int | None:
        """The command's exit code; None where it took too long and was ended."""
        try:
            return child.wait(self._limit_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with self._lock:
                self._child = None
                _kill(child)
            child.wait()

    def _begin(self, errors_fd: int) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._cancelled:
                return None
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors_fd,
                env={**os.environ, "LC_ALL": "C"},
                # A group of its own, so that whatever it starts ends with it.
                start_new_session=True,
            )
            return self._child

    def _not(self, key: str, says: str) -> Attempt:
        """Not restarted; says so once, until something else is the matter."""
        known, self._told = self._told == key, key
        return Attempt(restarted=False, says="" if known else f"restarting nvargus-daemon {says}")


def _kill(child: subprocess.Popen[bytes]) -> None:
    """Ends a child that still runs, with all that it started."""
    if child.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def _failed(code: int, said: str) -> tuple[str, str]:
    first = (said.strip().splitlines() or [f"exit code {code}"])[0][:200].rstrip(". ")
    for sign, mend in _MENDS:
        if sign in said.lower():
            return sign, f"failed ({first}); {mend}"
    return "failed", f"failed ({first}); see `systemctl status nvargus-daemon`, {_OFF}"
