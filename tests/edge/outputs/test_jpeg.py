"""A JPEG shows what the redacted planes show, in the right colours, and nothing else."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as Pillow

from faceguard.edge.outputs.jpeg import as_jpeg
from faceguard.edge.pool import ImagePool
from faceguard.edge.types import PixelFormat
from faceguard.engines.errors import OutputError
from faceguard.engines.types import Region
from tests.edge.outputs.safe_frames import COLOURS, image, quarters, safe

YUV = (PixelFormat.I420, PixelFormat.NV12)


def read(data: bytes) -> np.ndarray:
    """A JPEG as R, G, B through another decoder."""
    return np.asarray(Pillow.open(io.BytesIO(data)).convert("RGB"))


def centres(rgb: np.ndarray) -> list[np.ndarray]:
    """Colours in the middle of the four quarters."""
    rows, columns = rgb.shape[:2]
    return [rgb[y, x] for y in (rows // 4, rows * 3 // 4) for x in (columns // 4, columns * 3 // 4)]


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("form", YUV)
def test_colours_are_right_in_both_ranges(form, full_range):
    data = as_jpeg(safe(image(form, quarters(), full_range=full_range)), 90)
    for shown, (blue, green, red) in zip(centres(read(data)), COLOURS, strict=True):
        assert np.abs(shown.astype(int) - (red, green, blue)).max() <= 5


@pytest.mark.parametrize("full_range", [False, True])
def test_grey_is_expanded_once(full_range):
    data = as_jpeg(safe(image(PixelFormat.GRAY, quarters(), full_range=full_range)), 90)
    assert Pillow.open(io.BytesIO(data)).mode == "L"
    for shown, (blue, green, red) in zip(centres(read(data)), COLOURS, strict=True):
        assert abs(int(shown[0]) - (0.299 * red + 0.587 * green + 0.114 * blue)) <= 5


@pytest.mark.parametrize("full_range", [False, True])
def test_black_and_white_are_whole(full_range):
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:, 32:] = 255
    rgb = read(as_jpeg(safe(image(PixelFormat.I420, picture, full_range=full_range)), 95))
    assert rgb[32, 8].max() <= 4
    assert rgb[32, 56].min() >= 250


@pytest.mark.parametrize("form", [*YUV, PixelFormat.GRAY])
def test_pictures_out_of_the_pool_are_the_same(form):
    source = image(form, quarters())
    leased = ImagePool(form, source.width, source.height, 1).take()
    for into, plane in zip(leased.planes, source.planes, strict=True):
        np.copyto(into, plane)
    assert as_jpeg(safe(leased), 80) == as_jpeg(safe(source), 80)


@pytest.mark.parametrize("form", [*YUV, PixelFormat.GRAY, PixelFormat.BGR])
def test_odd_sizes_keep_their_size(form):
    assert read(as_jpeg(safe(image(form, quarters(37, 21))), 90)).shape == (21, 37, 3)


def test_a_covered_face_is_not_in_it():
    picture = np.full((96, 160, 3), 40, np.uint8)
    picture[30:60, 40:80] = (255, 255, 255)
    face = Region(40, 30, 80, 60)
    shown = read(as_jpeg(safe(image(PixelFormat.I420, picture), faces=(face,)), 90))
    assert shown.max() < 80


def test_there_is_no_metadata():
    data = as_jpeg(safe(), 80)
    assert not Pillow.open(io.BytesIO(data)).getexif()
    place, markers = 2, []
    while data[place + 1] != 0xDA:  # start of scan
        markers.append(data[place + 1])
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    # JFIF's own header, tables, and the frame; no APP1 (EXIF) to APP15, no comment.
    assert set(markers) <= {0xE0, 0xDB, 0xC0, 0xC4, 0xDD}


def test_quality_is_what_was_asked_for():
    noise = np.random.default_rng(1).integers(0, 256, (96, 160, 3), np.uint8)
    frame = safe(image(PixelFormat.I420, noise))
    assert len(as_jpeg(frame, 90)) > 2 * len(as_jpeg(frame, 30))


def test_only_redacted_frames_are_taken():
    with pytest.raises(TypeError, match="SafeFrame"):
        as_jpeg(image(PixelFormat.I420, quarters()), 80)


def test_a_format_that_it_cannot_hold_is_told():
    with pytest.raises(OutputError, match="yuv420p10le"):
        as_jpeg(safe(image(PixelFormat.I420_10, quarters())), 80)
