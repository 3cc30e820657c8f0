"""Redacted frames of any format for tests of outputs."""

from __future__ import annotations

import time
from fractions import Fraction

import av
import numpy as np

from faceguard.edge.av_image import view
from faceguard.edge.redact import redact
from faceguard.edge.style import Look, Style
from faceguard.edge.types import Cover, Frame, Image, Mask, PixelFormat, SafeFrame, Shape
from faceguard.engines.types import Region

TELEVISION, JPEG = 1, 2  # AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG
# B, G, R of four quarters: far apart, and none of them black.
COLOURS = ((30, 60, 220), (60, 200, 60), (220, 80, 40), (200, 200, 210))


def quarters(width: int = 160, height: int = 96) -> np.ndarray:
    """Four colours, one in each corner, as BGR."""
    picture = np.empty((height, width, 3), np.uint8)
    rows, columns = height // 2, width // 2
    for number, colour in enumerate(COLOURS):
        top, left = number // 2 * rows, number % 2 * columns
        picture[top : top + rows + height % 2, left : left + columns + width % 2] = colour
    return picture


def image(form: PixelFormat, bgr: np.ndarray, *, full_range: bool = False) -> Image:
    """A picture in a format, turned by FFmpeg."""
    if form is PixelFormat.BGR:
        return Image.from_bgr(bgr)
    name = "yuvj420p" if form is PixelFormat.I420 and full_range else form.ffmpeg_name
    if form is PixelFormat.GRAY:
        grey = av.VideoFrame.from_ndarray(bgr, "bgr24").reformat(format="gray").to_ndarray()
        samples = grey if full_range else np.rint(grey * (219 / 255) + 16).astype(np.uint8)
        return Image(form, bgr.shape[1], bgr.shape[0], (samples,), full_range)
    frame = av.VideoFrame.from_ndarray(bgr, "bgr24").reformat(
        format=name, dst_color_range="JPEG" if full_range else "MPEG", dst_colorspace="ITU601"
    )
    frame.color_range = JPEG if full_range else TELEVISION
    return view(frame)


def safe(
    picture: Image | None = None, *, faces: tuple[Region, ...] = (), index: int = 0
) -> SafeFrame:
    """A frame that went through redaction."""
    picture = picture or image(PixelFormat.I420, quarters())
    frame = Frame(picture, index, index, Fraction(1, 25), 1, time.monotonic_ns(), session=1)
    masks = tuple(Mask(face, Shape.BOX, n + 1, 0.9, face) for n, face in enumerate(faces))
    return redact(frame, Cover(masks), Style(look=Look.SOLID))
