"""Keeps Ctrl-C and SIGTERM away from work that must not be cut at any place."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import ExitStack, suppress
from types import FrameType, TracebackType

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class HeldSignals:
    """While the block runs, what a signal's handler raises is kept; it is raised at the end.

    A handler that raises nothing changes nothing. Signals whose handling is the system's own are
    left alone. Outside of the main thread, where Python runs no handlers, nothing is held.

    Attributes:
        error: What the first handler raised; None as long as none did.
        count: How many did.
    """

    def __init__(self) -> None:
        """Holds nothing yet."""
        self.error: BaseException | None = None
        self.count = 0
        self._held = ExitStack()
        self._wake = -1
        self._handlers = {number: signal.getsignal(number) for number in _NUMBERS}

    def __enter__(self) -> HeldSignals:
        """Begins to hold."""
        try:
            self._read, self._wake = os.pipe()
            self._held.callback(os.close, self._read)
            self._held.callback(os.close, self._wake)
            os.set_blocking(self._wake, False)
            if threading.current_thread() is threading.main_thread():
                for number, handler in self._handlers.items():
                    if callable(handler):
                        self._held.callback(signal.signal, number, handler)
                        signal.signal(number, self._note)
        except BaseException:
            self._held.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Gives the handlers back, and raises what was kept."""
        self._held.close()
        if self.error is not None:
            raise self.error

    def fileno(self) -> int:
        """Becomes readable when a handler raised."""
        return self._read

    def _note(self, number: int, frame: FrameType | None) -> None:
        handler = self._handlers[signal.Signals(number)]
        try:
            if callable(handler):
                handler(number, frame)
        except BaseException as error:  # noqa: BLE001 it is raised again at the end of the block
            self.count += 1
            self.error = self.error or error
            with suppress(OSError):
                os.write(self._wake, b"!")
