"""The one door out: what is covered is gone in every plane, what is not is untouched."""

from __future__ import annotations

import ast
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceguard.edge.redact import outline, redact
from faceguard.edge.style import Look, Style
from faceguard.edge.types import Cover, Frame, Image, Mask, PixelFormat, SafeFrame, Seal, Shape
from faceguard.engines.errors import UsageError
from faceguard.engines.types import Region
from tests.conftest import ROOT

FORMATS = list(PixelFormat)


def noise_frame(form: PixelFormat, width: int, height: int, seed: int = 0) -> Frame:
    """Every sample differs from its neighbours, so that a sample left as it was is seen."""
    rng = np.random.default_rng(seed)
    planes = tuple(
        rng.integers(0, 2**form.bits, spec.shape(width, height)).astype(form.dtype)
        for spec in form.planes
    )
    return Frame(Image(form, width, height, planes), 3, 30, Fraction(1, 10))


def mask(region: Region, shape: Shape = Shape.BOX) -> Mask:
    return Mask(region, shape, 1, 0.9, region)


@pytest.mark.parametrize("form", FORMATS, ids=lambda f: f.name)
@pytest.mark.parametrize("look", list(Look), ids=lambda look: look.value)
@pytest.mark.parametrize("size", [(64, 48), (63, 47)])
def test_a_box_is_gone_up_to_the_last_row_and_column(form, look, size):
    width, height = size
    frame = noise_frame(form, width, height)
    region = Region(width - 20.5, height - 17.5, width + 9, height + 9)
    safe = redact(frame, Cover((mask(region),)), Style(look=look))
    for spec, before, after in zip(form.planes, frame.image.planes, safe.image.planes, strict=True):
        x0, y0 = int((width - 20.5) // spec.sub_x), int((height - 17.5) // spec.sub_y)
        # Averages of noise may meet a sample's own value by chance, but seldom.
        assert np.mean(after[y0:, x0:] == before[y0:, x0:]) < 0.05
        inside = after[y0:, x0:].reshape(-1, spec.channels)
        assert len(np.unique(inside, axis=0)) < len(inside) or look is Look.BLUR_NOISE
        outside = np.ones(before.shape[:2], bool)
        outside[y0:, x0:] = False
        np.testing.assert_array_equal(after[outside], before[outside])


@pytest.mark.parametrize("form", FORMATS, ids=lambda f: f.name)
def test_whole_covers_every_sample(form):
    frame = noise_frame(form, 33, 21)
    safe = redact(frame, Cover(whole="time-out"), Style())
    for plane in safe.image.planes:
        assert len(np.unique(plane.reshape(-1, *plane.shape[2:]), axis=0)) == 1
    assert safe.cover.whole == "time-out"


@pytest.mark.parametrize("form", FORMATS, ids=lambda f: f.name)
def test_the_source_is_never_written_to(form):
    frame = noise_frame(form, 40, 30)
    before = [plane.copy() for plane in frame.image.planes]
    for plane in frame.image.planes:
        plane.flags.writeable = False
    redact(frame, Cover((mask(Region(0, 0, 40, 30)),)), Style())
    redact(frame, Cover(whole="x"), Style())
    for plane, old in zip(frame.image.planes, before, strict=True):
        np.testing.assert_array_equal(plane, old)


def test_nothing_to_cover_costs_no_copy():
    frame = noise_frame(PixelFormat.I420, 40, 30)
    assert redact(frame, Cover(), Style()).image is frame.image


@given(
    x=st.floats(-30, 70),
    y=st.floats(-30, 60),
    width=st.floats(0.5, 60),
    height=st.floats(0.5, 60),
    form=st.sampled_from([PixelFormat.I420, PixelFormat.NV12, PixelFormat.BGR]),
)
@settings(max_examples=200, deadline=None)
def test_an_ellipse_holds_all_of_its_box(x, y, width, height, form):
    frame = noise_frame(form, 65, 49)
    region = Region(x, y, x + width, y + height)
    area = mask(region, Shape.ELLIPSE)
    safe = redact(frame, Cover((area,)), Style(look=Look.SOLID))
    outer = outline(area)
    if region.x0 >= 65 or region.y0 >= 49 or region.x1 <= 0 or region.y1 <= 0:
        return
    for spec, before, after in zip(form.planes, frame.image.planes, safe.image.planes, strict=True):
        rows, columns = before.shape[:2]
        x0, x1 = (max(0, int(np.floor(v / spec.sub_x))) for v in (region.x0, region.x1))
        y0, y1 = (max(0, int(np.floor(v / spec.sub_y))) for v in (region.y0, region.y1))
        inside = after[y0 : min(y1, rows), x0 : min(x1, columns)]
        assert len(np.unique(inside.reshape(-1, spec.channels), axis=0)) <= 1
        # And nothing is changed beyond the rectangle around the ellipse.
        ys, xs = np.nonzero((after != before).reshape(rows, columns, -1).any(axis=2))
        if len(xs):
            assert (xs.min() + 1) * spec.sub_x > outer.x0
            assert xs.max() * spec.sub_x < outer.x1
            assert (ys.min() + 1) * spec.sub_y > outer.y0
            assert ys.max() * spec.sub_y < outer.y1


@pytest.mark.parametrize("look", [Look.PIXELATE, Look.BLUR])
@pytest.mark.parametrize("side", [16, 80, 600])
def test_few_numbers_are_left_of_a_face(look, side):
    """Whatever the face's size, what remains is a handful of averages."""
    frame = noise_frame(PixelFormat.GRAY, side * 2, side * 2)
    region = Region(side / 2, side / 2, side * 1.5, side * 1.5)
    safe = redact(frame, Cover((mask(region),)), Style(look=look))
    inside = safe.image.planes[0][int(side / 2) : int(side * 1.5), int(side / 2) : int(side * 1.5)]
    if look is Look.PIXELATE:
        assert len(np.unique(inside)) <= 9
    # Neighbouring samples of noise differ by 85 on average; of what is left, by next to nothing.
    assert np.abs(np.diff(inside.astype(int), axis=1)).mean() < 12


@pytest.mark.parametrize(
    ("look", "shape", "most"),
    [
        (Look.PIXELATE, Shape.BOX, 3),
        (Look.PIXELATE, Shape.ELLIPSE, 3),
        (Look.BLUR, Shape.BOX, 2),
        (Look.BLUR, Shape.ELLIPSE, 1),
        (Look.BLUR_NOISE, Shape.ELLIPSE, 1),
    ],
)
@pytest.mark.parametrize("face_px", [42.0, 100.0, 900.0])
def test_so_many_cells_stand_across_a_face(look, shape, most, face_px):
    """Where cells run into one another, most of all in an ellipse, fewer of them hide a face."""
    assert Style(look=look).grid(face_px, face_px, face_px, shape) == (most, most)


def test_noise_stays_with_a_track_and_differs_between_runs():
    frame = noise_frame(PixelFormat.GRAY, 64, 64)
    cover = Cover((mask(Region(0, 0, 64, 64)),))
    style = Style(look=Look.PIXELATE_NOISE)
    once, again = (redact(frame, cover, style).image.planes[0] for _ in range(2))
    np.testing.assert_array_equal(once, again)
    other_run = redact(frame, cover, Style(look=Look.PIXELATE_NOISE)).image.planes[0]
    assert (other_run != once).any()
    assert "key" not in repr(style)


@pytest.mark.parametrize(
    "settings",
    [{"cells": 4}, {"cells": 3, "look": Look.BLUR}, {"cells": 0}, {"least_cell_px": 4.0}],
)
def test_a_weak_style_is_refused(settings):
    with pytest.raises(UsageError):
        Style(**settings)


def test_only_redact_makes_safe_frames():
    frame = noise_frame(PixelFormat.GRAY, 8, 8)
    with pytest.raises(TypeError, match="only"):
        SafeFrame(object(), frame.image, frame, Cover())  # type: ignore[arg-type]
    for path in sorted(
        p for floor in ("edge", "engines", "convert") for p in (ROOT / floor).rglob("*.py")
    ):
        if path.name in ("redact.py", "types.py") and path.parent.name == "edge":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(node, "id", getattr(node, "attr", getattr(node, "name", "")))
            assert name not in ("Seal", "_SEAL"), f"{path} reaches for the seal"
            if isinstance(node, ast.Call):
                assert getattr(node.func, "id", "") != "SafeFrame", f"{path} makes a SafeFrame"
    assert Seal is not None
