"""Enlarging without a network."""

from __future__ import annotations

import numpy as np
import pytest

from faceguard.engines.upscaling.plain import enlarge_plain


def weights(length: int, scale: int) -> np.ndarray:
    """Keys' bicubic kernel with a = -0.75, edges repeated, as a matrix in float64."""
    a = -0.75
    matrix = np.zeros((length * scale, length))
    for row in range(length * scale):
        at = (row + 0.5) / scale - 0.5
        for tap in range(int(np.floor(at)) - 1, int(np.floor(at)) + 3):
            x = abs(at - tap)
            if x <= 1:
                weight = (a + 2) * x**3 - (a + 3) * x**2 + 1
            else:
                weight = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
            matrix[row, min(max(tap, 0), length - 1)] += weight
    return matrix


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 8), (np.uint16, 10), (np.uint16, 16)])
def test_as_bicubic_in_float64(scale, dtype, bits):
    white = (1 << bits) - 1
    plane = np.random.default_rng(bits).integers(0, white, (7, 11), dtype, endpoint=True)
    large = enlarge_plain(plane, scale, bits=bits)
    want = weights(7, scale) @ plane.astype(float) @ weights(11, scale).T
    assert want.max() > white  # so clipping counts
    assert large.dtype == dtype
    assert large.max() <= white
    step = 1 if bits <= 10 else 8  # OpenCV works in float32
    assert np.abs(large - np.clip(want, 0, white)).max() <= step


@pytest.mark.parametrize("channels", [(), (1,), (2,), (3,), (4,)])
def test_channels_stay(channels):
    plane = np.full((3, 5, *channels), 7, np.uint8)
    large = enlarge_plain(plane, 3)
    assert large.shape == (9, 15, *channels)
    assert (large == 7).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 40_000), (40_000, 1)])
def test_any_size(shape):
    plane = np.arange(shape[0] * shape[1], dtype=np.uint8).reshape(shape)
    assert enlarge_plain(plane, 4).shape == (4 * shape[0], 4 * shape[1])


def test_part_of_a_plane():
    plane = np.random.default_rng(1).integers(0, 256, (20, 30), np.uint8)
    part = plane[3:11, 5:17]
    assert (enlarge_plain(part, 2) == enlarge_plain(part.copy(), 2)).all()


@pytest.mark.parametrize(
    ("plane", "scale"),
    [
        (np.zeros((2, 2), np.float32), 2),
        (np.zeros(4, np.uint8), 2),
        (np.zeros((0, 4), np.uint8), 2),
        (np.zeros((2, 2, 5), np.uint8), 2),
        (np.zeros((2, 2), np.uint8), 0),
    ],
)
def test_what_is_no_plane_is_refused(plane, scale):
    with pytest.raises(ValueError, match="want uint8 or uint16"):
        enlarge_plain(plane, scale)
