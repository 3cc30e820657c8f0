"""Covers as the daemon draws them while it takes in fewer frames and looks at fewer of those.

A governor that spares heat does both. What it drops still counts in the frames' numbers, so that
tracks know how much time went by; the delay line holds so many of the frames that are left.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np

from faceguard.edge.live.line import Line
from faceguard.edge.pipeline import Plan
from faceguard.edge.types import Cover, Frame, Image, PixelFormat
from faceguard.engines.types import Detections

CAMERA_RATE = 30


@dataclass(frozen=True)
class Rate:
    """How many frames are taken in, and how many of them are looked at.

    Attributes:
        keep: Of the camera's frames every so many-th one is taken in.
        look: Of those the detector looks at every so many-th one.
        look_ahead: Frames, of those taken in, that each one waits.
        planned_only: The detector looks at no other frame, as when faces move before a background
            that rests; else also at those that are quite another picture (edge/change.py).
    """

    keep: int
    look: int
    look_ahead: int
    planned_only: bool = False

    @property
    def gap(self) -> int:
        """Frames of the camera from one planned look to the next."""
        return self.keep * self.look

    @property
    def gap_ms(self) -> int:
        """The same in milliseconds, for a camera of 30 frames a second."""
        return round(1000 * self.gap / CAMERA_RATE)


# Where each frame taken in is looked at, there is nothing to look at beyond the plan.
RATES = [
    Rate(keep, look, ahead, planned_only)
    for planned_only in (False, True)
    for ahead in (5, 15)
    for keep in (1, 2, 3, 5)
    for look in (1, 2, 3)
    if not (planned_only and look == 1)
]


@dataclass(frozen=True)
class RateRow:
    """One rate of frames and looks, over one half of the clips.

    Attributes:
        half: "dev" or "held".
        keep: Every so many-th frame of the camera goes out.
        look: Every so many-th of these is looked at.
        look_ahead: Frames, of those that go out, that each waits.
        planned_only: The detector looks at no frame beyond the plan.
        gap_ms: From one planned look to the next, of a camera of 30 frames a second.
        face_frames: Faces that count, all frames together.
        exposed: Of these, exposed.
        covered: Part of the frames' area that is covered.
        whole: Part of the frames that is covered whole.
        looked: Part of the frames that is looked at.
    """

    half: str
    keep: int
    look: int
    look_ahead: int
    planned_only: bool
    gap_ms: int
    face_frames: int
    exposed: int
    covered: float
    whole: float
    looked: float

    @property
    def figure(self) -> str:
        """What its share of exposed face-frames is called."""
        planned = "_planned" if self.planned_only else ""
        return f"exposed_{self.half}_k{self.keep}_m{self.look}_la{self.look_ahead}{planned}"


@dataclass(frozen=True)
class Taken:
    """A frame that was taken in.

    Attributes:
        index: Its place in the clip.
        cover: What is drawn over it.
    """

    index: int
    cover: Cover


def thumb(image: Image) -> Image:
    """A frame in so few samples that `Change` says of it what it says of the whole frame.

    Args:
        image: 640x360 pixels, of which `Change` takes every other one.
    """
    few = np.ascontiguousarray(image.planes[0][::2, ::2])
    small = cv2.resize(few, (32, 18), interpolation=cv2.INTER_AREA)
    return Image(PixelFormat.GRAY, 32, 18, (np.asarray(small, np.uint8),))


def taken_in(
    rate: Rate, start: int, size: tuple[int, int], found: list[Detections], thumbs: list[Image]
) -> tuple[list[Taken], int]:
    """Sends a clip through the daemon's own delay line.

    Args:
        rate: What is dropped and looked at.
        start: The first frame taken in, from 0 to `keep` - 1. All starts together take in each
            frame of the clip once, so that rates can be compared on the same faces.
        size: Width and height of its frames in pixels.
        found: What the detector says of each of its frames.
        thumbs: Each of its frames, small.

    Returns:
        Frames with their covers, in order, and how many were looked at while they came.
    """
    line = Line(Plan(detect_every=rate.gap, look_ahead=rate.look_ahead), ())
    blank = Image.blank(PixelFormat.GRAY, *size)
    places = range(start, len(found), rate.keep)
    out: list[tuple[Frame, Cover]] = []
    looks = 0
    for place in places:
        number = place - start
        verdict = None
        if line.is_due(number) or (not rate.planned_only and line.change.is_great(thumbs[place])):
            line.change.looked_at(thumbs[place])
            verdict = found[place]
            looks += 1
        out += line.delay.push(Frame(blank, number, number, Fraction(1, CAMERA_RATE)), verdict)
    out += line.delay.flush(lambda _: found[places[-1]])
    return [Taken(start + frame.index, cover) for frame, cover in out], looks
