"""Memory for redacted copies, taken once: in steady state no frame is allocated.

A lease goes back by itself when the last that looks at its memory is gone: an `Image`, a numpy
view, an encoder that still reads. Giving it back by hand could come too early, and then the next
frame, not yet covered, would be written under an encoder's eyes.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

import av
import numpy as np

from faceguard.edge.av_image import JPEG_RANGE
from faceguard.edge.types import Image, ImageKind, PixelFormat

# What PyAV can wrap without a copy.
POOLED_FORMATS = (PixelFormat.I420, PixelFormat.NV12, PixelFormat.GRAY)


class PoolEmpty(Exception):
    """All memory is in use; drop the frame."""


class ImagePool:
    """A fixed number of pictures of one kind."""

    def __init__(
        self,
        form: PixelFormat,
        width: int,
        height: int,
        count: int,
        *,
        full_range: bool = False,
    ) -> None:
        """Takes the memory.

        Args:
            form: One of `POOLED_FORMATS`.
            width: In pixels; even, unless grey.
            height: In pixels; even, unless grey.
            count: How many pictures may be in use at a time.
            full_range: See `Image`.

        Raises:
            ValueError: Another format, or an odd size.
        """
        if form not in POOLED_FORMATS:
            raise ValueError(f"{form.ffmpeg_name} is not pooled")
        if form is not PixelFormat.GRAY and (width % 2 or height % 2):
            raise ValueError(f"{width}x{height} is odd, which 4:2:0 cannot be")
        self.format = form
        self.width = width
        self.height = height
        self.full_range = full_range
        self.kind = ImageKind(form, width, height, full_range)
        rows = height if form is PixelFormat.GRAY else height * 3 // 2
        # Filled, so that the memory is there now and not at the first frames.
        self._free = deque(np.zeros((rows, width), np.uint8) for _ in range(count))
        self._lock = threading.Lock()
        self.count = count

    @property
    def free(self) -> int:
        """How many pictures may be taken now."""
        return len(self._free)

    def take(self) -> Image:
        """An image of this kind with its content unset.

        Raises:
            PoolEmpty: All are in use.
        """
        with self._lock:
            if not self._free:
                raise PoolEmpty
            memory = self._free.popleft()
        whole = np.asarray(_Lease(self, memory))
        frame = av.VideoFrame.from_numpy_buffer(whole, format=self.format.ffmpeg_name)
        if self.full_range:
            frame.color_range = JPEG_RANGE
        return Image(
            self.format,
            self.width,
            self.height,
            self._planes(whole),
            self.full_range,
            frame,
            self.take,
        )

    def fits(self, image: Image) -> bool:
        """Whether its images are of the same kind as another."""
        return self.kind == image.kind

    def _planes(self, whole: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], ...]:
        """Views on the planes, which lie one after the other."""
        wide, tall = self.width, self.height
        if self.format is PixelFormat.GRAY:
            return (whole,)
        chroma = whole[tall:]
        if self.format is PixelFormat.NV12:
            return whole[:tall], chroma.reshape(tall // 2, wide // 2, 2)
        flat = chroma.reshape(-1)
        half = flat.size // 2
        shape = (tall // 2, wide // 2)
        return whole[:tall], flat[:half].reshape(shape), flat[half:].reshape(shape)

    def _back(self, memory: np.ndarray[Any, Any]) -> None:
        # No lock: this runs wherever the last reference goes, and appending is atomic.
        self._free.append(memory)


class _Lease:
    """Stands between the pool's memory and all views on it, which keep it alive."""

    def __init__(self, pool: ImagePool, memory: np.ndarray[Any, Any]) -> None:
        self._pool = pool
        self._memory = memory
        self.__array_interface__ = {
            "shape": memory.shape,
            "typestr": "|u1",
            "data": (memory.ctypes.data, False),
            "version": 3,
        }

    def __del__(self) -> None:
        self._pool._back(self._memory)
