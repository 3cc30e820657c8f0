"""How many frames a second a network enlarges on this machine, in which tiles and memory."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from faceguard.edge.bench.stopwatch import Timing, timed
from faceguard.edge.enhance.enhancer import Enhancer
from faceguard.edge.enhance.limits import MAX_OUTPUT_PIXELS, refuse_too_many
from faceguard.edge.enhance.planes import Network
from faceguard.edge.types import Image, PixelFormat
from faceguard.engines.errors import NoRoom, TooManyPixels, UsageError
from faceguard.engines.upscaling.limits import forget_peak, held, peaks

if TYPE_CHECKING:
    from collections.abc import Callable

    from faceguard.edge.bench.stopwatch import OnStep
    from faceguard.engines.upscaling.tile import Tile

USUAL_SIZES = ((640, 360), (1280, 720), (1920, 1080))
USUAL_SECONDS = 3.0

# From a piece of this size the time of a tile is told beforehand; the smallest EDSR needs a second.
_PIECE_PX = 64
_SIZE = re.compile(r"(\d{1,6})[xX](\d{1,6})", re.ASCII)


class Tiling(Network, Protocol):
    """A network that says how it would cut a picture up; `Upscaler` is one."""

    def planned(self, width: int, height: int) -> tuple[Tile, int]:
        """The tile for a picture of this size now, and how many of them."""
        ...


@dataclass(frozen=True)
class Row:
    """One model at one size.

    Attributes:
        model: Its name.
        scale: Each side grows by this.
        width: Of the frames, in pixels.
        height: Likewise.
        tile: What one inference takes; None where it was refused.
        tiles: How many a frame has.
        timing: How long a frame takes.
        peak_bytes: The most resident memory of this process meanwhile, its frames included;
            foreseen where the time is predicted. None where it is not known.
        refused: Why there is no figure, in one line.
    """

    model: str
    scale: int
    width: int
    height: int
    tile: Tile | None = None
    tiles: int = 0
    timing: Timing | None = None
    peak_bytes: int | None = None
    refused: NoRoom | TooManyPixels | None = None

    @property
    def fps(self) -> float | None:
        """Frames a second."""
        return 1 / self.timing.seconds if self.timing else None


def measure(
    network: Tiling,
    width: int,
    height: int,
    *,
    seconds: float = USUAL_SECONDS,
    memory_limit_bytes: int | None = None,
    foresee: Callable[[Tile], int] | None = None,
    watch: OnStep | None = None,
) -> Row:
    """Enlarges frames of one size as the camera would, for a while.

    A frame is I420, as decoders give them. Where a single tile would take longer than there is
    time for, that of a small piece is measured and the rest is predicted.

    Args:
        network: Stays open.
        width: Of the frames, in pixels.
        height: Likewise.
        seconds: How long it may take, twice; one small piece, and one tile that is not longer, is
            always done.
        memory_limit_bytes: What results may take; see `Enhancer`.
        foresee: Says how much memory a tile takes beside the loaded network, in bytes.
        watch: Told of each tile.

    Returns:
        The row; `refused` has the error where that size is refused.

    Raises:
        InferenceError: The network failed.
    """
    # Not closed: the network is not ours.
    enhancer = Enhancer(network, memory_limit_bytes=memory_limit_bytes)
    try:
        refuse_too_many(width, height, network.scale, MAX_OUTPUT_PIXELS)
        tile, tiles = network.planned(width, height)
        foreseen_bytes = None if foresee is None else _with(foresee(tile), network, width, height)
        pixel_s = _piece_s(enhancer, min(width, _PIECE_PX), min(height, _PIECE_PX))
        if pixel_s * tile.pixels > seconds:
            timing, peak_bytes = Timing(pixel_s * tile.width * tile.height * tiles), None
        else:
            frame = picture(width, height)
            is_counted = _forget_peak()
            timing = timed(lambda step: enhancer.image(frame, on_tile=step), seconds, watch)
            peak_bytes = peaks()[0] if is_counted else None
        if timing.is_predicted:
            peak_bytes = foreseen_bytes
    except (NoRoom, TooManyPixels) as error:
        return Row(network.name, network.scale, width, height, refused=error)
    return Row(network.name, network.scale, width, height, tile, tiles, timing, peak_bytes)


def parse_size(text: str) -> tuple[int, int]:
    """Reads `640x360`: width and height in pixels.

    Raises:
        UsageError: It is no such thing, or has no size.
    """
    found = _SIZE.fullmatch(text.strip())
    width, height = map(int, found.groups()) if found else (0, 0)
    if width < 1 or height < 1:
        raise UsageError(f"--size {text[:40]!r} must be width x height in pixels, as in 1280x720")
    return width, height


def picture(width: int, height: int) -> Image:
    """A frame of noise in I420: what is in it does not matter to a network's speed."""
    random = np.random.default_rng(1)
    planes = tuple(
        random.integers(16, 236, spec.shape(width, height), np.uint8)
        for spec in PixelFormat.I420.planes
    )
    return Image(PixelFormat.I420, width, height, planes)


def _piece_s(enhancer: Enhancer, width: int, height: int) -> float:
    """Seconds that a pixel of a small frame takes, at the second go."""
    piece = picture(width, height)
    enhancer.image(piece)
    begun_ns = time.monotonic_ns()
    enhancer.image(piece)
    return (time.monotonic_ns() - begun_ns) / 1e9 / (width * height)


def _with(tile_bytes: int, network: Tiling, width: int, height: int) -> int:
    """A tile's memory with what this process has, a frame and its result."""
    frame_bytes = sum(math.prod(spec.shape(width, height)) for spec in PixelFormat.I420.planes)
    return held().resident + tile_bytes + frame_bytes * (1 + network.scale**2)


def _forget_peak() -> bool:
    """Has the kernel count the peak anew; False where it cannot."""
    try:
        forget_peak()
    except OSError:
        return False
    return True
