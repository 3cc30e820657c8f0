"""From a stream's packets to pictures: damage is counted, and times are made to grow."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Any

import av
import av.error

from faceguard.edge.cameras.planes import PlanesOut
from faceguard.edge.pool import PoolEmpty
from faceguard.edge.types import Image

# Beyond this the camera's clock and ours are not speaking of the same moment.
_FURTHEST_NS = 1_000_000_000
# A camera's clock may be slower than ours by one part in so many, and is followed.
_DRIFT_OF = 1000
_LEAST_STEP_NS = 1_000_000


class Pictures:
    """Decodes one stream's packets, and keeps count of what could not be decoded.

    Attributes:
        in_a_row: Packets since the last sound picture that could not be decoded.
    """

    def __init__(self, stream: Any) -> None:  # noqa: ANN401 - PyAV's stream class has no public name
        """Sets the decoder up to hold no picture back.

        Args:
            stream: A video stream that has a decoder.
        """
        # Frame threads would give each picture as many pictures late as there are threads.
        stream.thread_type = "SLICE"
        stream.codec_context.thread_count = 2
        self._planes = PlanesOut()
        self._damaged = 0
        self.in_a_row = 0

    def decode(self, packet: Any) -> list[tuple[Image, av.VideoFrame]]:  # noqa: ANN401 - as above
        """The pictures that a packet completes, with the frames they came in; often one."""
        try:
            frames = packet.decode()
        except (av.error.FFmpegError, ValueError):
            self._count_one()
            return []
        pictures = []
        for frame in frames:
            image = self._image(frame)
            if image is None or frame.is_corrupt:
                # A picture that is patched up goes on, since it gets covered like any other.
                self._count_one()
            else:
                self.in_a_row = 0
            if image is not None:
                pictures.append((image, frame))
        return pictures

    def take_damaged(self) -> int:
        """How many packets or pictures were damaged since the last call."""
        damaged, self._damaged = self._damaged, 0
        return damaged

    def _image(self, frame: av.VideoFrame) -> Image | None:
        try:
            return self._planes.from_av(frame)
        except (av.error.FFmpegError, ValueError, PoolEmpty):
            return None

    def _count_one(self) -> None:
        self._damaged += 1
        self.in_a_row += 1


class Stamps:
    """Makes a stream's time stamps into times that grow and stay near the time of arrival.

    Nothing arrives before it was sent, so the picture that came fastest tells how the camera's
    clock and ours lie to one another; those that the network held up are placed by their stamps,
    and keep the camera's own steps. A stream has no stamps, or wrong ones, until its clock is
    known; they jump when a camera sets its clock, and drift from ours by some seconds a day.
    """

    def __init__(self) -> None:
        """Begins with the first stamp."""
        self._offset_ns: int | None = None
        self._last_ns: int | None = None
        self._arrived_ns = 0

    def place(self, pts: int | None, time_base: Fraction | None, arrived_ns: int) -> int:
        """The time of one picture.

        Args:
            pts: Its stamp, or None.
            time_base: Seconds a unit of it.
            arrived_ns: When it came, monotonic nanoseconds.

        Returns:
            Monotonic nanoseconds: later than the last, not after the arrival unless pictures come
            faster than one a millisecond, and a second before it at most.
        """
        placed_ns = arrived_ns
        if pts is None or not time_base:
            self._offset_ns = None
        else:
            placed_ns = self._by_stamp(round(pts * time_base * 1_000_000_000), arrived_ns)
        self._arrived_ns = arrived_ns
        if self._last_ns is not None:
            placed_ns = max(placed_ns, self._last_ns + _LEAST_STEP_NS)
        self._last_ns = placed_ns
        return placed_ns

    def _by_stamp(self, stamp_ns: int, arrived_ns: int) -> int:
        # What it would be if nothing had held this one up.
        offset_ns = arrived_ns - stamp_ns
        if self._offset_ns is not None:
            followed_ns = (arrived_ns - self._arrived_ns) // _DRIFT_OF
            kept_ns = min(offset_ns, self._offset_ns + followed_ns)
            placed_ns = stamp_ns + kept_ns
            grows = self._last_ns is None or placed_ns > self._last_ns
            if grows and arrived_ns - placed_ns <= _FURTHEST_NS:
                offset_ns = kept_ns
        self._offset_ns = offset_ns
        return stamp_ns + offset_ns


def duration_ns(frame: av.VideoFrame, rate: Fraction | None) -> int:
    """How long a picture is shown, as the stream or its rate says; 0 where neither does."""
    if frame.duration and frame.time_base:
        return round(frame.duration * frame.time_base * 1_000_000_000)
    return round(1_000_000_000 / rate) if rate else 0


def plausible_rate(stream: Any) -> Fraction | None:  # noqa: ANN401 - as above
    """Pictures per second that a stream says it has; None where it cannot be believed."""
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and 1 <= rate <= 240:
            return Fraction(rate)
    return None


def seconds_left(deadline_s: float) -> float:
    """Seconds until a moment of the monotonic clock, not below a tenth."""
    return max(0.1, deadline_s - time.monotonic())
