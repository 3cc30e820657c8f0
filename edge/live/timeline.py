"""Numbers and times of frames, across all connections of a camera's life."""

from __future__ import annotations

from fractions import Fraction

from faceguard.edge.cameras.base import Shot
from faceguard.edge.types import Frame

UNITS_PER_S = 90_000
TIME_BASE = Fraction(1, UNITS_PER_S)
_NS_PER_S = 1_000_000_000
_USUAL_NS = 40_000_000
_OLDEST_NS = 5_000_000_000
# A camera's own time line may lag behind capture by as much as its network holds pictures up.
_FURTHEST_NS = 2_000_000_000


class Timeline:
    """Makes frames of shots. Their indices and times grow, whatever cameras and clocks do."""

    def __init__(self, epoch_ns: int) -> None:
        """Starts at index and time 0.

        Args:
            epoch_ns: Monotonic nanoseconds at which the outputs' time line begins.
        """
        self._epoch_ns = epoch_ns
        self._index = -1
        self._pts = -1
        # When the last frame was taken, as the camera has it.
        self._claimed_ns = 0
        # Of a live camera: what to add to its own times, and the last of the sums.
        self._anchor_ns: int | None = None
        self._at_ns = 0
        # Of a file: where the next connection goes on, and what to add to this one's times.
        self._end_ns = 0
        self._shift_ns = 0
        self._file_ns: int | None = None

    def begin(self) -> None:
        """A new connection: its time line may begin anywhere."""
        self._file_ns = None
        self._anchor_ns = None
        self._claimed_ns = 0

    def frame(self, shot: Shot, session: int, now_ns: int, *, live: bool) -> Frame:
        """A shot as a frame.

        Args:
            shot: What the camera gave.
            session: Number of its connection.
            now_ns: When it came, monotonic nanoseconds.
            live: Whether it has the monotonic clock's time, or a file's own.
        """
        captured_ns = self._believed(shot.captured_ns, now_ns)
        if live:
            at_ns = self._live_time_ns(shot.time_ns, captured_ns) - self._epoch_ns
        else:
            at_ns = self._file_time_ns(shot)
        self._end_ns = max(self._end_ns, at_ns + (shot.duration_ns or _USUAL_NS))
        self._pts = max(self._pts + 1, _units(at_ns))
        self._index += 1
        return Frame(
            shot.image,
            self._index,
            self._pts,
            TIME_BASE,
            _units(shot.duration_ns),
            captured_ns,
            session,
        )

    def _believed(self, captured_ns: int, now_ns: int) -> int:
        """A camera's own time, or now where its clock stands, leaps or is ahead of ours.

        It is measured by what it said before, and not by what was put in its place: one slip must
        not make all that follows look old.
        """
        before_ns, self._claimed_ns = self._claimed_ns, captured_ns
        is_recent = now_ns - _OLDEST_NS <= captured_ns <= now_ns
        return captured_ns if is_recent and captured_ns > before_ns else now_ns

    def _live_time_ns(self, time_ns: int, captured_ns: int) -> int:
        """A frame's place, monotonic nanoseconds: its camera's own steps, which are more even.

        They begin at the first frame's capture, and once more where they stop to grow or stray.
        """
        if self._anchor_ns is not None:
            at_ns = time_ns + self._anchor_ns
            # Put so that what is no number strays, too.
            if at_ns > self._at_ns and abs(at_ns - captured_ns) <= _FURTHEST_NS:
                self._at_ns = at_ns
                return at_ns
        self._anchor_ns = captured_ns - time_ns
        self._at_ns = captured_ns
        return captured_ns

    def _file_time_ns(self, shot: Shot) -> int:
        if self._file_ns is None or shot.time_ns <= self._file_ns:
            self._shift_ns = self._end_ns - shot.time_ns
        self._file_ns = shot.time_ns
        return shot.time_ns + self._shift_ns


def _units(time_ns: int) -> int:
    return time_ns * UNITS_PER_S // _NS_PER_S
