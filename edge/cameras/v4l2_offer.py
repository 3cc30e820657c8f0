"""What a V4L2 camera offers, and which of it serves best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from faceguard.edge.cameras.v4l2_structs import DISCRETE
from faceguard.engines.errors import CameraUnfit

if TYPE_CHECKING:
    from faceguard.edge.cameras.v4l2_kernel import Device
    from faceguard.edge.cameras.v4l2_structs import FrameInterval, FrameSize


@dataclass(frozen=True)
class Coding:
    """A format that is understood.

    Attributes:
        fourcc: V4L2's four characters.
        name: In words.
        setting: As the configuration names it, or None where only `auto` takes it.
        codec: FFmpeg's decoder, or None where the pixels come as they are.
    """

    fourcc: str
    name: str
    setting: str | None
    codec: str | None = None

    @property
    def code(self) -> int:
        """The four characters as a number."""
        return int.from_bytes(self.fourcc.encode(), "little")


# In the order in which they are taken: without loss and without the work of decoding first.
CODINGS = (
    Coding("NV12", "NV12", "nv12"),
    Coding("YU12", "I420", None),
    Coding("YUYV", "YUYV", "yuyv"),
    Coding("UYVY", "UYVY", None),
    Coding("MJPG", "MJPEG", "mjpeg", "mjpeg"),
    Coding("JPEG", "JPEG", "mjpeg", "mjpeg"),
    Coding("H264", "H.264", "h264", "h264"),
    Coding("GREY", "grey", None),
)
# Cameras write 30 as 30, 29.97 or 30.00003.
_ALIKE = Fraction(1, 100)
# Without a rate asked for, more than this is no reason to take a worse format.
_ENOUGH = Fraction(30)
_MOST_SHOWN = 16


@dataclass(frozen=True)
class Sizes:
    """Sizes of one format: a single one, or all between two in steps.

    Attributes:
        least: Width and height of the smallest, pixels.
        most: Width and height of the largest, pixels.
        step: From one width, and one height, to the next; pixels.
    """

    least: tuple[int, int]
    most: tuple[int, int]
    step: tuple[int, int] = (1, 1)

    @classmethod
    def of(cls, entry: FrameSize) -> Sizes:
        """What the kernel's entry says."""
        size = list(entry.size)
        if entry.type == DISCRETE:
            return cls((size[0], size[1]), (size[0], size[1]))
        step = (max(1, size[2]), max(1, size[5]))
        return cls((size[0], size[3]), (size[1], size[4]), step)

    def has(self, size: tuple[int, int]) -> bool:
        """Whether a size is among them."""
        return all(
            low <= side <= high and (side - low) % step == 0
            for side, low, high, step in zip(size, self.least, self.most, self.step, strict=True)
        )

    def __str__(self) -> str:
        """For people."""
        shown = f"{self.least[0]}x{self.least[1]}"
        return shown if self.least == self.most else f"{shown} to {self.most[0]}x{self.most[1]}"


@dataclass(frozen=True)
class Rates:
    """Pictures per second: a single rate, or all between two."""

    least: Fraction
    most: Fraction

    @classmethod
    def of(cls, entry: FrameInterval) -> Rates:
        """What the kernel's entry says, which is in seconds a picture."""
        times = list(entry.interval)
        shortest = Fraction(times[0], times[1] or 1) or Fraction(1)
        if entry.type == DISCRETE:
            return cls(1 / shortest, 1 / shortest)
        longest = Fraction(times[2], times[3] or 1) or shortest
        return cls(1 / longest, 1 / shortest)

    def nearest(self, rate: Fraction) -> Fraction:
        """The rate among them that is nearest."""
        return min(max(rate, self.least), self.most)

    def __str__(self) -> str:
        """For people."""
        shown = f"{float(self.most):.4g}"
        return shown if self.least == self.most else f"{float(self.least):.4g} to {shown}"


@dataclass(frozen=True)
class Choice:
    """What to ask the camera for.

    Attributes:
        coding: The format.
        width: In pixels.
        height: In pixels.
        rate: Pictures per second, or None to leave it alone.
    """

    coding: Coding
    width: int
    height: int
    rate: Fraction | None


def alike(one: Fraction, other: Fraction) -> bool:
    """Whether two rates are meant to be the same."""
    return abs(one - other) <= _ALIKE * other


