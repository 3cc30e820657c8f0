"""How large a picture may become: so many pixels at most, and no more than there is memory for."""

from __future__ import annotations

from faceguard.edge.sources.base import SourceKind
from faceguard.edge.sources.picture import MAX_PIXELS
from faceguard.engines.errors import NoRoom, TooManyPixels
from faceguard.engines.memory import show_bytes
from faceguard.engines.upscaling.limits import read_limits

MAX_OUTPUT_PIXELS = 2 * MAX_PIXELS
"""357,913,940: as many as in a square of 18,918 pixels."""

_ADVICE = "take a smaller --scale, or cut a part out with --roi"
# Encoders hold many frames at a time; 8K television has 33 million pixels.
_MOVING_SHARE = 8
PICTURE_BYTES_PER_PIXEL = 16
"""Of a picture that is enlarged and written: its planes, and the encoder's copies (11 to 14)."""

# Measured likewise, and rounded up: WebP with alpha takes 38, a GIF's search for colours 63, and
# the frames that video encoders hold 118 (libx264) and 143 (libvpx-vp9).
_WEBP_BYTES_PER_PIXEL = 40
_ANIMATION_BYTES_PER_PIXEL = 64
_VIDEO_BYTES_PER_PIXEL = 150


def refuse_too_many(
    width: int,
    height: int,
    scale: int,
    most: int,
    kind: SourceKind = "picture",
    *,
    advice: str = f"{_ADVICE}, or give more --max-pixels",
) -> None:
    """Stops a picture from becoming larger than allowed, before anything is done for it.

    Args:
        width: Before enlarging, in pixels.
        height: Likewise.
        scale: Each side grows by this.
        most: Pixels that the result may have; frames of what moves may have an eighth.
        kind: What the picture belongs to.
        advice: What to do about it, for whoever reads the message.

    Raises:
        TooManyPixels: With both figures.
    """
    what = ""
    if kind != "picture":
        most, what = most // _MOVING_SHARE, " for what moves"
    wide, tall = width * scale, height * scale
    if wide * tall > most:
        raise TooManyPixels(
            f"{width}x{height} enlarged {scale} times is {wide}x{tall} = {wide * tall:,} pixels, "
            f"over the limit of {most:,}{what}; {advice}"
        )


def bytes_per_pixel(kind: SourceKind, suffix: str) -> int:
    """What a pixel of the result takes of the memory until it is written.

    Args:
        kind: What the picture belongs to.
        suffix: Of the file that is written.
    """
    if kind == "video":
        return _VIDEO_BYTES_PER_PIXEL
    if kind == "animation":
        return _ANIMATION_BYTES_PER_PIXEL
    return _WEBP_BYTES_PER_PIXEL if suffix.lower() == ".webp" else PICTURE_BYTES_PER_PIXEL


def free_bytes(limit_bytes: int | None) -> int:
    """What can be taken now, by the narrowest of all limits; negative where a reserve is gone.

    Args:
        limit_bytes: What a user allows this process in all; None allows all that is free.
    """
    return min(limit.bytes for limit in read_limits(limit_bytes))


def refuse_without_room(
    width: int,
    height: int,
    limit_bytes: int | None,
    bytes_a_pixel: int = PICTURE_BYTES_PER_PIXEL,
    *,
    advice: str = _ADVICE,
) -> None:
    """Stops a picture for whose pixels alone there is too little memory now.

    Args:
        width: Of the result, in pixels.
        height: Likewise.
        limit_bytes: What a user allows this process in all; None allows all that is free.
        bytes_a_pixel: See `bytes_per_pixel`.
        advice: As for `refuse_too_many`.

    Raises:
        NoRoom: With both figures.
    """
    takes = width * height * bytes_a_pixel
    for limit in read_limits(limit_bytes):
        if takes > limit.bytes:
            raise NoRoom(
                f"{width}x{height} takes {show_bytes(takes)} until it is written, and "
                f"{show_bytes(max(0, limit.bytes))} can be taken {limit.where}; {advice}"
            )
