"""How pictures are judged: against values that are known."""

from __future__ import annotations

import math
from statistics import fmean

import numpy as np
import pytest

from benchmarks.parts import upscale_quality as quality
from benchmarks.parts.upscale_table import PUBLISHED, Quality, baselines, side_by_side
from benchmarks.parts.upscale_table import figures as quality_figures


def noise(shape: tuple[int, ...], seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def test_psnr_of_a_known_difference() -> None:
    one = noise((20, 30)).astype(np.float64)
    assert quality.psnr(one, one + 5.0) == pytest.approx(20 * math.log10(255 / 5))
    assert quality.psnr(one, one) == math.inf


def test_ssim_of_plain_pictures_is_that_of_their_luminance() -> None:
    one, other = np.full((16, 16), 100.0), np.full((16, 16), 120.0)
    c1 = (0.01 * 255) ** 2
    want = (2 * 100 * 120 + c1) / (100**2 + 120**2 + c1)
    assert quality.ssim(one, other) == pytest.approx(want, abs=1e-9)
    assert quality.ssim(one, one) == pytest.approx(1.0)


def test_ssim_by_its_definition_at_every_place() -> None:
    one, other = (noise((15, 14), seed).astype(np.float64) for seed in (1, 2))
    x = np.arange(11) - 5
    bell = np.exp(-(x**2) / (2 * 1.5**2))
    window = np.outer(bell, bell) / bell.sum() ** 2
    values = []
    for row in range(15 - 10):
        for column in range(14 - 10):
            a, b = (p[row : row + 11, column : column + 11] for p in (one, other))
            m1, m2 = (window * a).sum(), (window * b).sum()
            v1, v2 = (window * (a - m1) ** 2).sum(), (window * (b - m2) ** 2).sum()
            both = (window * (a - m1) * (b - m2)).sum()
            c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
            like = (2 * m1 * m2 + c1) * (2 * both + c2)
            values.append(like / ((m1**2 + m2**2 + c1) * (v1 + v2 + c2)))
    assert quality.ssim(one, other) == pytest.approx(fmean(values), abs=1e-9)


@pytest.mark.parametrize(
    ("bgr", "y"), [((255, 255, 255), 235), ((0, 0, 0), 16), ((0, 0, 255), 81.481)]
)
def test_luma_as_television_has_it(bgr: tuple[int, int, int], y: float) -> None:
    assert quality.luma(np.array([[bgr]], np.uint8))[0, 0] == pytest.approx(y)


def test_the_border_does_not_count() -> None:
    truth = noise((30, 34, 3))
    large = truth.copy()
    large[:2] = large[-2:] = 0
    large[:, :2] = large[:, -2:] = 0
    assert quality.judged(large, truth, 2)[0] == math.inf
    assert quality.judged(large, truth, 1)[0] < 60


def test_the_mean_difference_is_in_grey_levels() -> None:
    one = np.full((4, 4, 3), 10, np.uint8)
    other = one.copy()
    other[0, 0] = 250
    assert quality.mean_difference(one, other) == pytest.approx(240 / 16)
    assert quality.mean_difference(other, one) == pytest.approx(240 / 16)


@pytest.mark.data
def test_bicubic_comes_to_what_papers_print(data) -> None:
    for (of, scale), want in PUBLISHED.items():
        chosen = quality.pairs(data, of, scale)
        assert len(chosen) == (5 if of == "Set5" else 14)
        first, harder = baselines(of, scale, chosen)
        assert fmean(first.psnr_db) == pytest.approx(want, abs=0.1)
        assert fmean(harder.psnr_db) > fmean(first.psnr_db)


@pytest.mark.data
def test_one_network_by_two_programs(data) -> None:
    chosen = quality.pairs(data, "Set5", 3)[2:4]

    def nearly(pixels):
        large = quality.bicubic(pixels, 3).copy()
        large[::2] = np.minimum(large[::2], 254) + 1
        return large

    theirs, mine = side_by_side(
        "Set5", "model", chosen, nearly, lambda pixels: quality.bicubic(pixels, 3)
    )
    assert (theirs.method, mine.method) == ("model, dnn_superres", "model, faceguard")
    found = quality_figures([theirs, mine])
    assert found["worst_mad_to_peer"] == pytest.approx(0.5, abs=0.02)
    apart = [a - b for a, b in zip(mine.psnr_db, theirs.psnr_db, strict=True)]
    assert found["worst_psnr_apart_db"] == pytest.approx(max(map(abs, apart)), abs=1e-4)
    (alone,) = side_by_side("Set5", "model", chosen, nearly, None)
    assert alone.told()["mad_to_peer"] is None
    assert set(quality_figures([alone]).values()) == {None}
    assert Quality("Set5", 3, "model, faceguard").mad == []
