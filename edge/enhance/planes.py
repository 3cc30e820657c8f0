"""Enlarging a picture in the form it came in: which planes the network gets, and which not.

A network for luma alone gets a frame's luma as it is, and chroma is enlarged plainly, so that no
frame becomes B, G, R on its way. One for B, G, R gets frames in luma and chroma by way of that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from faceguard.edge.enhance.alpha import colour_to_enlarge, with_alpha_of
from faceguard.edge.enhance.colour import from_bgr, to_bgr
from faceguard.edge.types import Image, ImageKind
from faceguard.engines.closing import Closing
from faceguard.engines.upscaling.plain import enlarge_plain

if TYPE_CHECKING:
    from faceguard.edge.types import Plane, PlaneSpec
    from faceguard.engines.types import U8

OnTile = Callable[[int, int], None]
"""Called with how many tiles of a picture are done, and how many it has."""


class Network(Closing, Protocol):
    """What a network is to the camera; see `faceguard.engines.upscaling.upscaler.Upscaler`.

    Attributes:
        scale: Each side grows by this.
        colours: What it was trained on: luma alone, or B, G, R.
        name: The model's name in the catalogue.
    """

    scale: int
    colours: Literal["luma", "bgr"]
    name: str

    def bgr(self, pixels: U8, *, on_tile: OnTile | None = None) -> U8:
        """Enlarges uint8 (height, width, 3): B, G, R."""
        ...

    def luma(
        self,
        plane: Plane,
        *,
        bits: int = 8,
        full_range: bool = True,
        on_tile: OnTile | None = None,
    ) -> Plane:
        """Enlarges luma, uint8 or uint16 (height, width); for those of `luma` alone."""
        ...


def enlarged(image: Image, network: Network, matrix: int, on_tile: OnTile | None) -> Image:
    """A picture whose sides are so many times as long, in the same format.

    Args:
        image: The picture; it is not written to.
        network: The network.
        matrix: Which matrix made its colours; see `colour.matrix_of`.
        on_tile: Called after each tile of the network.

    Raises:
        NoRoom: There is too little memory for it now.
        InferenceError: The network failed.
    """
    form = image.format
    width, height = image.width * network.scale, image.height * network.scale
    first = image.planes[0]
    if not form.is_yuv:
        colour = network.bgr(colour_to_enlarge(first), on_tile=on_tile)
        planes: tuple[Plane, ...] = (with_alpha_of(colour, first, network.scale),)
    elif network.colours == "bgr":
        pixels = network.bgr(to_bgr(image, matrix), on_tile=on_tile)
        return from_bgr(pixels, ImageKind(form, width, height, image.full_range), matrix)
    else:
        luma = network.luma(first, bits=form.bits, full_range=image.full_range, on_tile=on_tile)
        chroma = (
            _chroma(plane, spec, network.scale, width, height, form.bits)
            for spec, plane in zip(form.planes[1:], image.planes[1:], strict=True)
        )
        planes = (luma, *chroma)
    return Image(form, width, height, planes, image.full_range)


def _chroma(plane: Plane, spec: PlaneSpec, scale: int, width: int, height: int, bits: int) -> Plane:
    """A plane of chroma enlarged; the sample beyond an odd side reaches less far than it did."""
    large = enlarge_plain(plane, scale, bits=bits)
    shape = spec.shape(width, height)
    return np.ascontiguousarray(large[: shape[0], : shape[1]])
