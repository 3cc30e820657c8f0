"""The detector's small input, made from planes, is the picture that BGR would have given."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest

from faceguard.edge.av_image import as_av, nearest_format, view
from faceguard.edge.sampling import ImageSampler
from faceguard.edge.types import Image, PixelFormat
from faceguard.engines.types import Region
from tests.edge.videos import picture

NAMES = [
    "yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "gray",
    "yuv420p10le", "yuv422p10le", "yuv444p10le", "bgr24", "bgra",
]  # fmt: skip


def source(name: str, width: int = 320, height: int = 192) -> tuple[np.ndarray, Image]:
    rgb = cv2.GaussianBlur(picture(width, height), (9, 9), 0)
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    return rgb, view(frame.reformat(format=name))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(160, 96), (320, 192), (640, 384)])
def test_whole_pictures(name, size):
    rgb, image = source(name)
    seen = ImageSampler(image).sample_bgr(Region(0, 0, 320, 192), *size)
    assert seen.shape == (size[1], size[0], 3)
    assert seen.flags.c_contiguous
    want = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)[..., ::-1].astype(int)
    if name == "gray":
        want = cv2.cvtColor(want[..., ::-1].astype(np.uint8), cv2.COLOR_RGB2GRAY)[..., None]
    assert np.abs(seen.astype(int) - want).mean() < 4


@pytest.mark.parametrize("name", ["yuv420p", "nv12", "yuv422p", "bgr24"])
def test_parts(name):
    rgb, image = source(name)
    part = ImageSampler(image).sample_bgr(Region(100, 40, 260, 160), 80, 60)
    want = cv2.resize(rgb[40:160, 100:260], (80, 60), interpolation=cv2.INTER_AREA)[..., ::-1]
    assert np.abs(part.astype(int) - want).mean() < 4


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (321, 193)])
@pytest.mark.parametrize("name", ["yuv420p", "nv12", "bgr24", "gray"])
def test_odd_and_tiny_pictures(name, size):
    image = source(name, *size)[1]
    seen = ImageSampler(image).sample_bgr(Region(0, 0, *size), 32, 32)
    assert seen.shape == (32, 32, 3)


def test_a_view_shares_memory_and_a_clone_does_not():
    frame = av.VideoFrame.from_ndarray(picture(64, 48), format="rgb24").reformat(format="yuv420p")
    image = view(frame)
    copy = image.clone()
    image.planes[0][...] = 7
    assert (np.frombuffer(frame.planes[0], np.uint8)[:64] == 7).all()
    assert (copy.planes[0] != 7).any()
    assert as_av(image) is frame
    assert isinstance(as_av(copy), av.VideoFrame)


def test_numpy_images_become_frames():
    pixels = picture(30, 20)
    frame = as_av(Image.from_bgr(pixels))
    np.testing.assert_array_equal(frame.to_ndarray(format="bgr24"), pixels)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("yuv420p", "yuv420p"),
        ("yuvj444p", "yuvj444p"),
        ("yuv410p", "yuv420p"),
        ("yuv440p", "yuv420p"),
        ("yuva444p", "yuv444p"),
        ("yuv420p12le", "yuv420p10le"),
        ("p010le", "yuv420p10le"),
        ("yuyv422", "yuv422p"),
        ("uyvy422", "yuv422p"),
        ("rgb24", "bgr24"),
        ("gbrp", "bgr24"),
        ("pal8", "bgr24"),
        ("gray16le", "gray"),
        ("ya8", "gray"),
    ],
)
def test_the_nearest_format(name, nearest):
    assert nearest_format(name) == nearest


def test_planes_must_fit_their_format():
    with pytest.raises(ValueError, match="yuv420p 8x8 has a plane"):
        Image(PixelFormat.I420, 8, 8, tuple(np.zeros((8, 8), np.uint8) for _ in range(3)))
