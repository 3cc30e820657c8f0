"""The plainest enlarger there is: each pixel becomes a block."""

from __future__ import annotations

import numpy as np

from faceguard.engines.closing import Closing


class Repeats(Closing):
    """Repeats pixels, row by row as its tiles; notes what it was given."""

    name = "repeats"

    def __init__(self, scale=2, colours="luma"):
        self.scale = scale
        self.colours = colours
        self.closed = 0
        self.asked = []

    def bgr(self, pixels, *, on_tile=None):
        assert pixels.dtype == np.uint8
        assert pixels.shape[2] == 3
        self.asked.append("bgr")
        return self._large(pixels, on_tile)

    def luma(self, plane, *, bits=8, full_range=True, on_tile=None):
        assert self.colours == "luma"
        assert plane.ndim == 2
        self.asked.append((bits, full_range))
        return self._large(plane, on_tile)

    def close(self):
        self.closed += 1

    def _large(self, samples, on_tile):
        for done in range(len(samples) + 1 if on_tile else 0):
            on_tile(done, len(samples))
        return samples.repeat(self.scale, axis=0).repeat(self.scale, axis=1)
