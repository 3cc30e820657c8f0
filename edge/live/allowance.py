"""How many frames may be taken in: a rate that the budget sets, kept evenly."""

from __future__ import annotations

# So many frames may come early, or the jitter of a camera that keeps the rate would cost frames.
_MOST_SAVED = 2.0
_ROUNDING = 1e-6


class Allowance:
    """A token bucket: frames earn themselves with time, and each that passes costs one."""

    def __init__(self) -> None:
        """Starts full."""
        self._saved = _MOST_SAVED
        self._at_ns: int | None = None

    def wait_s(self, at_ns: int, frames_per_s: float | None) -> float:
        """Whether a frame may pass; one that may is paid for.

        Args:
            at_ns: The frame's time, nanoseconds.
            frames_per_s: How many may pass; None for any number.

        Returns:
            0 where it may pass, else how many seconds too early it is.
        """
        if frames_per_s is None or frames_per_s <= 0:
            self._saved, self._at_ns = _MOST_SAVED, at_ns
            return 0.0
        if self._at_ns is not None:
            earned = max(0, at_ns - self._at_ns) * frames_per_s / 1e9
            self._saved = min(_MOST_SAVED, self._saved + earned)
        self._at_ns = at_ns
        if self._saved < 1 - _ROUNDING:
            return (1 - self._saved) / frames_per_s
        self._saved -= 1
        return 0.0
