"""What a camera sends becomes 8 bits, 4:2:0 or grey, even sides; and memory is used again."""

from __future__ import annotations

import gc
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceguard.edge.av_image import as_av, view
from faceguard.edge.cameras.planes import PlanesOut
from faceguard.edge.pool import PoolEmpty
from faceguard.edge.types import Image, PixelFormat

AS_THEY_ARE = ("yuv420p", "yuvj420p", "nv12", "gray")
OTHERS = (
    "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "yuyv422", "uyvy422", "yuv420p10le",
    "yuv422p10le", "rgb24", "bgr24", "bgra", "gray10le", "gray16le", "yuvj440p", "yuv411p", "nv21",
)  # fmt: skip


def random_frame(name: str, width: int, height: int, seed: int = 0) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, name)
    rng = np.random.default_rng(seed)
    for plane in frame.planes:
        plane.update(rng.integers(0, 256, plane.buffer_size, np.uint8).tobytes())
    return frame


def plain_frame(name: str, width: int, height: int) -> av.VideoFrame:
    """A colour all over, through FFmpeg's own conversion."""
    source = av.VideoFrame.from_ndarray(
        np.full((height, width, 3), (200, 90, 40), np.uint8), format="rgb24"
    )
    return source.reformat(format=name) if name != "rgb24" else source


def addresses(image: Image) -> tuple[int, ...]:
    return tuple(plane.ctypes.data for plane in image.planes)


@pytest.mark.parametrize("name", AS_THEY_ARE)
def test_what_fits_is_not_copied(name: str) -> None:
    frame = random_frame(name, 64, 48)
    image = PlanesOut().from_av(frame)
    assert addresses(image) == addresses(view(frame))
    assert image.owner is frame


