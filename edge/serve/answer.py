"""A safe picture as a file's bytes, with nothing else of what came, and the headers beside it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from faceguard.edge.serve.asking import FORMATS, Wish
from faceguard.edge.serve.job import Done
from faceguard.edge.serve.refusal import Refusal
from faceguard.edge.serve.still import Still
from faceguard.edge.types import PixelFormat, SafeFrame
from faceguard.engines.types import U8

REDACTED = "Faceguard-Redacted"
"""Names the header that says whether faces were covered."""
# From here on, chroma at half size is the larger loss.
_FULL_CHROMA_FROM = 90
_PNG_LEVEL = 4
_STRIP_PIXELS = 1 << 18
_SUFFIX = {"jpeg": ".jpg", "png": ".png", "webp": ".webp"}


def check_side(width: int, height: int, form: str) -> None:
    """Refuses what a format cannot hold.

    Raises:
        Refusal: A side is too long.
    """
    most = FORMATS[form][1]
    if max(width, height) > most:
        instead = "send a smaller picture" if form == "png" else "ask for png"
        raise Refusal(
            422, f"{width}x{height} is more than {form} can hold ({most} a side); {instead}"
        )


def encode(frame: SafeFrame, form: str, quality: int, *, is_grey: bool = False) -> bytes:
    """Encodes a picture.

    Args:
        frame: In BGR or BGRA.
        form: "jpeg", which puts what is transparent on white; "png" or "webp".
        quality: 1 to 100; of no meaning for "png".
        is_grey: Whether to leave colour out.

    Raises:
        TypeError: It went through no redaction.
        Refusal: The format cannot hold it.
    """
    if not isinstance(frame, SafeFrame):
        raise TypeError(f"an answer is made of SafeFrame, not {type(frame).__name__}")
    image = frame.image
    check_side(image.width, image.height, form)
    pixels: Any = image.planes[0]
    if image.format is PixelFormat.BGRA and form == "jpeg":
        pixels = _on_white(pixels)
    elif is_grey and image.format is PixelFormat.BGR:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    try:
        done, data = cv2.imencode(_SUFFIX[form], pixels, _options(form, quality))
    except cv2.error as error:
        raise Refusal(500, f"the answer cannot be encoded as {form}; ask for png") from error
    if not done:
        raise Refusal(500, f"the answer cannot be encoded as {form}; ask for png")
    return bytes(data)


def headers(wish: Wish, still: Still, done: Done, seconds: float) -> dict[str, str]:
    """What was done, for whoever gets the picture.

    Args:
        wish: What was asked for.
        still: What came.
        done: What became of it.
        seconds: Time it took.
    """
    cover = done.frame.cover
    told = {
        REDACTED: "true" if wish.redact else "false",
        "Faceguard-Seconds": f"{seconds:.3f}",
    }
    if wish.redact:
        # Nobody knows how many there were in a picture that was covered whole.
        told["Faceguard-Covered-Whole"] = "false" if cover.whole is None else "true"
        if cover.whole is None:
            told["Faceguard-Faces"] = str(len(cover.masks))
        else:
            told["Faceguard-Why"] = _plain(cover.whole)
    if wish.model is not None:
        told["Faceguard-Scale"] = str(wish.scale)
        told["Faceguard-Model"] = wish.model
    if still.notes:
        told["Faceguard-Notes"] = _plain("; ".join(still.notes))
    return told


def _options(form: str, quality: int) -> list[int]:
    if form == "png":
        return [cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL]
    if form == "webp":
        return [cv2.IMWRITE_WEBP_QUALITY, quality]
    chroma = (
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
        if quality >= _FULL_CHROMA_FROM
        else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420
    )
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return [*options, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, chroma]


def _on_white(pixels: U8) -> U8:
    """B, G, R, alpha laid on white.

    A few rows at a time: the steps between take several times what the picture does.
    """
    height, width = pixels.shape[:2]
    laid = np.empty((height, width, 3), np.uint8)
    rows = max(1, _STRIP_PIXELS // max(1, width))
    for top in range(0, height, rows):
        strip = pixels[top : top + rows]
        alpha = strip[..., 3:].astype(np.uint16)
        colour = strip[..., :3] * alpha + 255 * (255 - alpha)
        laid[top : top + rows] = (colour + 127) // 255
    return laid


def _plain(text: str) -> str:
    """Words as a header takes them."""
    return text.encode("ascii", "replace").decode()
