"""Gives pictures at their own times, for sources that could give them all at once."""

from __future__ import annotations

import threading
import time


class Pace:
    """Waits until a picture is due. Late ones are due at once, so that nothing drifts.

    Attributes:
        due_ns: When the newest picture that was waited for is due or was, monotonic nanoseconds;
            0 before the first. May be read from any thread.
    """

    def __init__(self) -> None:
        """Time begins with the first picture."""
        self.due_ns = 0
        self._begin_ns: int | None = None
        self._stopped = threading.Event()

    def wait_for(self, time_ns: int) -> bool:
        """Waits for the moment of a picture.

        Args:
            time_ns: Its place on its own time line.

        Returns:
            Whether it came; False where the wait was stopped.
        """
        now_ns = time.monotonic_ns()
        if self._begin_ns is None:
            self._begin_ns = now_ns - time_ns
        self.due_ns = self._begin_ns + time_ns
        left_ns = self.due_ns - now_ns
        if left_ns <= 0:
            return not self._stopped.is_set()
        return not self._stopped.wait(left_ns / 1_000_000_000)

    def stop(self) -> None:
        """Ends waits, now and later."""
        self._stopped.set()
