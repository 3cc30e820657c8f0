"""A picture that is quite another one is looked at, whenever it comes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from faceguard.edge.change import Change
from faceguard.edge.pipeline import Plan, redacted
from faceguard.edge.tracking import Tracker
from faceguard.edge.types import Frame, Image, PixelFormat
from faceguard.edge.verdict import Judge
from faceguard.engines.types import Detections, PixelSource, Region
from tests.edge.faces import detections


def scene(seed: int, form: PixelFormat = PixelFormat.GRAY, shift: int = 0) -> Image:
    """A picture with large shapes, moved to the right."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(20, 235, (9, 16)).repeat(20, axis=0).repeat(20, axis=1)
    image = Image.blank(form, 320, 180)
    luma = np.roll(cells, shift, axis=1) * 2 ** (form.bits - 8)
    for plane in image.planes:
        plane[...] = 128
    target = image.planes[0]
    target[...] = luma if target.ndim == 2 else luma[..., None]
    return image


@pytest.mark.parametrize(
    "form", [PixelFormat.GRAY, PixelFormat.I420, PixelFormat.BGR, PixelFormat.I420_10]
)
def test_another_scene_is_a_great_change_and_a_little_movement_none(form):
    change = Change()
    assert change.is_great(scene(1, form))
    change.looked_at(scene(1, form))
    assert not change.is_great(scene(1, form))
    assert not change.is_great(scene(1, form, shift=2))
    assert change.is_great(scene(2, form))


def test_noise_and_a_lamp_that_flickers_are_no_great_change():
    change = Change()
    change.looked_at(scene(1))
    noisy = scene(1)
    rng = np.random.default_rng(3)
    noisy.planes[0][...] = np.clip(noisy.planes[0] + rng.normal(0, 25, (180, 320)) + 12, 0, 255)
    assert not change.is_great(noisy)


def test_half_a_picture_is_a_great_change():
    change = Change()
    change.looked_at(scene(1))
    half = scene(1)
    half.planes[0][:90] = 0
    assert change.is_great(half)


class ByScene:
    """Finds a face at one place in scene 1 and at another in scene 2."""

    def detect(self, source: PixelSource) -> Detections:
        shown = source.sample_bgr(Region(0, 0, 320, 180), 320, 180)[..., 0].astype(int)
        first = np.abs(shown - scene(1).planes[0]).mean() < 10
        return detections((20, 20, 60, 60) if first else (70, 30, 110, 70))


@pytest.mark.parametrize("flash", range(1, 12))
def test_a_single_picture_between_two_looks_is_covered_in_its_own_place(flash):
    """As in a damaged stream, where every now and then one picture is whole."""
    frames = [Frame(scene(2 if i == flash else 1), i, i, Fraction(1, 25)) for i in range(16)]
    plan = Plan(detect_every=4, look_ahead=5)
    judge = Judge(ByScene())
    tracker = Tracker(plan.tracking, keep_frames=5, every=4)
    try:
        out = list(redacted(iter(frames), judge, tracker, plan))
    finally:
        judge.close()
    masks = [mask.region for mask in out[flash].cover.masks]
    assert any(m.x0 <= 70 and m.y0 <= 30 and m.x1 >= 110 and m.y1 >= 70 for m in masks)
