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


class Timeline:
    """Makes a stream's time stamps into times that grow and stay near the time of arrival.

    A stream has no stamps, or wrong ones, until its clock is known; they jump when a camera sets
    its clock, and drift from ours by some seconds a day. Steps between them are still better than
    those between arrivals, which the network shakes.
    """

    def __init__(self) -> None:
        """Begins with the first stamp."""
        self._offset_ns: int | None = None
        self._last_ns: int | None = None

    def place(self, pts: int | None, time_base: Fraction | None, arrived_ns: int) -> int:
        """The time of one picture.

        Args:
            pts: Its stamp, or None.
            time_base: Seconds a unit of it.
            arrived_ns: When it came, monotonic nanoseconds.

        Returns:
            Monotonic nanoseconds: later than the last, and within a second of the arrival unless
            pictures come faster than one a millisecond.
        """
        stamp_ns = None if pts is None or not time_base else round(pts * time_base * 1_000_000_000)
        placed_ns: int | None = None
        if stamp_ns is not None and self._offset_ns is not None:
            placed_ns = stamp_ns + self._offset_ns
            back = self._last_ns is not None and placed_ns <= self._last_ns
            if back or abs(placed_ns - arrived_ns) > _FURTHEST_NS:
                placed_ns = None
        if placed_ns is None:
            placed_ns = arrived_ns
            if self._last_ns is not None:
                placed_ns = max(placed_ns, self._last_ns + _LEAST_STEP_NS)
            self._offset_ns = None if stamp_ns is None else placed_ns - stamp_ns
        self._last_ns = placed_ns
        return placed_ns


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
