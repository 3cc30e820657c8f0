"""How near an enlarged picture comes to the one that its small form was made from.

As papers of super-resolution do: on luma alone, without a border as wide as the scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from faceguard.engines.types import U8

F64 = npt.NDArray[np.float64]

_PEAK = 255.0
_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2


@dataclass(frozen=True)
class Pair:
    """A picture and its small form.

    Attributes:
        name: Of the file.
        low: The small one's file.
        high: The large one's.
        scale: How many times as wide and high.
    """

    name: str
    low: Path
    high: Path
    scale: int

    @property
    def size(self) -> int:
        """Of the small one's file, in bytes: how long it takes, roughly."""
        return self.low.stat().st_size

    def read(self) -> tuple[U8, U8]:
        """The small and the large one, uint8 (h, w, 3) and (scale * h, scale * w, 3): B, G, R."""
        low, high = (cv2.imread(str(path), cv2.IMREAD_COLOR) for path in (self.low, self.high))
        if low is None or high is None:
            raise SystemExit(f"{self.low}: not a picture; is the data set whole?")
        if any(self.scale * a != b for a, b in zip(low.shape[:2], high.shape[:2], strict=True)):
            raise SystemExit(f"{self.low}: not a part of {self.scale} of {self.high.name}")
        return np.asarray(low, np.uint8), np.asarray(high, np.uint8)


def pairs(data: Path, of: str, scale: int) -> list[Pair]:
    """The pairs of Set5 or Set14 in the larger data set, by name."""
    high = sorted((data / "truth" / "sr" / of).glob(f"*_SRF_{scale}_HR.png"))
    return [
        Pair(path.stem.removesuffix("_HR"), path.with_name(f"{path.stem[:-2]}LR.png"), path, scale)
        for path in high
    ]


def bicubic(pixels: U8, scale: int) -> U8:
    """Enlarges as the papers' baseline: the bicubic kernel with a = -0.5 (Keys 1981)."""
    height, width = pixels.shape[:2]
    large = Image.fromarray(pixels).resize(
        (scale * width, scale * height), Image.Resampling.BICUBIC
    )
    return np.asarray(large, np.uint8)


def bicubic_opencv(pixels: U8, scale: int) -> U8:
    """Enlarges by OpenCV's bicubic kernel, a = -0.75: sharper, and the harder baseline."""
    height, width = pixels.shape[:2]
    size = (scale * width, scale * height)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def luma(pixels: U8) -> F64:
    """Y of Y'CbCr, 16 to 235 and not rounded (ITU-R BT.601, as MATLAB's rgb2ycbcr).

    Args:
        pixels: uint8 (h, w, 3): B, G, R.

    Returns:
        float64 (h, w).
    """
    weights = np.array([24.966, 128.553, 65.481]) / _PEAK
    return np.asarray(16.0 + pixels.astype(np.float64) @ weights)


def psnr(one: F64, other: F64) -> float:
    """Peak signal-to-noise ratio in dB, for a peak of 255; infinite for equal arrays."""
    square = float(np.mean((one - other) ** 2))
    return 10.0 * math.log10(_PEAK**2 / square) if square else math.inf


def ssim(one: F64, other: F64) -> float:
    """Structural similarity, its mean over all places where the whole window fits.

    After Z. Wang et al., Image quality assessment: from error visibility to structural similarity
    (2004): a Gaussian window of 11x11 and sigma 1.5, K1 = 0.01, K2 = 0.03, L = 255.

    Args:
        one: float64 (h, w), at least 11 in both.
        other: The same shape.
    """
    kernel = cv2.getGaussianKernel(_WINDOW, _SIGMA)
    rim = _WINDOW // 2

    def mean(values: F64) -> F64:
        blurred = cv2.sepFilter2D(values, cv2.CV_64F, kernel, kernel)
        return np.asarray(blurred[rim:-rim, rim:-rim], np.float64)

    m1, m2 = mean(one), mean(other)
    v1, v2 = mean(one * one) - m1 * m1, mean(other * other) - m2 * m2
    both = mean(one * other) - m1 * m2
    like = (2 * m1 * m2 + _C1) * (2 * both + _C2)
    return float(np.mean(like / ((m1 * m1 + m2 * m2 + _C1) * (v1 + v2 + _C2))))


def judged(large: U8, truth: U8, scale: int) -> tuple[float, float]:
    """PSNR and SSIM of an enlarged picture: on luma, without a border as wide as the scale.

    Args:
        large: uint8 (h, w, 3): B, G, R.
        truth: The same shape.
        scale: By what it was enlarged.
    """
    inner = np.s_[scale:-scale, scale:-scale]
    ours, theirs = luma(large)[inner], luma(truth)[inner]
    return psnr(ours, theirs), ssim(ours, theirs)


def mean_difference(one: U8, other: U8) -> float:
    """Mean absolute difference over all samples, in grey levels."""
    return float(np.mean(cv2.absdiff(one, other)))
