"""A scene whose faces bear a watermark, a camera that films it, and a detector that knows it.

Every face is noise of 0 and 255 in every plane, drawn anew for each frame: no average of any
number of pictures brings it forth, and nothing that is left of it can be taken for chance. Each
picture bears its number at its upper edge, so that the detector, and whoever looks at an output,
knows which one it is.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np

from faceguard.edge.cameras.base import CameraInfo, Shot
from faceguard.edge.types import Image, PixelFormat, Plane
from faceguard.engines.closing import Closing
from faceguard.engines.types import Detections, PixelSource, Region

SIZE = (160, 96)
# A number has 16 bits and 4 more that sum it up, each a block with its opposite below it.
_BITS, _SUM_BITS = 16, 4
_BLOCKS = _BITS + _SUM_BITS
STRIP_ROWS = 16
_KEPT = 4096
# The detector's box is larger than the mark by this, so that rounding of its path shows nothing.
_RIM = 2


@dataclass(frozen=True)
class Mark:
    """Where one face's watermark is in one frame, in even whole pixels."""

    face: int
    x: int
    y: int
    side: int


class Scene:
    """Faces that go their ways; frames are numbered, whichever camera films them.

    The same number and size always give the same picture.
    """

    def __init__(
        self,
        *,
        faces: int = 2,
        face_px: int = 32,
        seed: int = 0,
        there: Callable[[int, int], bool] = lambda _index, _face: True,
    ) -> None:
        """Sets the scene.

        Args:
            faces: How many.
            face_px: Side of a watermark in pictures 160 pixels wide; others in proportion.
            seed: Of the watermarks.
            there: Whether, in the frame of this index, the face of this number is to be seen.
        """
        self.count = faces
        self._face_px = face_px
        self._seed = seed
        self._there = there
        self._next = 0
        self._lock = threading.Lock()
        self.filmed: deque[int] = deque(maxlen=_KEPT)
        """Numbers of the pictures that were taken, newest last."""
        self.pattern = lru_cache(maxsize=_KEPT)(self._pattern)

    def next_index(self) -> int:
        """The number of a new picture; no two connections get the same."""
        with self._lock:
            index = self._next
            self._next += 1
            self.filmed.append(index)
            return index

    def marks(self, index: int, size: tuple[int, int] = SIZE) -> list[Mark]:
        """Where the watermarks are in a frame; one with odd sides was cut from one with even."""
        size = (size[0] + size[0] % 2, size[1] + size[1] % 2)
        side = max(8, self._face_px * size[0] // SIZE[0] // 8 * 8)
        wide, tall = size[0] - side - 8, size[1] - STRIP_ROWS - side - 12
        found = []
        for face in range(self.count):
            if not self._there(index, face):
                continue
            # Slow circles; each face has a lane of its own.
            turn = 2 * math.pi * (index / 90 + face / 3)
            lane = wide * (face + 0.5) / self.count
            sway = max(0.0, wide / self.count / 2 - side / 2)
            x = 4 + lane + math.cos(turn) * sway
            y = STRIP_ROWS + 8 + tall * (0.5 + 0.5 * math.sin(turn))
            found.append(Mark(face, int(x) // 2 * 2, int(y) // 2 * 2, side))
        return found

    def faces(self, index: int, size: tuple[int, int] = SIZE) -> list[Region]:
        """The faces as a detector that never errs sees them."""
        return [
            Region(m.x - _RIM, m.y - _RIM, m.x + m.side + _RIM, m.y + m.side + _RIM)
            for m in self.marks(index, size)
        ]

    def image(
        self, index: int, size: tuple[int, int] = SIZE, form: PixelFormat = PixelFormat.I420
    ) -> Image:
        """The picture of this number."""
        image = Image.blank(form, *size)
        rows, columns = np.mgrid[0 : size[1], 0 : size[0]]
        image.planes[0][...] = 90 + (columns + rows + index) % 60
        for spec, plane in zip(image.format.planes[1:], image.planes[1:], strict=True):
            plane[...] = spec.neutral
        for mark in self.marks(index, size):
            for layer, area in enumerate(layers(image, mark)):
                area[...] = self.pattern(index, mark.face, layer, len(area))
        _write_number(image.planes[0], index)
        return image

    def _pattern(self, index: int, face: int, layer: int, side: int) -> Plane:
        """The watermark of one face in one frame's luma (layer 0) or chroma (1 and 2)."""
        rng = np.random.default_rng((self._seed, index, face, layer))
        return np.asarray(rng.integers(0, 2, (side, side)) * 255, np.uint8)


def layers(image: Image, mark: Mark) -> Iterator[Plane]:
    """The samples under a mark: luma, and each of the two chroma layers however they are stored."""
    for spec, plane in zip(image.format.planes, image.planes, strict=True):
        x, y, side = mark.x // spec.sub_x, mark.y // spec.sub_y, mark.side // spec.sub_x
        area = plane[y : y + side, x : x + side]
        if area.ndim == 2:
            yield area
        else:
            yield from (area[..., channel] for channel in range(area.shape[2]))


def number_of(luma: Plane) -> int | None:
    """The number that a picture bears, or None where it is covered, or a slate."""
    block = (luma.shape[1] + luma.shape[1] % 2) // _BLOCKS
    if block < 2 or luma.shape[0] < STRIP_ROWS:
        return None
    strip = luma[:STRIP_ROWS, : block * _BLOCKS].astype(np.float32)
    # Of one with an odd width the last column was cut off.
    strip = np.pad(strip, ((0, 0), (0, block * _BLOCKS - strip.shape[1])), mode="edge")
    upper, lower = (
        part.reshape(-1, _BLOCKS, block).mean(axis=(0, 2)) for part in np.split(strip, 2)
    )
    if np.abs(upper - lower).min() < 60:
        return None
    bits = [int(bit) for bit in upper > lower]
    index = int("".join(map(str, bits[:_BITS])), 2)
    return index if bits[_BITS:] == _sum_bits(index) else None


def _write_number(luma: Plane, index: int) -> None:
    block = luma.shape[1] // _BLOCKS
    bits = [index >> place & 1 for place in reversed(range(_BITS))] + _sum_bits(index)
    row = np.repeat(np.array(bits, np.uint8), block)
    luma[:STRIP_ROWS] = 0
    luma[: STRIP_ROWS // 2, : len(row)] = 16 + row * 219
    luma[STRIP_ROWS // 2 : STRIP_ROWS, : len(row)] = 16 + (1 - row) * 219


def _sum_bits(index: int) -> list[int]:
    total = sum(index >> place & 15 for place in range(0, _BITS, 4)) % 16
    return [total >> place & 1 for place in reversed(range(_SUM_BITS))]


class Watermarked(Closing):
    """A camera that films a scene; one connection of any number."""

    def __init__(
        self,
        scene: Scene,
        *,
        size: tuple[int, int] = SIZE,
        form: PixelFormat = PixelFormat.I420,
        frames: int | None = None,
        rate: float = 50.0,
        paced: bool = True,
        live: bool = True,
    ) -> None:
        """Connects.

        Args:
            scene: What is filmed.
            size: Width and height; even.
            form: I420, NV12 or GRAY.
            frames: After so many it ends as a file does; None for never.
            rate: Frames per second.
            paced: Whether they come at that rate; else as fast as they are taken.
            live: Whether it is a camera; else a file, which waits.
        """
        self.scene = scene
        self.size = size
        self.form = form
        self.info = CameraInfo(*size, Fraction(rate).limit_denominator(1000), "test", live=live)
        self.given = 0
        self.closed = threading.Event()
        self._frames = frames
        self._period_ns = round(1e9 / rate)
        self._paced = paced
        self._next_ns = time.monotonic_ns()

    def read(self) -> Shot | None:
        if self.closed.is_set() or (self._frames is not None and self.given >= self._frames):
            return None
        if self._paced:
            self.closed.wait(max(0, self._next_ns - time.monotonic_ns()) / 1e9)
        now_ns = time.monotonic_ns()
        self._next_ns = max(self._next_ns + self._period_ns, now_ns - self._period_ns)
        image = self.scene.image(self.scene.next_index(), self.size, self.form)
        time_ns = now_ns if self.info.live else self.given * self._period_ns
        self.given += 1
        return Shot(image, now_ns, time_ns, self._period_ns)

    def close(self) -> None:
        self.closed.set()


class Truthful(Closing):
    """A detector that knows the faces of each of the scene's pictures, and none in others."""

    def __init__(self, scene: Scene, *, score: float = 0.95) -> None:
        self.scene = scene
        self.score = score
        self.looks = 0
        self.seen: deque[int] = deque(maxlen=_KEPT)
        """Numbers of the pictures it was asked about."""

    def detect(self, source: PixelSource) -> Detections:
        self.looks += 1
        index = self.look(source)
        if index is None:
            return Detections.empty()
        self.seen.append(index)
        return boxed(self.scene.faces(index, (source.width, source.height)), self.score)

    def look(self, source: PixelSource) -> int | None:
        """The picture's number, read from its pixels as a detector gets them."""
        strip = Region(0, 0, source.width, STRIP_ROWS)
        pixels = source.sample_bgr(strip, source.width, STRIP_ROWS)
        return number_of(np.asarray(pixels[..., 1]))

    def close(self) -> None:
        pass


def boxed(regions: Iterable[Region], score: float) -> Detections:
    """Regions as detections with one score."""
    boxes = np.array([(r.x0, r.y0, r.x1, r.y1) for r in regions], np.float32).reshape(-1, 4)
    return Detections(boxes, np.full(len(boxes), score, np.float32))
