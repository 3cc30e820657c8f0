"""The way into a detector's input and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from faceguard.engines.bgr_array import BgrArray
from faceguard.engines.letterbox import Letterbox
from faceguard.engines.types import Region

LENGTHS = st.integers(1, 9000)


def _check(box, region):
    assert 2 <= box.content_width <= box.input_width
    assert 2 <= box.content_height <= box.input_height
    assert box.content_width % 2 == box.content_height % 2 == 0
    ends = np.array([[0, 0, box.content_width, box.content_height]], np.float32)
    want = [region.x0, region.y0, region.x1, region.y1]
    assert box.to_source(ends)[0].tolist() == pytest.approx(want, rel=1e-5, abs=1e-3)


@given(LENGTHS, LENGTHS, st.sampled_from([128, 192, 256, 320]))
def test_within_fits_a_fixed_input(width, height, side):
    region = Region(3, 5, 3 + width, 5 + height)
    box = Letterbox.within(region, side, side)
    assert (box.input_width, box.input_height) == (side, side)
    assert max(box.content_width, box.content_height) == side
    _check(box, region)
    if min(width, height) * side / max(width, height) > 2:
        want = width / height
        error = 2 / min(box.content_width, box.content_height)
        assert box.content_width / box.content_height == pytest.approx(want, rel=error)


@given(LENGTHS, LENGTHS, st.sampled_from([320, 640, 1280]), st.sampled_from([1, 32]))
@example(216, 1281, 1280, 32)
def test_long_side_never_enlarges(width, height, side, stride):
    region = Region(0, 0, width, height)
    box = Letterbox.long_side(region, side, stride)
    assert box.input_width % stride == box.input_height % stride == 0
    assert box.input_width - box.content_width < stride
    assert box.content_width <= max(2, min(side, width + 1))
    assert box.content_height <= max(2, min(side, height + 1))
    _check(box, region)


def test_fill_pads_right_and_below_with_black():
    picture = np.full((40, 100, 3), 200, np.uint8)
    box = Letterbox.long_side(Region(0, 0, 100, 40), 50, 32)
    pixels = box.fill(BgrArray(picture))
    assert pixels.shape == (32, 64, 3)
    assert (pixels[:20, :50] == 200).all()
    assert not pixels[20:].any()
    assert not pixels[:, 50:].any()


def test_points_keep_their_shape():
    box = Letterbox.within(Region(10, 20, 266, 148), 128, 128)
    marks = np.arange(30, dtype=np.float32).reshape(3, 5, 2)
    assert box.to_source(marks).shape == (3, 5, 2)
    assert box.to_source(marks)[0, 1].tolist() == [2 * 2 + 10, 3 * 2 + 20]
    for shape in ((0, 4), (0, 5, 2)):
        assert box.to_source(np.zeros(shape, np.float32)).shape == shape


def test_array_gives_a_region_of_its_own():
    picture = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    source = BgrArray(picture)
    assert (source.width, source.height) == (8, 6)
    part = source.sample_bgr(Region(2, 1, 6, 5), 4, 4)
    assert (part == picture[1:5, 2:6]).all()
    part[:] = 0
    assert picture[1:5, 2:6].any()  # the caller's own


def test_array_averages_when_it_shrinks():
    board = np.zeros((64, 64, 3), np.uint8)
    board[::2, ::2] = board[1::2, 1::2] = 200
    small = BgrArray(board).sample_bgr(Region(0, 0, 64, 64), 16, 16)
    assert (small == 100).all()


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_array_refuses_what_is_no_picture(pixels):
    with pytest.raises(ValueError, match="want uint8"):
        BgrArray(pixels)


def test_one_pixel_is_a_picture():
    pixels = np.full((1, 1, 3), 77, np.uint8)
    box = Letterbox.long_side(Region(0, 0, 1, 1), 640, 32)
    assert (box.fill(BgrArray(pixels))[:2, :2] == 77).all()
