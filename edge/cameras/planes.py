"""Turning what a camera sends into planes that are worked on: 8 bits, 4:2:0 or grey, even sides.

What a decoder gives in such a form is taken as it is, in the decoder's own memory. The rest is
written once into memory that is used again and again, so that in steady state no frame is
allocated.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
import numpy.typing as npt

from faceguard.edge.av_image import JPEG_RANGE, view
from faceguard.edge.pool import ImagePool, PoolEmpty
from faceguard.edge.types import Image, PixelFormat

if TYPE_CHECKING:
    from faceguard.edge.types import Plane

U8 = npt.NDArray[np.uint8]

# FFmpeg's names of what needs no change, but for odd sides.
_AS_THEY_ARE = ("yuv420p", "yuvj420p", "nv12", "gray")
# Planar with 8 bits and more chroma than is worked on.
_TALL_CHROMA = ("yuv422p", "yuvj422p")
_FULL_CHROMA = ("yuv444p", "yuvj444p")
_PACKED = {"yuyv422": 0, "uyvy422": 1}  # where luma stands
_GREY = ("gray10le", "gray12le", "gray14le", "gray16le", "gray16be", "ya8", "monob", "monow")

# The longest look-ahead that can be configured is 300; more in use than this is a leak.
_MOST_IN_USE = 400
_AT_A_TIME = 4


class PlanesOut:
    """Makes images of one camera's pictures; for one thread.

    Its memory grows to what is in use at a time, and is let go when the pictures' size or kind
    changes.
    """

    def __init__(self, *, most: int = _MOST_IN_USE) -> None:
        """Starts without memory; the first pictures take it.

        Args:
            most: How many pictures may be in use at a time.
        """
        self._most = most
        self._memory: _Memory | None = None
        self._rows: U8 = np.empty((0, 0), np.uint8)

    def from_av(self, frame: av.VideoFrame) -> Image:
        """The image of a decoded frame, copied only where it must be.

        Args:
            frame: In any format.

        Raises:
            PoolEmpty: Too many pictures are in use; drop this one.
            ValueError: It is smaller than two by two pixels.
            av.error.FFmpegError: Its format cannot be turned into one that is worked on.
        """
        name = frame.format.name
        if name in _PACKED:
            return self._from_packed_frame(frame, _PACKED[name])
        if name not in (*_AS_THEY_ARE, *_TALL_CHROMA, *_FULL_CHROMA):
            grey = name in _GREY
            frame = frame.reformat(format="gray" if grey else "yuv420p")
        image = view(frame)
        if image.format in (PixelFormat.I422, PixelFormat.I444):
            return self._with_less_chroma(image)
        if frame.width % 2 or frame.height % 2:
            return self.from_planes(image.format, image.planes, full_range=image.full_range)
        return image

    def from_planes(
        self, form: PixelFormat, planes: tuple[Plane, ...], *, full_range: bool = False
    ) -> Image:
        """A copy of planes that lie in memory which will be written to again.

        Args:
            form: I420, NV12 or GRAY.
            planes: As in an `Image`; the first gives the size, odd sides lose a row or column.
            full_range: See `Image`.

        Raises:
            PoolEmpty: Too many pictures are in use; drop this one.
            ValueError: It is smaller than two by two pixels.
        """
        out = self._take(form, planes[0].shape[1], planes[0].shape[0], full_range)
        for into, plane in zip(out.planes, planes, strict=True):
            np.copyto(into, plane[: into.shape[0], : into.shape[1]])
        return out

    def from_packed(self, pixels: U8, *, luma: int = 0, full_range: bool = False) -> Image:
        """NV12 of 4:2:2 that is packed, as most USB cameras send it; rows of chroma are averaged.

        Args:
            pixels: Array (height, width, 2), rows may be padded: YUYV, or UYVY.
            luma: Which of the two samples is luma: 0 in YUYV, 1 in UYVY.
            full_range: See `Image`.

        Raises:
            PoolEmpty: Too many pictures are in use; drop this one.
            ValueError: It is smaller than two by two pixels.
        """
        out = self._take(PixelFormat.NV12, pixels.shape[1], pixels.shape[0], full_range)
        pixels = pixels[: out.height, : out.width]
        cv2.extractChannel(pixels, luma, dst=out.planes[0])
        if self._rows.shape != pixels.shape[:2]:
            self._rows = np.empty(pixels.shape[:2], np.uint8)
        # In each row U and V take turns, which is how NV12 has them.
        cv2.extractChannel(pixels, 1 - luma, dst=self._rows)
        _average_rows(self._rows, out.planes[1].reshape(out.height // 2, out.width))
        return out

    def _from_packed_frame(self, frame: av.VideoFrame, luma: int) -> Image:
        plane = frame.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        pixels = rows[: frame.height, : 2 * (frame.width // 2 * 2)]
        return self.from_packed(
            pixels.reshape(frame.height, -1, 2),
            luma=luma,
            full_range=frame.color_range == JPEG_RANGE,
        )

    def _with_less_chroma(self, image: Image) -> Image:
        """I420 of 4:2:2 or 4:4:4."""
        out = self._take(PixelFormat.I420, image.width, image.height, image.full_range)
        np.copyto(out.planes[0], image.planes[0][: out.height, : out.width])
        for into, plane in zip(out.planes[1:], image.planes[1:], strict=True):
            if image.format is PixelFormat.I422:
                _average_rows(plane[: out.height, : into.shape[1]], into)
            else:
                size = into.shape[::-1]
                whole = plane[: out.height, : out.width]
                cv2.resize(whole, size, dst=into, interpolation=cv2.INTER_AREA)
        return out

    def _take(self, form: PixelFormat, width: int, height: int, full_range: bool) -> Image:
        width, height = width // 2 * 2, height // 2 * 2
        if not (width and height):
            raise ValueError("a picture must have two rows and columns at least")
        kind = (form, width, height, full_range)
        if self._memory is None or self._memory.kind != kind:
            self._memory = _Memory(kind, self._most)
        return self._memory.take()


class _Memory:
    """Pictures of one kind, as many as are in use at a time."""

    def __init__(self, kind: tuple[PixelFormat, int, int, bool], most: int) -> None:
        self.kind = kind
        self._most = most
        self._pools: list[ImagePool] = []
        self._lock = threading.Lock()

    def take(self) -> Image:
        """An image with its content unset.

        Raises:
            PoolEmpty: Too many are in use.
        """
        with self._lock:
            image = next((p.take() for p in self._pools if p.free), None) or self._grow().take()
        return replace(image, make_blank=self.take)

    def _grow(self) -> ImagePool:
        room = self._most - sum(pool.count for pool in self._pools)
        if room <= 0:
            raise PoolEmpty
        form, width, height, full_range = self.kind
        pool = ImagePool(form, width, height, min(room, _AT_A_TIME), full_range=full_range)
        self._pools.append(pool)
        return pool


def _average_rows(plane: npt.NDArray[Any], into: npt.NDArray[Any]) -> None:
    """Makes one row of two."""
    cv2.addWeighted(plane[::2], 0.5, plane[1::2], 0.5, 0, dst=into)
