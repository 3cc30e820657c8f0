"""Several pictures through one network: colours by the network, alpha plainly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from faceguard.edge.enhance.alpha import colour_to_enlarge, with_alpha
from faceguard.edge.types import Image, PixelFormat
from faceguard.engines.closing import Closing
from faceguard.engines.types import U8
from faceguard.engines.upscaling.plain import enlarge_plain

OnTile = Callable[[int, int], None]
"""Called between tiles with how many are done, and of how many; what it raises ends the work."""


class Enlarger(Closing, Protocol):
    """What a network is to the service; see `faceguard.engines.upscaling.upscaler.Upscaler`.

    Attributes:
        scale: Each side grows by this.
    """

    scale: int

    def many(self, pictures: Sequence[U8], *, on_tile: OnTile | None = None) -> list[U8]:
        """Enlarges uint8 (height, width, 3), B, G, R; tiles of all share batches.

        Raises:
            NoRoom: There is not enough memory now.
            InferenceError: The network failed.
        """
        ...


def enlarge_all(images: Sequence[Image], enlarger: Enlarger, on_tile: OnTile) -> list[Image]:
    """Enlarges pictures together.

    Args:
        images: In BGR or BGRA; they are not written to.
        enlarger: The network.
        on_tile: See `OnTile`.

    Returns:
        Pictures of the same formats.
    """
    colours = [
        colour_to_enlarge(image.planes[0]) if image.format is PixelFormat.BGRA else image.planes[0]
        for image in images
    ]
    large = enlarger.many(colours, on_tile=on_tile)
    return [
        _whole(image, pixels, enlarger.scale) for image, pixels in zip(images, large, strict=True)
    ]


def _whole(image: Image, large: U8, scale: int) -> Image:
    """The enlarged colours of a picture, with its alpha where it has some."""
    if image.format is not PixelFormat.BGRA:
        return Image.from_bgr(large)
    alpha = np.ascontiguousarray(image.planes[0][..., 3])
    return Image.from_bgr(with_alpha(large, enlarge_plain(alpha, scale)))
