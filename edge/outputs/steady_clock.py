"""Whether the wall clock can be trusted with the removal of what is old, and when it jumped."""

from __future__ import annotations

import time
from collections.abc import Callable

# Before 2024 a clock was not set yet.
CLOCK_SET_S = 1_704_067_200.0
JUMP_S = 60.0
"""By so much the wall clock may stray from the monotonic one between two looks."""
_SETTLE_S = 600.0


def since_boot_s() -> float:
    """Seconds since the machine started, those asleep too: waking up is no jump of the clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SteadyClock:
    """Watches the wall clock against the monotonic one.

    After a jump nothing is old for ten minutes: the clock may jump back, and what was removed by
    then would be gone.
    """

    def __init__(
        self,
        *,
        wall_s: Callable[[], float] = time.time,
        clock_s: Callable[[], float] = since_boot_s,
    ) -> None:
        """Takes the clock as it is.

        Args:
            wall_s: Seconds since 1970.
            clock_s: Monotonic seconds.
        """
        self._wall_s = wall_s
        self._clock_s = clock_s
        self._offset_s = wall_s() - clock_s()
        self._settled_s = clock_s()
        self._jumped_s = 0.0

    def is_trusted(self) -> bool:
        """Whether it is set, and has not jumped of late; ask often."""
        wall_s, now_s = self._look()
        return wall_s >= CLOCK_SET_S and now_s >= self._settled_s

    def jumped_s(self) -> float:
        """By how much the wall clock was set on since the last question, or back if negative.

        0.0 where it only went on as it should; ask often.
        """
        self._look()
        jumped_s, self._jumped_s = self._jumped_s, 0.0
        return jumped_s

    def _look(self) -> tuple[float, float]:
        wall_s, now_s = self._wall_s(), self._clock_s()
        jump_s = wall_s - now_s - self._offset_s
        if abs(jump_s) > JUMP_S:
            self._settled_s = now_s + _SETTLE_S
            self._jumped_s += jump_s
        self._offset_s += jump_s
        return wall_s, now_s
