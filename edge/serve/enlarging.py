"""Several pictures through one network: colours by the network, alpha plainly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from faceguard.edge.enhance.alpha import colour_to_enlarge, with_alpha_of
from faceguard.edge.types import Image
from faceguard.engines.closing import Closing
from faceguard.engines.types import U8

OnTile = Callable[[int, int], None]
"""Called between tiles with how many are done, and of how many; what it raises ends the work."""


class Network(Closing, Protocol):
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


def enlarge_all(images: Sequence[Image], network: Network, on_tile: OnTile) -> list[Image]:
    """Enlarges pictures together.

    Args:
        images: In BGR or BGRA; they are not written to.
        network: The network.
        on_tile: See `OnTile`.

    Returns:
        Pictures of the same formats.
    """
    large = network.many([colour_to_enlarge(image.planes[0]) for image in images], on_tile=on_tile)
    return [
        Image.from_bgr(with_alpha_of(pixels, image.planes[0], network.scale))
        for image, pixels in zip(images, large, strict=True)
    ]
