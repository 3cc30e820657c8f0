"""Which recordings go, and when: for their age, for the size of all, for want of space.

The oldest go first. The newest finished segment never goes for size or space, so that a disk that
holds hardly more than one segment does not lose all of it again and again.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable

from faceguard.edge.config.outputs import RecordingsOutput
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.disk import Shelf
from faceguard.edge.outputs.part import Kept
from faceguard.edge.service.quiet import Quiet

_log = logging.getLogger(__name__)
_DAY_S = 86_400.0
_MOST_AT_ONCE = 8  # removals in a row, so that packets do not wait long
_LOOK_AGAIN_S = 600.0  # others may have removed or added some
# Before 2024 a clock was not set yet.
CLOCK_SET_S = 1_704_067_200.0
# After a jump of the clock, nobody's age is judged for a while: it may jump back.
_JUMP_S, _SETTLE_S = 60.0, 600.0


class Retention:
    """Keeps the finished segments of one shelf within bounds."""

    def __init__(
        self,
        shelf: Shelf,
        meters: Meters,
        quiet: Quiet,
        *,
        wall_s: Callable[[], float] = time.time,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Looks at what is there.

        Args:
            shelf: Where the segments lie.
            meters: Where removals are counted.
            quiet: Who logs.
            wall_s: Seconds since 1970.
            clock_s: Monotonic seconds.
        """
        self._shelf = shelf
        self._meters = meters
        self._quiet = quiet
        self._wall_s = wall_s
        self._clock_s = clock_s
        self._offset_s = wall_s() - clock_s()
        self._settled_s = clock_s()
        self._kept: deque[Kept] = deque()
        self._look()

    @property
    def total(self) -> int:
        """Bytes of all finished segments."""
        return sum(kept.size for kept in self._kept)

    def add(self, kept: Kept) -> None:
        """Takes note of a segment that was just finished."""
        self._kept.append(kept)

    def tick(self, settings: RecordingsOutput, open_bytes: int) -> None:
        """Removes what is too old or too much, a few at a time.

        Args:
            settings: The bounds.
            open_bytes: Size of the segment that is being written.
        """
        if self._clock_s() - self._looked_s >= _LOOK_AGAIN_S:
            self._look()
        if settings.keep_days is not None and self._ages_can_be_told():
            before_s = self._wall_s() - settings.keep_days * _DAY_S
            self._date_undated()
            for kept in [k for k in self._kept if k.mtime_s < before_s][:_MOST_AT_ONCE]:
                self._remove(kept, "age")
        if settings.keep_gb is not None:
            most = settings.keep_gb * 1e9 - open_bytes
            for _ in range(_MOST_AT_ONCE):
                if self.total <= most or not self.remove_oldest("size"):
                    break

    def make_room(self, wanted: float) -> bool:
        """Removes the oldest until so much is free, a few at a time.

        None goes where all of them together would not be enough.

        Args:
            wanted: Bytes that are to be free.

        Returns:
            Whether there is room, or there will be after some more calls.
        """
        for _ in range(_MOST_AT_ONCE):
            missing = wanted - self._shelf.free_bytes()
            if missing <= 0:
                return True
            if sum(kept.size for kept in list(self._kept)[:-1]) < missing:
                return False
            self.remove_oldest("disk")
        return True

    def remove_oldest(self, cause: str) -> bool:
        """Removes the oldest segment, if it is not the newest as well.

        Args:
            cause: "age", "size" or "disk", for the figures.

        Returns:
            Whether there was one that could go.
        """
        while len(self._kept) > 1:
            if self._remove(self._kept[0], cause):
                return True
        return False

    def _look(self) -> None:
        self._kept = deque(self._shelf.closed())
        self._looked_s = self._clock_s()

    def _remove(self, kept: Kept, cause: str) -> bool:
        self._kept.remove(kept)
        try:
            removed = self._shelf.remove(kept)
        except OSError as error:
            self._quiet.say(
                _log,
                logging.WARNING,
                "recordings remove",
                f"recordings: {kept.day}/{kept.name} cannot be removed: {error.strerror}",
            )
            return False
        if removed:
            self._meters.recordings_removed.labels(cause).inc()
        return removed

    def _ages_can_be_told(self) -> bool:
        """Whether the clock is set and has not jumped of late."""
        offset_s = self._wall_s() - self._clock_s()
        if abs(offset_s - self._offset_s) > _JUMP_S:
            self._settled_s = self._clock_s() + _SETTLE_S
        self._offset_s = offset_s
        return self._wall_s() >= CLOCK_SET_S and self._clock_s() >= self._settled_s

    def _date_undated(self) -> None:
        """Segments from before the clock was set are as old as this moment, the first known."""
        for number, kept in enumerate(self._kept):
            if kept.mtime_s < CLOCK_SET_S:
                try:
                    self._kept[number] = self._shelf.touch(kept, self._wall_s())
                except OSError as error:
                    self._quiet.say(
                        _log,
                        logging.WARNING,
                        "recordings date",
                        f"recordings: {kept.day}/{kept.name} cannot be dated: {error.strerror}",
                    )
