"""Whether there is time to sharpen, or the video would fall behind. Pure: no clock, no thread.

A frame that others wait behind is not sharpened, so the video never gets later than one sharpened
frame. By itself that rule would sharpen every second frame where the model is a little too slow,
and such a video flickers. So lateness is added up, frames in time take some of it back, and beyond
a limit nothing is sharpened for a while, which doubles each time.
"""

from __future__ import annotations

_S = 1_000_000_000
# So many late frames, and a rest follows; so many in time make up for one.
_MOST_LATE = 3.0
_MAKES_UP = 8.0
_FIRST_REST_NS = 2 * _S
_LONGEST_REST_NS = 300 * _S
# After so long without a rest the next one is short again.
_LASTED_NS = 60 * _S


class Pace:
    """Remembers how late sharpening has been; for one thread.

    Attributes:
        rests: Rests since it last went well for a minute.
    """

    def __init__(self) -> None:
        """Starts in time."""
        self.rests = 0
        self._late = 0.0
        self._rest_ns = _FIRST_REST_NS
        self._until_ns: int | None = None

    def may_sharpen(self, now_ns: int, waiting: int) -> bool:
        """Whether the next frame may be sharpened.

        Args:
            now_ns: Monotonic nanoseconds.
            waiting: Newer frames that are there already.
        """
        if self._until_ns is not None and now_ns < self._until_ns:
            return False
        if not waiting:
            return True
        self._add(now_ns, 1.0)
        return False

    def in_time(self) -> None:
        """A frame was sharpened in the time allowed."""
        self._late = max(0.0, self._late - 1 / _MAKES_UP)

    def too_late(self, now_ns: int) -> None:
        """A frame took longer than is allowed, and was given up: a rest follows at once.

        Args:
            now_ns: Monotonic nanoseconds.
        """
        self._add(now_ns, _MOST_LATE)

    def _add(self, now_ns: int, late: float) -> None:
        self._late += late
        if self._late < _MOST_LATE:
            return
        if self._until_ns is not None and now_ns - self._until_ns >= _LASTED_NS:
            self._rest_ns = _FIRST_REST_NS
            self.rests = 0
        self.rests += 1
        self._late = 0.0
        self._until_ns = now_ns + self._rest_ns
        self._rest_ns = min(self._rest_ns * 2, _LONGEST_REST_NS)
