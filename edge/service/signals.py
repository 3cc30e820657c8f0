"""Signals as things that the main thread waits for."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from collections import deque
from enum import Enum
from types import FrameType
from typing import Any

from faceguard.engines.closing import Closing

# One press of Ctrl-C may arrive twice: from the terminal, and from whoever started us.
_SAME_PRESS_S = 1.0


class Signal(Enum):
    """What the service is asked for."""

    STOP = "stop"
    """SIGTERM: systemd, or kill."""
    INTERRUPT = "interrupt"
    """SIGINT: Ctrl-C."""
    RELOAD = "reload"
    """SIGHUP: read the configuration anew."""


_MEANING = {
    signal.SIGTERM: Signal.STOP,
    signal.SIGINT: Signal.INTERRUPT,
    signal.SIGHUP: Signal.RELOAD,
}
_WAKE = 0


class Signals(Closing):
    """Takes SIGTERM, SIGINT and SIGHUP over for as long as it is open.

    A second SIGTERM or SIGINT, a second or more after the first, ends the process at once: whoever
    sends it does not want to wait for an orderly end.
    """

    def __init__(self) -> None:
        """Takes them over.

        Raises:
            RuntimeError: Called outside the main thread, where Python handles no signals.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("signals can be taken over in the main thread only")
        self._first_stop_s: float | None = None
        self._ends = threading.Lock()  # of the pipe; no handler takes it
        self._waiting: deque[Signal] = deque()
        # Woken through a pipe, since a handler runs in the midst of whatever the main thread does,
        # and must not touch a lock that this may hold.
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        os.set_blocking(self._write_end, False)
        self._wakeup_before = signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        self._before: dict[signal.Signals, Any] = {
            number: signal.signal(number, self._handle) for number in _MEANING
        }

    def wait(self, timeout_s: float) -> Signal | None:
        """Waits for the next signal.

        Args:
            timeout_s: How long at most.

        Returns:
            The signal, or None where none came in time or `wake` was called.
        """
        if not self._waiting:
            poll = select.poll()
            poll.register(self._read_end, select.POLLIN)
            poll.poll(max(0.0, timeout_s) * 1000)
            self._empty_pipe()
        return self._waiting.popleft() if self._waiting else None

    def wake(self) -> None:
        """Lets `wait` return now; may be called from any thread, also after the end."""
        with self._ends, contextlib.suppress(OSError):
            os.write(self._write_end, bytes([_WAKE]))

    def close(self) -> None:
        """Gives them back to whom they belonged before."""
        if not self._before:
            return
        for number, handler in self._before.items():
            # None stands for a handler that was not set from Python; it cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before = {}
        signal.set_wakeup_fd(self._wakeup_before)
        with self._ends:
            os.close(self._read_end)
            os.close(self._write_end)
            self._write_end = -1

    def _empty_pipe(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._read_end, 4096):
                pass

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        """Notes a signal; a second stop is the last."""
        meaning = _MEANING[signal.Signals(number)]
        if meaning not in self._waiting:
            self._waiting.append(meaning)
        if meaning is Signal.RELOAD:
            return
        now_s = time.monotonic()
        if self._first_stop_s is None:
            self._first_stop_s = now_s
        elif now_s - self._first_stop_s >= _SAME_PRESS_S:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
