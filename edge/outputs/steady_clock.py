"""Whether the wall clock can be trusted with the removal of what is old."""

from __future__ import annotations

import time
from collections.abc import Callable

# Before 2024 a clock was not set yet.
CLOCK_SET_S = 1_704_067_200.0
_JUMP_S, _SETTLE_S = 60.0, 600.0


class SteadyClock:
    """Watches the wall clock against the monotonic one.

    After a jump nothing is old for ten minutes: the clock may jump back, and what was removed by
    then would be gone.
    """

    def __init__(
        self,
        *,
        wall_s: Callable[[], float] = time.time,
        clock_s: Callable[[], float] = time.monotonic,
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

    def is_trusted(self) -> bool:
        """Whether it is set, and has not jumped of late; ask often."""
        wall_s, now_s = self._wall_s(), self._clock_s()
        if abs(wall_s - now_s - self._offset_s) > _JUMP_S:
            self._settled_s = now_s + _SETTLE_S
        self._offset_s = wall_s - now_s
        return wall_s >= CLOCK_SET_S and now_s >= self._settled_s