@pytest.mark.parametrize("name", [*AS_THEY_ARE, *OTHERS])
@pytest.mark.parametrize("size", [(64, 48), (65, 48), (64, 47), (33, 17), (2, 2), (3, 3)])
def test_every_format_becomes_one_that_is_pooled(name: str, size: tuple[int, int]) -> None:
    image = PlanesOut().from_av(random_frame(name, *size))
    assert image.format in (PixelFormat.I420, PixelFormat.NV12, PixelFormat.GRAY)
    assert (image.width, image.height) == (size[0] // 2 * 2, size[1] // 2 * 2)
    assert as_av(image).width == image.width, "an encoder would see the odd frame"


@pytest.mark.parametrize("name", [*AS_THEY_ARE, *OTHERS])
def test_colour_and_range_stay(name: str) -> None:
    """Each format shows the colour that it was made with, as FFmpeg reads the result."""
    image = PlanesOut().from_av(plain_frame(name, 64, 48))
    # Under a name that says the range; older PyAV does not go by `color_range`.
    full = image.full_range and image.format is PixelFormat.I420
    frame = av.VideoFrame(64, 48, "yuvj420p" if full else image.format.ffmpeg_name)
    for into, plane in zip(view(frame).planes, image.planes, strict=True):
        np.copyto(into, plane)
    seen = frame.to_ndarray(format="rgb24").reshape(-1, 3).mean(axis=0)
    wanted = (200, 90, 40)
    if "gray" in name:
        wanted = (plain_frame("gray", 64, 48).to_ndarray(format="rgb24").mean(),) * 3
    assert np.abs(seen - wanted).max() < 6, (seen, image.full_range)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("size", [(64, 48), (34, 18), (66, 31)])
def test_packed_pixels_are_averaged_by_two_rows(full: bool, size: tuple[int, int]) -> None:
    width, height = size
    rng = np.random.default_rng(1)
    # Rows that are padded, as a driver pads them.
    padded = rng.integers(0, 256, (height, 2 * width + 24), np.uint8)
    pixels = padded[:, : 2 * width].reshape(height, width, 2)
    image = PlanesOut().from_packed(pixels, full_range=full)
    assert image.format is PixelFormat.NV12
    assert image.full_range == full
    even = height // 2 * 2
    assert np.array_equal(image.planes[0], pixels[:even, :, 0])
    chroma = pixels[:even, :, 1].astype(int).reshape(even // 2, 2, width).sum(axis=1) / 2
    difference = np.abs(image.planes[1].reshape(even // 2, width) - chroma)
    assert difference.max() <= 0.5


@pytest.mark.parametrize("name", ["yuv422p", "yuvj422p", "yuv444p", "yuvj444p"])
def test_more_chroma_is_averaged(name: str) -> None:
    frame = random_frame(name, 64, 48)
    image = PlanesOut().from_av(frame)
    source = view(frame)
    assert image.format is PixelFormat.I420
    assert image.full_range == name.startswith("yuvj")
    assert np.array_equal(image.planes[0], source.planes[0])
    for got, plane in zip(image.planes[1:], source.planes[1:], strict=True):
        across = plane.shape[1] // 32
        exact = plane.astype(int).reshape(24, 2, 32, across).mean(axis=(1, 3))
        assert np.abs(got - exact).max() <= 0.75


@settings(max_examples=20, deadline=None)
@given(
    name=st.sampled_from(["yuvj422p", "yuyv422", "yuv444p", "rgb24"]),
    held=st.integers(0, 6),
    seed=st.integers(0, 100),
)
def test_memory_is_used_again(name: str, held: int, seed: int) -> None:
    """However many pictures come, there is memory for no more than are held, and four."""
    out = PlanesOut()
    frame = random_frame(name, 64, 48, seed)
    if name == "rgb24":
        frame = frame.reformat(format="yuvj422p")
    keep: list[Image] = []
    seen = set()
    for _ in range(60):
        keep.append(out.from_av(frame))
        seen.add(addresses(keep[-1]))
        del keep[: max(0, len(keep) - held)]
    assert len(seen) <= held + 1 + 4


def test_what_is_held_is_not_written_to() -> None:
    out = PlanesOut()
    first = out.from_av(random_frame("yuvj422p", 64, 48, 1))
    before = [plane.copy() for plane in first.planes]
    for seed in range(2, 30):
        out.from_av(random_frame("yuvj422p", 64, 48, seed))
    assert all(np.array_equal(was, now) for was, now in zip(before, first.planes, strict=True))


def test_there_is_an_end_to_it() -> None:
    out = PlanesOut(most=6)
    frame = random_frame("yuvj422p", 64, 48)
    held = [out.from_av(frame) for _ in range(6)]
    with pytest.raises(PoolEmpty):
        out.from_av(frame)
    del held[0]
    out.from_av(frame)


def test_blanks_come_from_the_same_memory() -> None:
    out = PlanesOut(most=2)
    image = out.from_av(random_frame("yuvj422p", 64, 48))
    copy = image.clone()
    assert np.array_equal(copy.planes[0], image.planes[0])
    assert not np.shares_memory(copy.planes[0], image.planes[0])
    with pytest.raises(PoolEmpty):
        image.clone()


def test_another_size_or_range_takes_other_memory() -> None:
    out = PlanesOut()
    sizes = [(64, 48), (32, 48), (64, 48)]
    images = [out.from_av(random_frame("yuv422p", *size)) for size in sizes]
    assert [(image.width, image.height) for image in images] == sizes
    assert not out.from_av(random_frame("yuv422p", 64, 48)).full_range
    assert out.from_av(random_frame("yuvj422p", 64, 48)).full_range


def test_old_memory_goes_with_its_last_picture() -> None:
    out = PlanesOut()
    image: Any = out.from_av(random_frame("yuv422p", 64, 48))
    want = image.planes[0].copy()
    out.from_av(random_frame("yuv422p", 32, 32))
    gc.collect()
    assert np.array_equal(image.planes[0], want)


def test_too_small() -> None:
    with pytest.raises(ValueError, match="two rows"):
        PlanesOut().from_packed(np.zeros((1, 8, 2), np.uint8))
