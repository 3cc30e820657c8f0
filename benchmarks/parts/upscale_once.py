"""Enlarges one picture in a process of its own and says what that held; `upscale_memory` runs it.

`python upscale_once.py MODEL SIDE [THREADS]` prints JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

import numpy as np

from faceguard.engines.types import U8
from faceguard.engines.upscaling.limits import held, peaks
from faceguard.engines.upscaling.opening import open_upscaler

_MB = 1 << 20
_NOISE_PX = 64


def picture(width: int, height: int) -> U8:
    """A picture to enlarge: the same each time, and nowhere plain.

    Returns:
        uint8 (height, width, 3).
    """
    noise = np.random.default_rng(1).integers(0, 256, (_NOISE_PX, _NOISE_PX, 3), np.uint8)
    return noise[np.arange(height)[:, None] % _NOISE_PX, np.arange(width) % _NOISE_PX]


def main(words: Sequence[str]) -> int:
    """Enlarges once, and says what that took."""
    name, side = words[0], int(words[1])
    with open_upscaler(name, threads=int(words[2]) if len(words) > 2 else 0) as upscaler:
        idle_mb = held().resident / _MB
        pixels = picture(side, side)
        begun = time.monotonic_ns()
        large = upscaler.bgr(pixels)
        took_s = (time.monotonic_ns() - begun) / 1e9
        told = {
            "side": side,
            "peak_mb": peaks()[0] / _MB,
            "callers_mb": (pixels.nbytes + large.nbytes) / _MB,
            "idle_mb": idle_mb,
            "took_s": took_s,
        }
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
