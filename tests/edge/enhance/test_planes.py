"""Each arrangement of planes goes through a network as it should, and comes back as it was."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceguard.edge.enhance.colour import from_bgr, to_bgr
from faceguard.edge.enhance.planes import enlarged
from faceguard.edge.types import Image, ImageKind, PixelFormat
from tests.edge.enhance.repeats import Repeats

IN_LUMA = [form for form in PixelFormat if form.is_yuv]
UNNAMED = 2


def noise(form, width, height, *, full_range=False, seed=1):
    rng = np.random.default_rng(seed)
    planes = tuple(
        rng.integers(0, 1 << form.bits, spec.shape(width, height)).astype(form.dtype)
        for spec in form.planes
    )
    return Image(form, width, height, planes, full_range)


def smooth(form, width, height, *, full_range=False):
    """Colours that a camera could have seen, without sharp edges."""
    ys, xs = np.mgrid[0:height, 0:width]
    pixels = np.stack(
        [60 + xs * 120 // width, 200 - ys * 120 // height, 90 + (xs + ys) * 60 // (width + height)],
        axis=2,
    ).astype(np.uint8)
    return from_bgr(pixels, ImageKind(form, width, height, full_range), UNNAMED), pixels


@given(
    form=st.sampled_from(PixelFormat),
    width=st.integers(1, 9),
    height=st.integers(1, 9),
    scale=st.integers(2, 4),
    colours=st.sampled_from(["luma", "bgr"]),
    full_range=st.booleans(),
)
def test_every_format_and_every_size_comes_back_as_itself(
    form, width, height, scale, colours, full_range
):
    image = noise(form, width, height, full_range=full_range)
    before = [plane.copy() for plane in image.planes]
    large = enlarged(image, Repeats(scale, colours), UNNAMED, None)
    # The image itself checks its planes' shapes and dtypes.
    assert large.kind == ImageKind(form, width * scale, height * scale, full_range)
    assert all(int(plane.max()) < 1 << form.bits for plane in large.planes)
    for plane, old in zip(image.planes, before, strict=True):
        np.testing.assert_array_equal(plane, old)


@pytest.mark.parametrize("form", IN_LUMA, ids=lambda form: form.name)
@pytest.mark.parametrize("full_range", [False, True])
def test_luma_alone_goes_through_a_network_for_luma(form, full_range):
    image = noise(form, 7, 5, full_range=full_range)
    network = Repeats(3)
    large = enlarged(image, network, UNNAMED, None)
    assert network.asked == [(form.bits, full_range)]
    np.testing.assert_array_equal(
        large.planes[0], image.planes[0].repeat(3, axis=0).repeat(3, axis=1)
    )


@pytest.mark.parametrize("form", [PixelFormat.I420, PixelFormat.NV12, PixelFormat.I422_10])
def test_chroma_keeps_its_place(form):
    """A step in chroma lies where the same step in luma lies, also where sides are odd."""
    width, height, scale = 22, 13, 3
    planes = []
    for spec in form.planes:
        plane = np.full(spec.shape(width, height), 40 << (form.bits - 8), form.dtype)
        plane[:, 12 // spec.sub_x :] = 200 << (form.bits - 8)
        planes.append(plane)
    large = enlarged(Image(form, width, height, tuple(planes)), Repeats(scale), UNNAMED, None)
    half = 120 << (form.bits - 8)
    for spec, plane in zip(form.planes, large.planes, strict=True):
        row = plane[3] if plane.ndim == 2 else plane[3, :, 0]
        assert int(np.argmax(row > half)) * spec.sub_x == 12 * scale


@pytest.mark.parametrize("form", IN_LUMA, ids=lambda form: form.name)
@pytest.mark.parametrize("full_range", [False, True])
def test_a_network_for_bgr_gets_the_colours_that_are_meant(form, full_range):
    """Against OpenCV's own conversion, which knows full range alone."""
    image, pixels = smooth(form, 24, 18, full_range=full_range)
    seen = to_bgr(image, UNNAMED).astype(int)
    if form is PixelFormat.GRAY:
        pixels = cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    assert np.abs(seen - pixels).max() <= 6
    assert np.abs(seen - pixels).mean() <= 1.5


@pytest.mark.parametrize("matrix", [1, 2, 9])
@pytest.mark.parametrize("full_range", [False, True])
def test_what_a_network_for_bgr_leaves_alone_comes_back(matrix, full_range):
    form = PixelFormat.I444
    _, pixels = smooth(form, 24, 18)
    image = from_bgr(pixels, ImageKind(form, 24, 18, full_range), matrix)
    large = enlarged(image, Repeats(2, "bgr"), matrix, None)
    for plane, old in zip(large.planes, image.planes, strict=True):
        back = plane[::2, ::2].astype(int)
        assert np.abs(back - old).max() <= 1


def test_bt709_is_not_bt601():
    red = np.full((2, 2, 3), (0, 0, 255), np.uint8)
    # Luma of pure red in television range: 16 + 219 * 0.2126, and 16 + 219 * 0.299.
    for matrix, luma in ((1, 63), (2, 81)):
        image = from_bgr(red, ImageKind(PixelFormat.I444, 2, 2), matrix)
        assert int(image.planes[0][0, 0]) == luma
        assert np.abs(to_bgr(image, matrix).astype(int) - red).max() <= 2


def test_alpha_is_enlarged_plainly_and_draws_no_dark_rim():
    """An orange disc over nothing: every pixel that is seen at all is orange."""
    pixels = np.zeros((24, 24, 4), np.uint8)
    ys, xs = np.mgrid[0:24, 0:24]
    disc = (ys - 12) ** 2 + (xs - 12) ** 2 < 64
    pixels[disc] = (20, 120, 240, 255)
    large = enlarged(Image.from_bgr(pixels), Repeats(3), UNNAMED, None).planes[0]
    want = cv2.resize(pixels[..., 3], (72, 72), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_array_equal(large[..., 3], want)
    seen = large[..., 3] > 0
    assert (large[seen][:, :3] == (20, 120, 240)).all()
    assert not large[~seen].any()
    partly = (large[..., 3] > 0) & (large[..., 3] < 255)
    assert partly.any()


def test_nothing_to_be_seen_stays_so():
    large = enlarged(Image.from_bgr(np.zeros((3, 2, 4), np.uint8)), Repeats(2), UNNAMED, None)
    assert not large.planes[0].any()
