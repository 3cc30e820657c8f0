"""From a tile's samples to what a network takes, and from its answer to the output's samples.

Networks for luma are trained on Y' of full-range BT.601, from 0 to 1; the two colour differences
are enlarged by interpolation. Both happens in 8 bits, as OpenCV's `dnn_superres` does it, so that
the same weights give the same picture.

OpenCV does the work because it writes into arrays that are there already, also into a part of the
output, and uses all cores.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faceguard.engines.types import F32, U8
    from faceguard.engines.upscaling.scratch import Scratch

Chroma = Literal["bilinear", "bicubic"]
Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

Plane = TypeVar("Plane", npt.NDArray[np.uint8], npt.NDArray[np.float32])

STRIP_SAMPLES = 1 << 18
"""Pixels that are worked on at a time: what they take stays in a processor's cache, and is little
beside what a network takes."""

CHROMA_REACH_PX = 2
"""An interpolated sample draws on pixels up to so far outside what it belongs to."""

CHROMA: dict[Chroma, int] = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}
"""Ways to enlarge colour differences."""

BGR_MEANS = (103.1545782, 111.561547, 114.35629928)
"""Of the DIV2K pictures that EDSR was trained on: B, G, R from 0 to 255."""


@dataclass(frozen=True)
class Core:
    """The part of a tile that is kept, in pixels of the tile.

    Attributes:
        x0: First column.
        y0: First row.
        x1: Last column, exclusive.
        y1: Last row, exclusive.
        width: Columns of the tile that are the picture's; those after it only fill it up.
        height: Rows, likewise.
    """

    x0: int
    y0: int
    x1: int
    y1: int
    width: int
    height: int

    def of(self, plane: Plane, scale: int) -> Plane:
        """The core of an enlarged plane."""
        return plane[self.y0 * scale : self.y1 * scale, self.x0 * scale : self.x1 * scale]

    def strips(self, scale: int) -> Iterator[Core]:
        """The core in strips of rows, each of some `STRIP_SAMPLES` when enlarged."""
        for y0, y1 in _strips(self.y0, self.y1, (self.x1 - self.x0) * scale * scale):
            yield replace(self, y0=y0, y1=y1)


class Colour(Protocol):
    """A kind of picture, and how a network sees it."""

    @property
    def channels(self) -> int:
        """What the network takes: 1 or 3."""
        ...

    def put(self, pixels: Samples, slot: int, into: F32) -> None:
        """Makes a network's input.

        Args:
            pixels: A tile of the picture.
            slot: The tile's place in its batch.
            into: float32 (channels, height, width), to be written.
        """
        ...

    def take(self, answer: F32, slot: int, core: Core, out: Samples) -> None:
        """Writes the core of an answer, or a strip of it, into the output.

        Args:
            answer: float32 (channels, scale * height, scale * width), finite.
            slot: As it was put.
            core: Which part of the tile to write.
            out: The output's part that is the core's place.
        """
        ...


class BgrByLuma:
    """Pictures B, G, R for networks that enlarge luma."""

    channels = 1

    def __init__(self, scale: int, batch: int, chroma: Chroma, scratch: Scratch) -> None:
        """Takes memory as it is needed.

        Args:
            scale: The network's.
            batch: Tiles at a time.
            chroma: How colour differences are enlarged.
            scratch: Where working arrays are kept.
        """
        self._scale = scale
        self._batch = batch
        self._chroma = CHROMA[chroma]
        self._scratch = scratch

    def put(self, pixels: Samples, slot: int, into: F32) -> None:
        """Luma for the network; the differences are kept for `take`."""
        rows, columns = pixels.shape[:2]
        differences = self._differences(slot, rows, columns)
        for y0, y1 in _strips(0, rows, columns):
            ycc = self._scratch.array("ycc", (y1 - y0, columns, 3), np.uint8)
            cv2.cvtColor(pixels[y0:y1], cv2.COLOR_BGR2YCrCb, dst=ycc)
            np.multiply(ycc[:, :, 0], np.float32(1 / 255), out=into[0, y0:y1])
            for channel, plane in enumerate(differences, 1):
                cv2.extractChannel(ycc, channel, dst=plane[y0:y1])

    def take(self, answer: F32, slot: int, core: Core, out: Samples) -> None:
        """Joins the network's luma with enlarged differences."""
        scale, (rows, columns) = self._scale, out.shape[:2]
        # The same neighbours as in the whole picture: more than the core, less than the tile.
        x0, y0 = max(0, core.x0 - CHROMA_REACH_PX), max(0, core.y0 - CHROMA_REACH_PX)
        x1 = min(core.width, core.x1 + CHROMA_REACH_PX)
        y1 = min(core.height, core.y1 + CHROMA_REACH_PX)
        inner = replace(core, x0=core.x0 - x0, y0=core.y0 - y0, x1=core.x1 - x0, y1=core.y1 - y0)
        size = ((x1 - x0) * scale, (y1 - y0) * scale)
        luma = self._scratch.array("luma", (rows, columns), np.uint8)
        _round(core.of(answer[0], scale), 255.0, luma, self._scratch)
        planes = [luma]
        tile = (answer.shape[1] // scale, answer.shape[2] // scale)
        for name, plane in zip(("cr", "cb"), self._differences(slot, *tile), strict=True):
            large = self._scratch.array(name, size[::-1], np.uint8)
            cv2.resize(plane[y0:y1, x0:x1], size, dst=large, interpolation=self._chroma)
            planes.append(inner.of(large, scale))
        ycc = self._scratch.array("large ycc", (rows, columns, 3), np.uint8)
        cv2.merge(planes, dst=ycc)
        cv2.cvtColor(ycc, cv2.COLOR_YCrCb2BGR, dst=out)

    def _differences(self, slot: int, rows: int, columns: int) -> U8:
        """Cr and Cb of a tile, (2, rows, columns)."""
        shape = (self._batch, 2, rows, columns)
        kept: U8 = self._scratch.array("differences", shape, np.uint8)[slot]
        return kept


class Bgr:
    """Pictures B, G, R for networks that enlarge them as they are."""

    channels = 3

    def __init__(self, scale: int, scratch: Scratch) -> None:
        """Takes memory as it is needed.

        Args:
            scale: The network's.
            scratch: Where working arrays are kept.
        """
        self._scale = scale
        self._scratch = scratch

    def put(self, pixels: Samples, slot: int, into: F32) -> None:
        """Planes, each less its mean."""
        del slot
        for channel, mean in enumerate(BGR_MEANS):
            np.subtract(pixels[:, :, channel], np.float32(mean), out=into[channel])

    def take(self, answer: F32, slot: int, core: Core, out: Samples) -> None:
        """Pixels, each with its mean again."""
        del slot
        planes = self._scratch.array("large planes", (3, *out.shape[:2]), np.float32)
        for channel, mean in enumerate(BGR_MEANS):
            np.add(core.of(answer[channel], self._scale), np.float32(mean), out=planes[channel])
        bgr = self._scratch.array("bgr", (*out.shape[:2], 3), np.float32)
        cv2.merge(list(planes), dst=bgr)
        _round(bgr, 1.0, out, self._scratch)


class Luma:
    """One plane of luma, full or limited range, 8 to 16 bits."""

    channels = 1

    def __init__(self, scale: int, bits: int, full_range: bool, scratch: Scratch) -> None:
        """Works out the range.

        Args:
            scale: The network's.
            bits: Of a sample; uint8 where 8, uint16 above.
            full_range: Whether black is 0 and white all bits set, or they are 16 and 235 as of 8
                bits (ITU-R BT.601, BT.2100).
            scratch: Where working arrays are kept.
        """
        self._scale = scale
        self._scratch = scratch
        unit = 1 << (bits - 8)
        self._black, self._white = (0, (1 << bits) - 1) if full_range else (16 * unit, 235 * unit)

    def put(self, pixels: Samples, slot: int, into: F32) -> None:
        """From black at 0 to white at 1."""
        del slot
        span = self._white - self._black
        np.multiply(pixels, np.float32(1 / span), out=into[0])
        if self._black:
            np.subtract(into[0], np.float32(self._black / span), out=into[0])

    def take(self, answer: F32, slot: int, core: Core, out: Samples) -> None:
        """Samples from black to white."""
        del slot
        kept = core.of(answer[0], self._scale)
        plane = self._scratch.array("large luma", kept.shape, np.float32)
        np.clip(kept, 0.0, 1.0, out=plane)
        span = float(self._white - self._black)
        if out.dtype == np.uint8:
            cv2.convertScaleAbs(plane, dst=out, alpha=span, beta=float(self._black))
            return
        np.multiply(plane, np.float32(span), out=plane)
        np.add(plane, np.float32(self._black), out=plane)
        np.rint(plane, out=plane)
        np.copyto(out, plane, casting="unsafe")


def _strips(y0: int, y1: int, row_samples: int) -> Iterator[tuple[int, int]]:
    """First row and last, exclusive, of strips that follow each other."""
    rows = max(1, STRIP_SAMPLES // row_samples)
    for start in range(y0, y1, rows):
        yield start, min(y1, start + rows)


def _round(samples: F32, white: float, out: Samples, scratch: Scratch) -> None:
    """Whole numbers from 0 to 255, halves to even."""
    above = scratch.array("above black", samples.shape, np.float32)
    cv2.threshold(samples, 0.0, 0.0, cv2.THRESH_TOZERO, dst=above)
    # It takes the absolute value, scales, rounds and cuts at 255 in one pass over all cores.
    cv2.convertScaleAbs(above, dst=out, alpha=white)
