"""How large a picture may become: so many pixels at most, and no more than there is memory for."""

from __future__ import annotations

from faceguard.edge.sources.base import SourceKind
from faceguard.edge.sources.picture import MAX_PIXELS
from faceguard.engines.errors import NoRoom, TooManyPixels
from faceguard.engines.memory import free_memory, show_bytes

MAX_OUTPUT_PIXELS = 2 * MAX_PIXELS
"""357,913,940: as many as in a square of 18,918 pixels."""

# Encoders hold many frames at a time; 8K television has 33 million pixels.
_MOVING_SHARE = 8
# Of a picture that is enlarged and then written: the planes, what they are put together from, and
# the encoder's copies.
_BYTES_PER_PIXEL = 16


def refuse_too_many(
    width: int, height: int, scale: int, most: int, kind: SourceKind = "picture"
) -> None:
    """Stops a picture from becoming larger than allowed, before anything is done for it.

    Args:
        width: Before enlarging, in pixels.
        height: Likewise.
        scale: Each side grows by this.
        most: Pixels that the result may have; frames of what moves may have an eighth.
        kind: What the picture belongs to.

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
            f"over the limit of {most:,}{what}; cut a part out with --roi, take a smaller --scale, "
            "or give more --max-pixels"
        )


def refuse_without_room(width: int, height: int, limit_bytes: int | None) -> None:
    """Stops a picture for whose pixels alone there is too little memory now.

    Args:
        width: Of the result, in pixels.
        height: Likewise.
        limit_bytes: What a user allows; None allows all that is free.

    Raises:
        NoRoom: With both figures.
    """
    takes = width * height * _BYTES_PER_PIXEL
    free = free_memory().within(limit_bytes)
    if takes > free.bytes:
        raise NoRoom(
            f"a picture of {width}x{height} takes {show_bytes(takes)} until it is written, and "
            f"{show_bytes(free.bytes)} are free {free.limit}; take a smaller --scale, or cut a "
            "part out with --roi"
        )
