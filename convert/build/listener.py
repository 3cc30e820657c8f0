"""What the backend says while it builds: its log, its progress, and whether it is to go on."""

from __future__ import annotations

import sys
import threading
import time

from faceguard.convert.build.forward import Forwarded
from faceguard.convert.build.native import Library, Native
from faceguard.convert.child.wire import Sender, one_line

_MOST_KEPT = 50
_STEP_EVERY_NS = 50_000_000


class Listener:
    """Collects the log; lines below a warning only go to stderr, which the parent reads."""

    def __init__(self) -> None:
        """Has heard nothing yet."""
        self.warnings: list[str] = []
        self.errors: list[str] = []
        self.complaints = 0

    def warn(self, text: str) -> None:
        """Keeps a warning, each once."""
        line = one_line(text)
        if line not in self.warnings and len(self.warnings) < _MOST_KEPT:
            self.warnings.append(line)

    def hear(self, severity: str, text: str) -> None:
        """Takes one line of the backend's log.

        Args:
            severity: Name of the backend's severity.
            text: The line.
        """
        if severity == "VERBOSE":
            return
        if severity != "INFO":
            self.complaints += 1
            if severity == "WARNING":
                self.warn(text)
            elif len(self.errors) < _MOST_KEPT:
                self.errors.append(one_line(text))
        sys.stderr.write(f"{severity}: {text}\n")
        sys.stderr.flush()


def make_logger(trt: Library, listener: Listener) -> Native:
    """A logger of the backend's kind that tells the listener."""

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Native, msg: str) -> None:
            listener.hear(severity.name, msg)

    return Logger()


def make_monitor(trt: Library, sender: Sender, stop: threading.Event) -> Native:
    """A progress monitor of the backend's kind that tells the parent, and ends a stopped build."""
    progress = Forwarded(sender)

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._sent_ns: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            progress.phase_start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            now_ns = time.monotonic_ns()
            # Some phases have thousands of steps; more than this nobody can see.
            if now_ns - self._sent_ns.get(phase_name, 0) >= _STEP_EVERY_NS:
                self._sent_ns[phase_name] = now_ns
                progress.step(phase_name, step)
            return not stop.is_set()

        def phase_finish(self, phase_name: str) -> None:
            self._sent_ns.pop(phase_name, None)
            progress.phase_finish(phase_name)

    return Monitor()
