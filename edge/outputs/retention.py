"""Which recordings go, and when: for their age, for the size of all, for want of space.

The oldest go first. The newest finished segment never goes for size or space, so that a disk that
holds hardly more than one segment does not lose all of it again and again.

A board without a clock of its own starts with some time of the past and is set right by the
network later. So what this run has written is newer than all that it found, in the order in which
it was written, and when the clock is set, the times of these segments are set with it.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from faceguard.edge.config.outputs import RecordingsOutput
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.disk import Shelf
from faceguard.edge.outputs.part import Kept
from faceguard.edge.outputs.steady_clock import CLOCK_SET_S, JUMP_S, SteadyClock, since_boot_s
from faceguard.edge.service.quiet import Quiet

_log = logging.getLogger(__name__)
_DAY_S = 86_400.0
_MOST_AT_ONCE = 8  # removals in a row, so that packets do not wait long
_LOOK_AGAIN_S = 600.0  # others may have removed or added some


class Retention:
    """Keeps the finished segments of one shelf within bounds."""

    def __init__(
        self,
        shelf: Shelf,
        meters: Meters,
        quiet: Quiet,
        *,
        wall_s: Callable[[], float] = time.time,
        clock_s: Callable[[], float] = since_boot_s,
        earlier: Retention | None = None,
    ) -> None:
        """Looks at what is there.

        Args:
            shelf: Where the segments lie.
            meters: Where removals are counted.
            quiet: Who logs.
            wall_s: Seconds since 1970.
            clock_s: Monotonic seconds.
            earlier: The one of this run before the shelf was opened anew, which knows what was
                written by then.
        """
        self._shelf = shelf
        self._meters = meters
        self._quiet = quiet
        self._wall_s = wall_s
        self._clock_s = clock_s
        self._steady = SteadyClock(wall_s=wall_s, clock_s=clock_s)
        # When each of this run was written, by the clock as it goes now; in that order.
        self._own: dict[tuple[str, str], float] = {}
        if earlier is not None:
            self._steady, self._own = earlier._steady, earlier._own
        self._kept: deque[Kept] = deque()
        self._look()

    @property
    def total(self) -> int:
        """Bytes of all finished segments."""
        return sum(kept.size for kept in self._kept)

    def add(self, kept: Kept) -> None:
        """Takes note of a segment that was just finished."""
        self._follow_clock()
        # Where the file system's own clock is another, ours says nothing about its times.
        if abs(kept.mtime_s - self._wall_s()) <= JUMP_S:
            self._own[kept.day, kept.name] = kept.mtime_s
        self._kept.append(kept)

    def tick(self, settings: RecordingsOutput, open_bytes: int) -> None:
        """Removes what is too old or too much, a few at a time.

        Args:
            settings: The bounds.
            open_bytes: Size of the segment that is being written.
        """
        self._follow_clock()
        if self._clock_s() - self._looked_s >= _LOOK_AGAIN_S:
            self._look()
        if settings.keep_days is not None and self._steady.is_trusted():
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
        found = {(kept.day, kept.name): kept for kept in self._shelf.closed()}
        self._own = {key: mtime_s for key, mtime_s in self._own.items() if key in found}
        own = [replace(found.pop(key), mtime_s=mtime_s) for key, mtime_s in self._own.items()]
        self._kept = deque((*found.values(), *own))
        self._looked_s = self._clock_s()

    def _follow_clock(self) -> None:
        """Where the clock was set, sets the times of what this run wrote by as much."""
        jumped_s = self._steady.jumped_s()
        if not jumped_s:
            return
        for number, kept in enumerate(self._kept):
            if (kept.day, kept.name) in self._own:
                self._kept[number] = self._dated(kept, kept.mtime_s + jumped_s)

    def _remove(self, kept: Kept, cause: str) -> bool:
        self._kept.remove(kept)
        self._own.pop((kept.day, kept.name), None)
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

    def _date_undated(self) -> None:
        """Segments from before the clock was set are as old as this moment, the first known."""
        for number, kept in enumerate(self._kept):
            if kept.mtime_s < CLOCK_SET_S:
                self._kept[number] = self._dated(kept, self._wall_s())

    def _dated(self, kept: Kept, wall_s: float) -> Kept:
        """A segment with another time of writing; where the disk does not take it, for us alone."""
        if (kept.day, kept.name) in self._own:
            self._own[kept.day, kept.name] = wall_s
        try:
            return self._shelf.touch(kept, wall_s)
        except OSError as error:
            self._quiet.say(
                _log,
                logging.WARNING,
                "recordings date",
                f"recordings: {kept.day}/{kept.name} cannot be dated: {error.strerror}",
            )
            return replace(kept, mtime_s=wall_s)
