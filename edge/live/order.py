"""The order in which frames go out: each later than all before it, slates among them."""

from __future__ import annotations

import time
from dataclasses import replace

from faceguard.edge.live.timeline import TIME_BASE
from faceguard.edge.types import Frame, SafeFrame

# A slate comes when the first frame of all is this late,
_FIRST_SLATE_NS = 2_000_000_000
# and when nothing has gone out for so long.
_LONGEST_PAUSE_NS = 1_000_000_000


class Order:
    """The times of what goes out, which frames bring along and slates have from the clock."""

    def __init__(self, epoch_ns: int) -> None:
        """Begins a time line.

        Args:
            epoch_ns: Monotonic nanoseconds at which it begins.
        """
        self._epoch_ns = epoch_ns
        self._last_pts = -1
        self._last_index = -1
        self._last_out_ns = epoch_ns + _FIRST_SLATE_NS - _LONGEST_PAUSE_NS
        # What a session's times are moved by, since slates took the place that they would have had.
        self._session = 0
        self._shift = 0

    @property
    def has_begun(self) -> bool:
        """Whether anything has gone out."""
        return self._last_pts >= 0

    @property
    def last_index(self) -> int:
        """The number of the newest frame that has gone out; -1 before there is one."""
        return self._last_index

    @property
    def is_first_late(self) -> bool:
        """Whether the first frame should have been here by now."""
        return time.monotonic_ns() - self._epoch_ns > _FIRST_SLATE_NS

    @property
    def is_overdue(self) -> bool:
        """Whether those who watch wait for longer than they should."""
        return time.monotonic_ns() - self._last_out_ns > _LONGEST_PAUSE_NS

    def of_frame(self, frame: Frame) -> Frame:
        """The frame with a time after all that went out; frames of a session keep their distances.

        Slates have the time of the clock, and files their own.
        """
        if frame.session != self._session:
            self._session, self._shift = frame.session, 0
        self._shift = max(self._shift, self._last_pts + 1 - frame.pts)
        return replace(frame, pts=frame.pts + self._shift)

    def of_slate(self, now_ns: int, waiting: Frame | None) -> int:
        """The time for a slate, in units of `TIME_BASE`: now, but before the frames that wait.

        Args:
            now_ns: Monotonic nanoseconds.
            waiting: The oldest of them.
        """
        pts = int((now_ns - self._epoch_ns) * TIME_BASE.denominator // 1_000_000_000)
        if waiting is not None:
            pts = min(pts, waiting.pts + self._shift - 1)
        return max(self._last_pts + 1, pts)

    def went_out(self, safe: SafeFrame) -> None:
        """Takes note of what is going out."""
        self._last_pts = safe.pts
        self._last_index = max(self._last_index, safe.index)
        self._last_out_ns = time.monotonic_ns()
