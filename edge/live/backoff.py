"""How long to wait before the next try."""

from __future__ import annotations

import random

_JITTER = 0.2
# Doubling further would change nothing, whatever the settings are.
_MOST_DOUBLINGS = 32


class Backoff:
    """Pauses that double from try to try, none quite as long as planned.

    Without that jitter, all cameras behind one switch would come back at the same moment, again
    and again.
    """

    def __init__(self, jitter: random.Random | None = None) -> None:
        """Starts at the first pause.

        Args:
            jitter: Where chance comes from; for tests.
        """
        self._jitter = jitter or random.Random()  # noqa: S311 - it guards no secret
        self._tries = 0

    def next_s(self, first_s: float, longest_s: float) -> float:
        """The next pause in seconds.

        Args:
            first_s: The first pause, before jitter.
            longest_s: No pause is longer.
        """
        doubled_s = min(longest_s, first_s * 2.0**self._tries)
        self._tries = min(self._tries + 1, _MOST_DOUBLINGS)
        return min(longest_s, doubled_s * self._jitter.uniform(1 - _JITTER, 1 + _JITTER))

    def reset(self) -> None:
        """Begins again with the first pause."""
        self._tries = 0
