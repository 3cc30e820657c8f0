"""Logging that says a thing once and then how often: an error a frame would fill any disk."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from faceguard.edge.meters import Meters

_AGAIN_AFTER_S = 300.0
_MOST_KEYS = 200


@dataclass
class _Said:
    at_s: float
    held_back: int = 0


class Quiet:
    """A logger's doorkeeper; one for all rooms, safe from any thread.

    The first line of a key goes out at once; those that follow within five minutes are counted,
    and the next one that goes out says how many there were.
    """

    def __init__(
        self, meters: Meters | None = None, *, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        """Starts with nothing said.

        Args:
            meters: Where held back lines are counted.
            clock_s: Monotonic seconds; for tests.
        """
        self._meters = meters
        self._clock_s = clock_s
        self._said: dict[str, _Said] = {}
        self._lock = threading.Lock()

    def say(self, log: logging.Logger, level: int, key: str, message: str) -> None:
        """Logs a line, unless its like was logged a short while ago.

        Args:
            log: Whose line it is.
            level: Of `logging`.
            key: What it is about; lines of one key are alike.
            message: One line, without pictures, addresses or secrets.
        """
        now_s = self._clock_s()
        with self._lock:
            said = self._said.get(key)
            if said is not None and now_s - said.at_s < _AGAIN_AFTER_S:
                said.held_back += 1
                if self._meters is not None:
                    self._meters.notes_held_back.inc()
                return
            if said is not None and said.held_back:
                message = f"{message} (and {said.held_back} more like this)"
            if len(self._said) >= _MOST_KEYS:
                self._said.pop(next(iter(self._said)))
            self._said[key] = _Said(now_s)
        log.log(level, "%s", message)

    def over(self, key: str) -> None:
        """What the key was about is over: its next line goes out at once."""
        with self._lock:
            self._said.pop(key, None)