def choose(
    device: Device, setting: str, size: tuple[int, int] | None, rate: float | None
) -> Choice:
    """The best that a camera offers for what is asked.

    Uncompressed where that reaches the rate, else MJPEG, else H.264.

    Args:
        device: The camera.
        setting: The configuration's `format`.
        size: Width and height in pixels, or None for what the camera is set to.
        rate: Pictures per second, or None for the highest that any format has at that size, as far
            as 30.

    Raises:
        CameraUnfit: It offers no such thing; says what it does offer.
        OSError: It does not answer.
    """
    offered = set(device.formats())
    present = [coding for coding in CODINGS if coding.code in offered]
    wanted = [coding for coding in present if setting in ("auto", coding.setting)]
    if not present:
        names = ", ".join(sorted(_characters(code) for code in offered)) or "none"
        raise CameraUnfit(f"offers no format that is understood, only {names}: take another camera")
    if not wanted:
        raise CameraUnfit(f"does not offer {setting}; it offers {listing(device, present)}")
    if size is None:
        now = device.format()
        size = (now.width, now.height)
    at_size = [coding for coding in wanted if _has_size(device, coding, size)]
    if not at_size:
        shown = f"{size[0]}x{size[1]}" + ("" if setting == "auto" else f" in {setting}")
        raise CameraUnfit(f"does not offer {shown}; it offers {listing(device, wanted)}")
    choice = _at_rate(device, at_size, size, None if rate is None else Fraction(rate))
    if choice is None:
        raise CameraUnfit(
            f"does not offer {rate:g} pictures per second at {size[0]}x{size[1]}; "
            f"it offers {listing(device, at_size, size)}"
        )
    return choice


def listing(device: Device, codings: Sequence[Coding], only: tuple[int, int] | None = None) -> str:
    """What a camera offers, in one line for people.

    Args:
        device: The camera.
        codings: The formats to tell of.
        only: All rates of this size; else all sizes, each with its highest rate.
    """
    return "; ".join(
        f"{coding.name} {_of_format(device, coding, only)}".strip() for coding in codings
    )


def _of_format(device: Device, coding: Coding, only: tuple[int, int] | None) -> str:
    if only is not None:
        rates = _rates(device, coding, only)
        return f"{only[0]}x{only[1]} at {', '.join(str(rate) for rate in rates) or 'any rate'}"
    entries = [Sizes.of(entry) for entry in device.sizes(coding.code)]
    shown = []
    for sizes in entries[:_MOST_SHOWN]:
        rates = _rates(device, coding, sizes.least)
        highest = max((rate.most for rate in rates), default=None)
        shown.append(f"{sizes}" + ("" if highest is None else f" to {float(highest):.4g} fps"))
    if len(entries) > _MOST_SHOWN:
        shown.append(f"{len(entries) - _MOST_SHOWN} more")
    return ", ".join(shown)


def _at_rate(
    device: Device, codings: Sequence[Coding], size: tuple[int, int], asked: Fraction | None
) -> Choice | None:
    rates = {coding: _rates(device, coding, size) for coding in codings}
    known = [rate for entries in rates.values() for rate in entries]
    if not known:
        # The driver does not list rates; what it makes of ours is seen when it is set.
        return Choice(codings[0], *size, asked)
    target = asked or min(_ENOUGH, max(rate.most for rate in known))
    for coding in codings:
        near = min(
            (entry.nearest(target) for entry in rates[coding]),
            key=lambda rate: abs(rate - target),
            default=None,
        )
        if near is None:
            return Choice(coding, *size, target)
        if alike(near, target) or (asked is None and near > target):
            return Choice(coding, *size, near)
    return None


def _has_size(device: Device, coding: Coding, size: tuple[int, int]) -> bool:
    entries = [Sizes.of(entry) for entry in device.sizes(coding.code)]
    return not entries or any(sizes.has(size) for sizes in entries)


def _rates(device: Device, coding: Coding, size: tuple[int, int]) -> list[Rates]:
    return [Rates.of(entry) for entry in device.intervals(coding.code, *size)]


def _characters(code: int) -> str:
    raw = code.to_bytes(4, "little").decode("ascii", "replace")
    return "".join(c if c.isalnum() else "?" for c in raw)
