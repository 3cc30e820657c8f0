"""Enlarging without a network: for chroma, for alpha, and where there is no time to sharpen."""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

Samples = TypeVar("Samples", npt.NDArray[np.uint8], npt.NDArray[np.uint16])


def enlarge_plain(plane: Samples, scale: int, *, bits: int | None = None) -> Samples:
    """Enlarges by bicubic interpolation (a = -0.75, as OpenCV's INTER_CUBIC).

    Args:
        plane: uint8 or uint16 (rows, columns) or (rows, columns, channels), 4 channels at most.
        scale: Each side grows by this.
        bits: How many bits of a sample are used: what swings above is clipped. None: all.

    Returns:
        A new array of the same dtype, each side `scale` times as long.

    Raises:
        ValueError: Another dtype or shape, no samples, or a scale below 1.
    """
    fits = plane.dtype in (np.uint8, np.uint16) and plane.ndim in (2, 3) and plane.size
    if not fits or plane.shape[2:] > (4,) or scale < 1:
        raise ValueError(
            f"want uint8 or uint16 (rows, columns[, channels]) and a scale of 1 or more, not "
            f"{plane.dtype} {plane.shape} and {scale}"
        )
    rows, columns = plane.shape[:2]
    size = (columns * scale, rows * scale)
    large = np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_CUBIC), plane.dtype)
    if bits is not None and bits < 8 * plane.dtype.itemsize:
        np.minimum(large, (1 << bits) - 1, out=large)
    # OpenCV drops an only channel's axis.
    return large.reshape(rows * scale, columns * scale, *plane.shape[2:])
