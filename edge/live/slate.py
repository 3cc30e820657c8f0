"""The picture that is shown while there is none: it says so, and why, and for how long.

It is drawn from words and numbers alone. No frame of the camera ever comes near it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
import numpy.typing as npt

from faceguard.edge.live.health import State
from faceguard.edge.live.timeline import TIME_BASE
from faceguard.edge.pool import POOLED_FORMATS, ImagePool, PoolEmpty
from faceguard.edge.redact import redact
from faceguard.edge.style import Style
from faceguard.edge.types import Cover, Frame, Image, ImageKind, PixelFormat, SafeFrame

if TYPE_CHECKING:
    from faceguard.edge.budget import Budget
    from faceguard.edge.live.health import Health

USUAL_KIND = ImageKind(PixelFormat.I420, 1280, 720)
# How many of its pictures may be on their way through encoders at a time.
_PICTURES = 4
_REDRAW_NS = 1_000_000_000
_FONT = cv2.FONT_HERSHEY_DUPLEX
# Y, U, V in television range.
_DARK = (30, 132, 126)
_BRIGHT = 225
_DIM = 140
_AMBER = (168, 56, 178)
_BLUE = (120, 176, 96)
# Parts of the picture's height: where the text stands, and how high its capitals are.
_LINES = ((0.46, 0.100, _BRIGHT), (0.60, 0.046, _BRIGHT), (0.71, 0.046, _DIM))
_FOOT = (0.93, 0.032, _DIM)
_BAR = (0.26, 0.275)
_MARGIN = 0.06

_IN_WORDS = {
    "absent": "The camera was not found, or does not let us in",
    "unfit": "The camera cannot give the picture that is configured",
    "lost": "The connection to the camera broke off",
    "silent": "The camera is there but sends nothing",
    "frozen": "The camera's picture froze",
    "corrupt": "The camera's picture cannot be decoded",
    "failed": "The camera's driver failed",
}


@dataclass(frozen=True)
class _Words:
    title: str
    why: str
    bar: tuple[int, int, int]


class Slate:
    """Makes the pictures of one camera; for one thread."""

    def __init__(self, name: str) -> None:
        """Starts without memory; the first picture takes it.

        Args:
            name: Of the camera, as people know it.
        """
        self._name = name
        self._style = Style()
        self._pool: ImagePool | None = None
        self._image: Image | None = None
        self._drawn: tuple[_Words, int] | None = None
        self._paused_since_ns: int | None = None

    def make(
        self,
        health: Health,
        budget: Budget,
        like: ImageKind = USUAL_KIND,
        *,
        index: int,
        pts: int,
        now_ns: int,
    ) -> SafeFrame:
        """A picture of how things are.

        It is drawn anew when what it says changes, once a second; in between all share one memory,
        which nobody may write to.

        Args:
            health: How the camera is.
            budget: Whether output is paused, and why.
            like: What the last frames were, so that encoders go on with it. Odd sides lose a
                pixel, and what is no video becomes I420.
            index: For the frame.
            pts: For the frame, in units of 1/90000 s.
            now_ns: Monotonic nanoseconds.
        """
        # Nobody tells since when it is paused; the first slate is soon enough.
        if not budget.paused:
            self._paused_since_ns = None
        elif self._paused_since_ns is None:
            self._paused_since_ns = now_ns
        paused_ns = self._paused_since_ns
        since_ns = health.since_ns if paused_ns is None else paused_ns
        words = _paused(budget.reason) if budget.paused else _words(health)
        image = self._picture(words, max(0, now_ns - since_ns) // _REDRAW_NS, like)
        # Session 0: it comes through no connection to a camera.
        frame = Frame(image, index, pts, TIME_BASE, 0, now_ns)
        return redact(frame, Cover(), self._style)

    def _picture(self, words: _Words, elapsed_s: int, like: ImageKind) -> Image:
        form = like.format if like.format in POOLED_FORMATS else PixelFormat.I420
        width, height = (max(2, side - side % 2) for side in (like.width, like.height))
        kind = ImageKind(form, width, height, like.full_range)
        if self._pool is None or self._pool.kind != kind:
            self._pool = ImagePool(form, width, height, _PICTURES, full_range=like.full_range)
            self._image = self._drawn = None
        if self._image is not None and self._drawn == (words, elapsed_s):
            return self._image
        try:
            image = self._pool.take()
        except PoolEmpty:
            # All are still being encoded. One that is a second old tells no lie.
            if self._image is None:
                raise
            return self._image
        _draw(image, words, elapsed_s, self._name)
        self._image, self._drawn = image, (words, elapsed_s)
        return image


def _words(health: Health) -> _Words:
    if health.state is State.OPENING:
        return _Words("NO CAMERA YET", "Opening the camera", _BLUE)
    if health.state is State.ENDED:
        return _Words("THE END", "The camera was closed, or its file has ended", _BLUE)
    if health.gives_frames:
        return _Words("NO PICTURE", "The camera works; waiting for the next picture", _BLUE)
    return _Words("NO CAMERA", _IN_WORDS.get(health.cause or "", "Nobody knows why"), _AMBER)


def _paused(reason: str) -> _Words:
    return _Words("PAUSED", reason[:1].upper() + reason[1:], _BLUE)


def _draw(image: Image, words: _Words, elapsed_s: int, name: str) -> None:
    """Draws the slate; every sample of every plane is written."""
    for plane, value in zip(image.planes, _samples(image, _DARK), strict=True):
        plane[...] = value
    top, bottom = (round(part * image.height) for part in _BAR)
    left, right = round(_MARGIN * image.width), round((_MARGIN + 0.12) * image.width)
    bar = _samples(image, words.bar)
    for spec, plane, value in zip(image.format.planes, image.planes, bar, strict=True):
        rows = slice(top // spec.sub_y, -(-bottom // spec.sub_y))
        plane[rows, left // spec.sub_x : -(-right // spec.sub_x)] = value
    luma = cast("npt.NDArray[np.uint8]", image.planes[0])
    texts = (words.title, words.why, f"for {_clock(elapsed_s)}")
    for text, line in zip(texts, _LINES, strict=True):
        _write(luma, text, line)
    _write(luma, f"camera: {name}", _FOOT)


def _samples(image: Image, color: tuple[int, int, int]) -> Sequence[int | tuple[int, int]]:
    """Y, U and V as one value a plane."""
    y, u, v = color
    if image.format is PixelFormat.GRAY:
        return (y,)
    return (y, (u, v)) if image.format is PixelFormat.NV12 else (y, u, v)


def _write(luma: npt.NDArray[np.uint8], text: str, line: Sequence[float]) -> None:
    """Writes one line, as large as it may be and still fits the width."""
    baseline, capital, bright = line
    height, width = luma.shape
    # OpenCV's own fonts have nothing beyond ASCII.
    text = text.encode("ascii", "replace").decode("ascii")
    room = (1 - 2 * _MARGIN) * width
    (wide, tall), _ = cv2.getTextSize(text, _FONT, 1.0, 1)
    scale = min(capital * height / max(1, tall), room / max(1, wide))
    thick = max(1, round(scale * 1.1))
    # Thick strokes are wider than their scale says.
    (wide, _), _ = cv2.getTextSize(text, _FONT, scale, thick)
    scale *= min(1.0, room / max(1, wide))
    place = (round(_MARGIN * width), round(baseline * height))
    cv2.putText(luma, text, place, _FONT, scale, int(bright), thick, cv2.LINE_AA)


def _clock(elapsed_s: int) -> str:
    minutes, seconds = divmod(elapsed_s, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
