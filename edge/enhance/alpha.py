"""Pictures with alpha: colour goes through the network, transparency is enlarged plainly.

Pixels that are fully transparent have no colour here (`faceguard.edge.sources.pixels` sets it to
0). A network that saw that black would draw dark rims around everything, so the colour of the
nearest pixel that can be seen is put there first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from faceguard.engines.upscaling.plain import enlarge_plain

if TYPE_CHECKING:
    from faceguard.engines.types import U8

# To find the nearest takes 24 bytes a pixel, so it is done in blocks.
_BLOCK_PX = 512
# No network looks further than this from a pixel that can be seen.
_REACH_PX = 64


def colour_to_enlarge(pixels: U8) -> U8:
    """B, G, R of a picture, with colours that can be seen alone.

    Args:
        pixels: uint8 (height, width, 3): B, G, R; or (height, width, 4) with alpha. It is not
            written to.

    Returns:
        uint8 (height, width, 3): the same array without alpha, else a new one. What is fully
        transparent has the colour of the nearest pixel that is not, where one is near enough to
        matter.
    """
    if pixels.shape[2] == 3:
        return pixels
    colour = np.ascontiguousarray(pixels[..., :3])
    height, width = colour.shape[:2]
    for top in range(0, height, _BLOCK_PX):
        for left in range(0, width, _BLOCK_PX):
            _fill(colour, pixels, top, left)
    return colour


def with_alpha_of(large: U8, pixels: U8, scale: int) -> U8:
    """The enlarged colours of a picture together with its alpha, where it has some.

    Args:
        large: uint8 (scale * height, scale * width, 3): what became of `colour_to_enlarge`.
        pixels: The picture that it came from.
        scale: Each side grew by this.

    Returns:
        uint8 (scale * height, scale * width, 3 or 4); what is fully transparent has no colour.
    """
    if pixels.shape[2] == 3:
        return large
    alpha = enlarge_plain(np.ascontiguousarray(pixels[..., 3]), scale)
    joined = np.asarray(np.dstack([large, alpha]), np.uint8)
    joined[alpha == 0] = 0
    return joined


def _fill(colour: U8, pixels: U8, top: int, left: int) -> None:
    """Gives the transparent pixels of one block their colour, from it and what lies around."""
    bottom, right = top + _BLOCK_PX, left + _BLOCK_PX
    if pixels[top:bottom, left:right, 3].all():
        return
    first_row, first_column = max(0, top - _REACH_PX), max(0, left - _REACH_PX)
    around = pixels[first_row : bottom + _REACH_PX, first_column : right + _REACH_PX]
    hidden = around[..., 3] == 0
    if hidden.all():
        return
    # Each pixel that is seen gets a number of its own; those that are not, that of the nearest.
    _, nearest = cv2.distanceTransformWithLabels(
        hidden.view(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    seen = ~hidden
    palette = np.empty((int(nearest.max()) + 1, 3), np.uint8)
    palette[nearest[seen]] = around[..., :3][seen]
    block = colour[top:bottom, left:right]
    inside = (
        slice(top - first_row, top - first_row + block.shape[0]),
        slice(left - first_column, left - first_column + block.shape[1]),
    )
    block[hidden[inside]] = palette[nearest[inside][hidden[inside]]]
