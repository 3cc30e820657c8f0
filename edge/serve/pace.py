"""How long things have taken, and so how long those that wait will take."""

from __future__ import annotations

import math
import threading

# What a picture of a megapixel is taken to need before any was measured.
_GUESS_S = 0.5
_NEWEST = 0.3
_LONGEST_RETRY_S = 600


class Pace:
    """Seconds a pixel of each kind of work, the newest counting most; safe from any thread."""

    def __init__(self) -> None:
        """Starts with nothing measured."""
        self._pixel_s: dict[str, float] = {}
        self._lock = threading.Lock()

    def took(self, kind: str, pixels: int, seconds: float) -> None:
        """Takes in what was measured.

        Args:
            kind: "redact", or a model's name.
            pixels: Of the picture that was worked on.
            seconds: It took.
        """
        new = seconds / max(1, pixels)
        with self._lock:
            old = self._pixel_s.get(kind, new)
            self._pixel_s[kind] = old + _NEWEST * (new - old)

    def known_s(self, kind: str, pixels: int) -> float | None:
        """How long a picture will take; None where nothing like it was done yet."""
        pixel_s = self._pixel_s.get(kind)
        return None if pixel_s is None else pixel_s * pixels

    def likely_s(self, kind: str, pixels: int) -> float:
        """How long a picture will take, guessed where that is not known."""
        known = self.known_s(kind, pixels)
        return _GUESS_S * pixels / 1e6 if known is None else known


def retry_s(seconds: float) -> int:
    """Whole seconds for `Retry-After`: at least one, and no more than ten minutes."""
    return min(_LONGEST_RETRY_S, max(1, math.ceil(seconds)))
