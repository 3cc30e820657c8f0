"""Watches over a child: passes on what it says, knows when it is enough, and what its end meant."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path
from typing import Protocol

from faceguard.convert.child.process import REAP_S, Child
from faceguard.convert.child.signals import HeldSignals
from faceguard.convert.child.wire import Message
from faceguard.engines.child import signal_name
from faceguard.engines.errors import BuildFailed, FaceguardError, NotEnoughMemory

_TICK_S = 0.25
_LEAST_WAIT_S = 0.01
_EXIT_GRACE_S = 5.0


class Hearer(Protocol):
    """Takes what a child says."""

    def take(self, message: Message) -> None:
        """One message."""
        ...

    def tick(self) -> None:
        """Comes several times a second."""
        ...

    def stopping(self, *, time_up: bool) -> float:
        """The child is asked to end.

        Args:
            time_up: Because its time is up; otherwise a signal wants it.

        Returns:
            How long it may take for that, in seconds; then it is killed.
        """
        ...


class Watch:
    """One child's life.

    Attributes:
        took_s: From the start to the end of `run`.
    """

    def __init__(self, timeout_s: float | None) -> None:
        """Begins to count.

        Args:
            timeout_s: The longest that the child may take; None for as long as it takes.
        """
        self.took_s = 0.0
        self._timeout_s = timeout_s
        self._started_s = time.monotonic()
        self._oom_kills = _oom_kills()
        self._kill_at_s: float | None = None
        self._time_up = False

    def run(self, child: Child, hearer: Hearer, held: HeldSignals) -> int | None:
        """Listens until the child is gone.

        Returns:
            How it ended, as `Child.wait` says.

        Raises:
            BaseException: What a signal's handler raised meanwhile.
        """
        while child.is_talking and not self._has_given_up():
            for message in child.listen(self._patience_s(), wake=held.fileno()):
                hearer.take(message)
            hearer.tick()
            now_s = time.monotonic()
            if held.error is not None and (self._kill_at_s is None or self._time_up):
                self._time_up = False
                self._stop(child, hearer)
            elif self._kill_at_s is None and now_s >= self._deadline_s():
                self._time_up = True
                self._stop(child, hearer)
            if held.count > 1 and self._kill_at_s is not None:
                self._kill_at_s = min(self._kill_at_s, now_s)
            if self._kill_at_s is not None and now_s >= self._kill_at_s:
                child.kill()
        code = child.wait(_LEAST_WAIT_S if self._has_given_up() else _EXIT_GRACE_S)
        self.took_s = time.monotonic() - self._started_s
        if held.error is not None:
            raise held.error
        return code

    def failure(
        self, child: Child, code: int | None, *, name: str, worker: str, mend: str
    ) -> FaceguardError:
        """Why a child that had nothing to tell ended.

        Args:
            child: The child, which is gone.
            code: What `run` gave.
            name: What it was to build.
            worker: What crashes in it, where it crashed: a library, or a step.
            mend: What may be done about a crash.
        """
        if self._time_up:
            return BuildFailed(
                f"{name}: not built within {self._timeout_s:g} s, and stopped; "
                "allow more with --timeout SECONDS"
            )
        if code == -signal.SIGKILL and not child.killed:
            sure = _oom_kills() > self._oom_kills
            why = "memory ran out" if sure else "from outside, most likely as memory ran out"
            return NotEnoughMemory(
                f"{name}: the build was killed after {self.took_s:.0f} s ({why}); "
                "stop other programs or lower --memory-limit, and see `journalctl -k`"
            )
        if code == 0:
            return BuildFailed(f"{name}: the build was stopped from outside; start it again")
        if code is not None and code < 0:
            how = f"crashed ({signal_name(-code)})"
        else:
            how = "hung at its end" if code is None else f"ended with exit code {code}"
        return BuildFailed(
            f"{name}: {worker} {how} after {self.took_s:.0f} s; {mend}; "
            f"its last words: {child.last_words()}"
        )

    def _stop(self, child: Child, hearer: Hearer) -> None:
        self._kill_at_s = time.monotonic() + hearer.stopping(time_up=self._time_up)
        child.ask_to_stop()

    def _has_given_up(self) -> bool:
        """Whether a child that was killed is not gone: it hangs within a driver, and stays."""
        return self._kill_at_s is not None and time.monotonic() >= self._kill_at_s + REAP_S

    def _deadline_s(self) -> float:
        return float("inf") if self._timeout_s is None else self._started_s + self._timeout_s

    def _patience_s(self) -> float:
        """Until something is due: a tick, the deadline, the end of a grace."""
        due_s = self._deadline_s() if self._kill_at_s is None else self._kill_at_s
        return max(_LEAST_WAIT_S, min(_TICK_S, due_s - time.monotonic()))


def _oom_kills() -> int:
    """How many processes the kernel has killed for memory since it was started."""
    try:
        text = Path("/proc/vmstat").read_text(encoding="ascii")
    except OSError:
        return 0
    found = re.search(r"^oom_kill (\d+)$", text, re.MULTILINE)
    return int(found.group(1)) if found else 0
