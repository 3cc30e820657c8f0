"""Pictures with alpha: colour goes through the network, transparency is enlarged plainly.

Pixels that are fully transparent have no colour here (`faceguard.edge.sources.pixels` sets it to
0). A network that saw that black would draw dark rims around everything, so the colour of the
nearest pixel that can be seen is put there first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from faceguard.engines.types import U8


def colour_to_enlarge(pixels: U8) -> U8:
    """B, G, R of a picture with alpha, with colours that can be seen alone.

    Args:
        pixels: uint8 (height, width, 4): B, G, R, alpha. It is not written to.

    Returns:
        uint8 (height, width, 3), a new array.
    """
    colour = np.ascontiguousarray(pixels[..., :3])
    hidden = pixels[..., 3] == 0
    if not hidden.any() or hidden.all():
        return colour
    # Each pixel that is seen gets a number of its own; those that are not, that of the nearest.
    _, nearest = cv2.distanceTransformWithLabels(
        hidden.view(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    seen = ~hidden
    palette = np.empty((int(nearest.max()) + 1, 3), np.uint8)
    palette[nearest[seen]] = colour[seen]
    colour[hidden] = palette[nearest[hidden]]
    return colour


def with_alpha(colour: U8, alpha: U8) -> U8:
    """Both as one array; what is fully transparent has no colour again.

    Args:
        colour: uint8 (height, width, 3).
        alpha: uint8 (height, width).
    """
    joined = np.dstack([colour, alpha])
    joined[alpha == 0] = 0
    return joined
