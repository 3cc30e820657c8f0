"""How warm a load makes the board, learned while it runs.

A body that is heated and cools follows `dT/dt = a + b u - c T` (Newton's law of cooling, with the
load `u` for the heat): it settles at `(a + b u) / c`, with the time constant `1 / c`. The three
are fitted by least squares over means of ten seconds, in which each sample fades within half an
hour; a prior stands in for what was not seen yet (Bayesian linear regression; what fades, fades
toward the prior, so that a steady hour does not make the fit forget what it knows).

Only + - * / are used: the same numbers on any machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from faceguard.edge.heat.governing.fading import BLOCK_NS, faded

_LONGEST_BLOCK_NS = 30_000_000_000
# Temperatures count in tens of degrees, so that all columns are of about one size.
_SCALE_C = 10.0
_PRIOR_RISE_C_PER_S, _PRIOR_COOLING_PER_S = 0.25, 1 / 200
# How wide the prior is, beside noise of 0.02 C/s in a sample.
_NOISE = 0.02
_WIDTH_A, _WIDTH_B, _WIDTH_C = 1.0, 0.12, 0.003 * _SCALE_C
_LEAST_B, _MOST_B = 0.02, 4.0
_LEAST_C, _MOST_C = 1 / 2000, 1 / 15
# More than so much no board is warmer under full work than under none.
_MOST_RISE_C = 120.0
# A leap of the load shows the die's own fast part, which is not what is fitted.
_LEAP = 0.15

_PA, _PB, _PC = (_NOISE / width * (_NOISE / width) for width in (_WIDTH_A, _WIDTH_B, _WIDTH_C))
_PRIOR = (_PA, 0.0, 0.0, _PB, 0.0, _PC)
_PRIOR_SIDE = (0.0, _PB * _PRIOR_RISE_C_PER_S, -_PC * _PRIOR_COOLING_PER_S * _SCALE_C)


@dataclass(frozen=True)
class HeatModel:
    """What was learned so far; `add` gives the next.

    Attributes:
        normal: Upper triangle of the normal equations, by rows.
        side: Their right side.
        block: Sums of the block that is being filled: temperature, load, count.
        block_ns: When it began; None before the first sample.
        before: Mean temperature and load of the block before, and its middle in nanoseconds.
    """

    normal: tuple[float, ...] = _PRIOR
    side: tuple[float, ...] = _PRIOR_SIDE
    block: tuple[float, float, int] = (0.0, 0.0, 0)
    block_ns: int | None = None
    before: tuple[float, float, int] | None = None

    def add(self, temperature_c: float, load: float, now_ns: int) -> HeatModel:
        """Takes a sample in.

        Args:
            temperature_c: In degrees over any fixed point.
            load: The load under which it was measured, 0 to 1.
            now_ns: Monotonic nanoseconds.
        """
        if self.block_ns is None:
            return replace(self, block=(temperature_c, load, 1), block_ns=now_ns)
        heat, loads, count = self.block
        passed_ns = now_ns - self.block_ns
        if passed_ns < BLOCK_NS:
            return replace(self, block=(heat + temperature_c, loads + load, count + 1))
        fresh = replace(self, block=(temperature_c, load, 1), block_ns=now_ns)
        if passed_ns > _LONGEST_BLOCK_NS:
            return replace(fresh, before=None)
        mean = (heat / count, loads / count, self.block_ns + passed_ns // 2)
        return replace(fresh._learn(mean), before=mean)

    def interrupted(self) -> HeatModel:
        """The same knowledge, with a gap in what is seen."""
        return replace(self, block_ns=None, before=None)

    @property
    def rise_c_per_s(self) -> float:
        """How much faster it warms under full load than under none (b)."""
        return min(_MOST_B, max(_LEAST_B, self._solve()[0]))

    @property
    def cooling_per_s(self) -> float:
        """How much slower it warms for each degree that it is warmer (c); never 0."""
        least = max(_LEAST_C, self.rise_c_per_s / _MOST_RISE_C)
        return min(_MOST_C, max(least, self._solve()[1]))

    def _learn(self, mean: tuple[float, float, int]) -> HeatModel:
        if self.before is None:
            return self
        (temperature_c, load, at_ns), (was_c, was_load, was_ns) = mean, self.before
        if abs(load - was_load) > _LEAP:
            return self
        slope = (temperature_c - was_c) * 1e9 / (at_ns - was_ns)
        # Exact for the means of two neighbouring blocks, as far as they change evenly.
        x = (1.0, (load + was_load) / 2, (temperature_c + was_c) / 2 / _SCALE_C)
        seen = (x[0] * x[0], x[0] * x[1], x[0] * x[2], x[1] * x[1], x[1] * x[2], x[2] * x[2])
        normal = faded(self.normal, _PRIOR, seen)
        side = faded(self.side, _PRIOR_SIDE, tuple(value * slope for value in x))
        return replace(self, normal=normal, side=side)

    def _solve(self) -> tuple[float, float]:
        """The fitted b and c, a eliminated; the prior keeps the matrix positive definite."""
        n11, n12, n13, n22, n23, n33 = self.normal
        s1, s2, s3 = self.side
        m22, m23, m33 = n22 - n12 * n12 / n11, n23 - n12 * n13 / n11, n33 - n13 * n13 / n11
        t2, t3 = s2 - n12 * s1 / n11, s3 - n13 * s1 / n11
        bottom = m22 * m33 - m23 * m23
        return (t2 * m33 - m23 * t3) / bottom, -(m22 * t3 - m23 * t2) / bottom / _SCALE_C
