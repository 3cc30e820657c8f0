"""What a load draws, learned while it runs: a straight line through means of ten seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace

from faceguard.edge.heat.governing.fading import BLOCK_NS, faded

_PRIOR_W = 10.0
_NOISE_W, _WIDTH_P0_W, _WIDTH_P1_W = 0.5, 50.0, 5.0
_LEAST_W, _MOST_W = 0.5, 100.0
_P0, _P1 = (_NOISE_W / width * (_NOISE_W / width) for width in (_WIDTH_P0_W, _WIDTH_P1_W))
_PRIOR = (_P0, 0.0, _P1)
_PRIOR_SIDE = (0.0, _P1 * _PRIOR_W)


@dataclass(frozen=True)
class PowerModel:
    """`P = p0 + p1 u`, fitted like the heat model (Bayesian, fading toward a prior).

    Attributes:
        normal: Upper triangle of the normal equations.
        side: Their right side.
        block: Sums of the block that is being filled: power, load, count.
        block_ns: When it began; None before the first sample.
    """

    normal: tuple[float, ...] = _PRIOR
    side: tuple[float, ...] = _PRIOR_SIDE
    block: tuple[float, float, int] = (0.0, 0.0, 0)
    block_ns: int | None = None

    def add(self, power_w: float, load: float, now_ns: int) -> PowerModel:
        """Takes a sample in.

        Args:
            power_w: What the board drew.
            load: The load under which it did, seen through the same filter.
            now_ns: Monotonic nanoseconds.
        """
        if self.block_ns is None or now_ns - self.block_ns < BLOCK_NS:
            began_ns = now_ns if self.block_ns is None else self.block_ns
            power, loads, count = self.block
            return replace(
                self, block=(power + power_w, loads + load, count + 1), block_ns=began_ns
            )
        power, loads, count = self.block
        mean_w, mean = power / count, loads / count
        seen = ((1.0, mean, mean * mean), (mean_w, mean * mean_w))
        return PowerModel(
            faded(self.normal, _PRIOR, seen[0]),
            faded(self.side, _PRIOR_SIDE, seen[1]),
            (power_w, load, 1),
            now_ns,
        )

    @property
    def full_w(self) -> float:
        """How much more full load draws than none (p1)."""
        n11, n12, n22 = self.normal
        s1, s2 = self.side
        return min(_MOST_W, max(_LEAST_W, (s2 - n12 * s1 / n11) / (n22 - n12 * n12 / n11)))
