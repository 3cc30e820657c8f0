"""What a camera is: something that gives pictures until it breaks.

A `Camera` is one connection. It does not try again, wait for itself to come back, or count: that
is the supervisor's work (`faceguard.edge.live.capture`), which opens a new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from faceguard.engines.closing import Closing

if TYPE_CHECKING:
    from faceguard.edge.types import Image


@dataclass(frozen=True)
class CameraInfo:
    """What a camera says of itself, once it is open.

    Attributes:
        width: Width of its pictures in pixels.
        height: Height of its pictures in pixels.
        rate: Pictures per second that it means to give, or None where it does not say.
        format: What it sends, in words for logs: "H.264 yuv420p", "MJPEG", "YUYV".
        live: Whether it goes on whether we look or not: then what we are too slow for is dropped.
            A file waits, and nothing of it is lost.
        notes: What differs from the configuration without being refused, a line each.
        again: Whether it is of use to open it anew when it breaks. A file that does not loop would
            only show its beginning once more.
    """

    width: int
    height: int
    rate: Fraction | None
    format: str
    live: bool = True
    notes: tuple[str, ...] = ()
    again: bool = True


@dataclass(frozen=True)
class Shot:
    """One picture as it came from the camera: uncovered.

    Attributes:
        image: In I420, NV12 or GRAY with 8 bits; even sides.
        captured_ns: When it was taken, monotonic nanoseconds; as near to the sensor as the camera
            tells, else when it arrived.
        time_ns: Its place on the camera's own time line, for the outputs' time stamps; grows from
            shot to shot. The same as `captured_ns` where the camera has none of its own.
        duration_ns: How long it is shown; 0 where nobody says.
        damaged: How many pictures or packets before this one could not be decoded.
        source_ns: The mark that the driver itself gave this picture, untouched: two in a row with
            the same are one picture given twice. Nanoseconds of a clock of its own, or any number
            that changes with each picture; None where it gives none that can be relied on.
    """

    image: Image
    captured_ns: int
    time_ns: int
    duration_ns: int = 0
    damaged: int = 0
    source_ns: int | None = None


class Camera(Closing, Protocol):
    """One open connection to a camera; read by one thread."""

    @property
    def info(self) -> CameraInfo:
        """What it gives."""
        ...

    def read(self) -> Shot | None:
        """The next picture; waits for it, for a few seconds at most.

        Returns:
            The picture, or None at the end of a file.

        Raises:
            CameraSilent: Nothing came in time.
            CameraLost: The connection broke off.
            CameraCorrupt: So much could not be decoded that it is no use to go on.
        """
        ...

    def close(self) -> None:
        """Lets the device or connection go; may be called while another thread is in `read`."""
        ...


@runtime_checkable
class Paced(Protocol):
    """A camera that holds pictures back until they are due, as a file at its own pace."""

    @property
    def due_ns(self) -> int:
        """When the newest picture is due or was, monotonic nanoseconds; 0 before the first.

        Until then its silence is on purpose. May be read from any thread.
        """
        ...
