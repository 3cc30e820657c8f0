"""How the camera is: what may be told of it, and how its frames come."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faceguard.edge.cameras.base import CameraInfo

_WINDOW_NS = 5_000_000_000
_SOON_NS = 1_000_000_000
# More than any camera gives in the window.
_MOST_FRAMES = 4096
# A rate must rise by so much above the limit before the camera is no longer slow.
_ABOVE_LIMIT = 1.25
_CORRUPT_FROM = 0.5
_CORRUPT_UNTIL = 0.25


class State(Enum):
    """What a camera does at the moment."""

    OPENING = "opening"
    """It was never there yet; the first try is under way."""
    UP = "up"
    """Frames come."""
    SLOW = "slow"
    """Frames come, but too few of them, or too many cannot be decoded."""
    LOST = "lost"
    """No frames come; it is tried again and again."""
    ENDED = "ended"
    """A file that came to its end, or a camera that was closed: nothing will come any more."""


@dataclass(frozen=True)
class Health:
    """How the camera is at one moment.

    Attributes:
        state: What it does.
        since_ns: Since when, monotonic nanoseconds. While it is lost, all tries count as one.
        cause: Why it is lost, as in `Meters.camera_failures`; "slow" or "corrupt" while it is
            slow; else None.
        session: Number of the newest connection that gave a frame; 0 before the first.
        rate: Frames per second that came over the last seconds; None where that is not known.
        failures: Connections that ended since frames last came for ten seconds.
        info: What the camera said of itself when it was last opened.
    """

    state: State
    since_ns: int
    cause: str | None = None
    session: int = 0
    rate: float | None = None
    failures: int = 0
    info: CameraInfo | None = None

    @property
    def gives_frames(self) -> bool:
        """Whether frames come, be they few."""
        return self.state in (State.UP, State.SLOW)


class Flow:
    """How the frames of one connection come, over the last five seconds; for one thread at a time.

    It judges only after a whole window: a stream that is joined in the middle begins with pictures
    that cannot be decoded, and nobody's first second has the right rate.
    """

    def __init__(self, own_rate: float | None) -> None:
        """Starts with nothing seen.

        Args:
            own_rate: Frames per second that the camera means to give; None takes the highest that
                it gave over a whole window.
        """
        self._own_rate = own_rate
        self._learned = 0.0
        self._frames: deque[tuple[int, int]] = deque(maxlen=_MOST_FRAMES)
        self._first_ns: int | None = None
        self._trouble: str | None = None

    def beat(self, now_ns: int, damaged: int = 0) -> None:
        """Takes note of a frame.

        Args:
            now_ns: When it came, monotonic nanoseconds.
            damaged: How many before it could not be decoded.
        """
        if self._first_ns is None:
            self._first_ns = now_ns
        self._frames.append((now_ns, damaged))

    @property
    def own_rate(self) -> float | None:
        """Frames per second that the camera should give, as far as that is known."""
        return self._own_rate or self._learned or None

    def rate(self, now_ns: int) -> float | None:
        """Frames per second; None during the first second."""
        if self._first_ns is None or now_ns - self._first_ns < _SOON_NS:
            return None
        self._forget(now_ns)
        if not self._is_whole(now_ns):
            # The first frame begins the time and does not count.
            return (len(self._frames) - 1) * 1e9 / (now_ns - self._first_ns)
        return len(self._frames) * 1e9 / _WINDOW_NS

    def trouble(self, now_ns: int, slow_below: float | None) -> str | None:
        """What is wrong with how they come.

        Args:
            now_ns: Now, monotonic nanoseconds.
            slow_below: The part of its own rate below which a camera is slow; None where it may be
                as slow as it likes, as a file that waits for us.

        Returns:
            "corrupt" when most pictures could not be decoded, "slow", or None.
        """
        rate = self.rate(now_ns)
        if rate is None or not self._is_whole(now_ns):
            return self._trouble
        self._learned = max(self._learned, rate)
        if self._is_corrupt():
            self._trouble = "corrupt"
        elif slow_below is not None and self._is_slow(rate, slow_below):
            self._trouble = "slow"
        else:
            self._trouble = None
        return self._trouble

    def _is_corrupt(self) -> bool:
        damaged = sum(damaged for _, damaged in self._frames)
        limit = _CORRUPT_UNTIL if self._trouble == "corrupt" else _CORRUPT_FROM
        return damaged > limit * (damaged + len(self._frames))

    def _is_slow(self, rate: float, slow_below: float) -> bool:
        part = slow_below
        if self._trouble == "slow":
            part = min(slow_below * _ABOVE_LIMIT, (1 + slow_below) / 2)
        return rate < part * (self.own_rate or 0.0)

    def _is_whole(self, now_ns: int) -> bool:
        return self._first_ns is not None and now_ns - self._first_ns >= _WINDOW_NS

    def _forget(self, now_ns: int) -> None:
        while self._frames and now_ns - self._frames[0][0] > _WINDOW_NS:
            self._frames.popleft()
