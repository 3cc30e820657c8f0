"""Memory goes back when nobody looks at it any more, and not a moment sooner."""

from __future__ import annotations

import gc
from fractions import Fraction

import av
import numpy as np
import pytest

from faceguard.edge.av_image import as_av, view
from faceguard.edge.pool import ImagePool, PoolEmpty
from faceguard.edge.redact import redact
from faceguard.edge.style import Style
from faceguard.edge.types import Cover, Frame, PixelFormat

FORMATS = [PixelFormat.I420, PixelFormat.NV12, PixelFormat.GRAY]


@pytest.mark.parametrize("form", FORMATS)
def test_planes_lie_as_ffmpeg_expects_them(form):
    image = ImagePool(form, 64, 48, 1).take()
    rng = np.random.default_rng(1)
    for plane in image.planes:
        plane[...] = rng.integers(0, 255, plane.shape)
    seen = view(as_av(image))
    for ours, theirs in zip(image.planes, seen.planes, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("keep", ["image", "plane", "slice", "frame"])
def test_whatever_still_looks_keeps_the_memory(keep):
    pool = ImagePool(PixelFormat.I420, 32, 32, 1)
    image = pool.take()
    held = {
        "image": image,
        "plane": image.planes[1],
        "slice": image.planes[0][4:8, 4:8],
        "frame": as_av(image),
    }[keep]
    del image
    gc.collect()
    assert pool.free == 0
    with pytest.raises(PoolEmpty):
        pool.take()
    del held
    gc.collect()
    assert pool.free == 1
    assert pool.take().width == 32


def test_an_encoder_that_still_reads_keeps_the_memory():
    pool = ImagePool(PixelFormat.I420, 64, 64, 4)
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 64, 64, "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"rc-lookahead": "10", "threads": "1"}
    for index in range(30):
        picture = as_av(pool.take())
        picture.pts = index
        encoder.encode(picture)
        del picture
        assert pool.free >= 2
    encoder.encode(None)
    del encoder
    gc.collect()
    assert pool.free == 4


def test_the_same_memory_comes_round():
    pool = ImagePool(PixelFormat.NV12, 32, 16, 2)
    places = set()
    for _ in range(50):
        places.add(pool.take().planes[0].ctypes.data)
    assert len(places) == 2


def test_a_redacted_copy_lies_in_the_pool():
    pool = ImagePool(PixelFormat.I420, 32, 32, 2)
    source = pool.take()
    for plane in source.planes:
        plane[...] = 90
    safe = redact(Frame(source, 0, 0, Fraction(1, 25)), Cover(whole="test"), Style())
    assert pool.free == 0
    assert (safe.image.planes[0] == 16).all()
    assert (source.planes[0] == 90).all()
    del safe
    assert pool.free == 1


def test_full_range_is_told_to_encoders():
    image = ImagePool(PixelFormat.I420, 16, 16, 1, full_range=True).take()
    assert view(as_av(image)).full_range


@pytest.mark.parametrize(
    ("form", "size"), [(PixelFormat.BGR, (16, 16)), (PixelFormat.I420, (15, 16))]
)
def test_what_cannot_be_pooled_is_refused(form, size):
    with pytest.raises(ValueError, match=r"pooled|odd"):
        ImagePool(form, *size, 1)
