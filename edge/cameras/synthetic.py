"""A camera that is drawn: for trying out where there is none, and for tests that know the truth."""

from __future__ import annotations

import math
import time
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from faceguard.edge.cameras.base import CameraInfo, Shot
from faceguard.edge.cameras.door import Door
from faceguard.edge.cameras.pace import Pace
from faceguard.edge.cameras.planes import PlanesOut
from faceguard.edge.types import PixelFormat
from faceguard.engines.closing import Closing
from faceguard.engines.errors import CameraLost
from faceguard.engines.types import Region

if TYPE_CHECKING:
    from faceguard.edge.config.camera import SyntheticCamera
    from faceguard.edge.types import Image, Plane

_USUAL = (640, 360)
_USUAL_RATE = 25.0
# Turns a picture for the ways across and down: they meet in no simple figure.
_ACROSS, _DOWN = 1 / 97, 1 / 61


class Synthetic(Closing):
    """A gradient with a checker that moves and a counter of seconds; the same for each index.

    It can carry marks besides: rectangles of black and white cells that move, and that a scripted
    detector finds through `watermarks`. Where their pattern shows in an output, it leaks.
    """

    def __init__(
        self,
        config: SyntheticCamera,
        *,
        faces: int = 0,
        marks: int = 0,
        mark_size_px: int = 64,
        cell_px: int = 2,
        seed: int = 1,
    ) -> None:
        """Draws the background.

        Args:
            config: Size, rate and number of pictures.
            faces: Discs with eyes and mouth that move; no detector is promised to take them for
                faces.
            marks: Rectangles with a pattern that move.
            mark_size_px: Their sides; even.
            cell_px: Side of one cell of the pattern: 1 is the finest, 2 lives through an encoder.
            seed: Which pattern.
        """
        width, height = config.width or _USUAL[0], config.height or _USUAL[1]
        self._size = (width // 2 * 2, height // 2 * 2)
        self._rate = Fraction(config.rate or _USUAL_RATE).limit_denominator(1001)
        self._most = config.frames
        self._pace = Pace() if config.paced else None
        self._planes = PlanesOut()
        self._background = _gradient(*self._size)
        self._checker = _checker(max(8, self._size[1] // 6 // 8 * 8))
        self._faces = faces
        self._mark_px = mark_size_px // 2 * 2
        self._patterns = [_pattern(seed + mark, self._mark_px, cell_px) for mark in range(marks)]
        self._index = 0
        self._door = Door(lambda: None)

    @property
    def info(self) -> CameraInfo:
        """What it gives; live where it is paced."""
        width, height = self._size
        return CameraInfo(width, height, self._rate, "drawn", live=self._pace is not None)

    def read(self) -> Shot | None:
        """The next picture, when it is due.

        Returns:
            The picture; None after as many as were asked for.

        Raises:
            CameraLost: It was closed.
        """
        with self._door:
            if self._most is not None and self._index >= self._most:
                return None
            index, self._index = self._index, self._index + 1
            time_ns = round(index / self._rate * 1_000_000_000)
            image = self.draw(index)
            if self._pace is not None and not self._pace.wait_for(time_ns):
                raise CameraLost("synthetic camera: closed by faceguard itself")
            step_ns = round(1_000_000_000 / self._rate)
            return Shot(image, time.monotonic_ns(), time_ns, step_ns)

    def close(self) -> None:
        """Ends waits and later reads."""
        if self._pace is not None:
            self._pace.stop()
        self._door.close()

    def watermarks(self, index: int) -> list[Region]:
        """Where the marks are in a picture, in pixels; they may lie on one another.

        Args:
            index: Of the picture, from 0.
        """
        side = self._mark_px
        corners = (self._place(index, 0.37 * n + 0.11, side) for n in range(len(self._patterns)))
        return [Region(x, y, x + side, y + side) for x, y in corners]

    def pattern(self, mark: int) -> npt.NDArray[np.uint8]:
        """Luma of a mark: 0 and 255, as large as its rectangle.

        Args:
            mark: Its place in the list of `watermarks`.
        """
        return self._patterns[mark]

    def draw(self, index: int) -> Image:
        """The picture with this index, in memory that is used again when it is let go."""
        image = self._planes.from_planes(PixelFormat.I420, self._background)
        self._draw_checker(image.planes[0], index)
        for face in range(self._faces):
            self._draw_face(image, index, face)
        self._draw_counter(image.planes[0], index)
        for region, pattern in zip(self.watermarks(index), self._patterns, strict=True):
            _stamp(image.planes, region, pattern)
        return image

    def _place(self, index: int, phase: float, side: int) -> tuple[int, int]:
        """Top left corner of something that wanders through the picture, even."""
        width, height = self._size
        across = (1 + math.sin(2 * math.pi * (index * _ACROSS + phase))) / 2
        down = (1 + math.sin(2 * math.pi * (index * _DOWN + 1.7 * phase))) / 2
        x = int(across * max(0, width - side)) // 2 * 2
        y = int(down * max(0, height - side)) // 2 * 2
        return x, y

    def _draw_checker(self, luma: Plane, index: int) -> None:
        side = self._checker.shape[0]
        x, y = self._place(index, 0.0, side)
        part = luma[y : y + side, x : x + side]
        part[...] = self._checker[: part.shape[0], : part.shape[1]]

    def _draw_face(self, image: Image, index: int, face: int) -> None:
        side = max(16, self._size[1] // 4)
        x, y = self._place(index, 0.23 * face + 0.5, side)
        middle, radius = (x + side // 2, y + side // 2), side // 2
        luma, u, v = image.planes
        cv2.ellipse(luma, middle, (radius * 4 // 5, radius), 0, 0, 360, 170, -1)
        for plane, tone in ((u, 110), (v, 155)):
            half = (middle[0] // 2, middle[1] // 2)
            cv2.ellipse(plane, half, (radius * 2 // 5, radius // 2), 0, 0, 360, tone, -1)
        for eye in (-1, 1):
            at = (middle[0] + eye * radius // 3, middle[1] - radius // 4)
            cv2.circle(luma, at, max(1, radius // 9), 40, -1)
        mouth = (middle[0], middle[1] + radius // 3)
        cv2.ellipse(luma, mouth, (radius // 3, radius // 6), 0, 0, 180, 70, max(1, radius // 12))

    def _draw_counter(self, luma: Plane, index: int) -> None:
        text = f"{float(index / self._rate):.2f} s"
        scale = max(0.4, self._size[1] / 360)
        at = (round(8 * scale), self._size[1] - round(10 * scale))
        font, thick = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(2 * scale))
        cv2.putText(luma, text, at, font, scale, 235, thick, cv2.LINE_8)


def _gradient(width: int, height: int) -> tuple[npt.NDArray[Any], ...]:
    across = np.linspace(0, 1, width, dtype=np.float32)
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    luma = (48 + 100 * (0.6 * across + 0.4 * down)).astype(np.uint8)
    half = np.broadcast_to(across[::2], (height // 2, width // 2))
    u = (108 + 40 * half).astype(np.uint8)
    v = np.ascontiguousarray((148 - 40 * half).astype(np.uint8))
    return luma, np.ascontiguousarray(u), v


def _checker(side: int) -> npt.NDArray[np.uint8]:
    across, down = np.indices((side, side)) // (side // 4)
    return (40 + 160 * ((across + down) % 2)).astype(np.uint8)


def _pattern(seed: int, side: int, cell: int) -> npt.NDArray[np.uint8]:
    count = -(-side // cell)
    cells = np.random.default_rng(seed).integers(0, 2, (count, count), np.uint8) * np.uint8(255)
    return np.ascontiguousarray(cells.repeat(cell, 0).repeat(cell, 1)[:side, :side])


def _stamp(planes: tuple[Plane, ...], region: Region, pattern: npt.NDArray[np.uint8]) -> None:
    """Puts a pattern into luma, and no colour under it."""
    x, y, side = int(region.x0), int(region.y0), pattern.shape[0]
    part = planes[0][y : y + side, x : x + side]
    part[...] = pattern[: part.shape[0], : part.shape[1]]
    for plane in planes[1:]:
        plane[y // 2 : (y + side) // 2, x // 2 : (x + side) // 2] = 128
