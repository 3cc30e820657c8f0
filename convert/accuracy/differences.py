"""How far an output is from its reference, summed up piece by piece."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from faceguard.convert.accuracy.reference import Stored
    from faceguard.engines.types import Array

    F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """How far one output is from the reference's, over all golden pictures.

    Attributes:
        max_abs: Largest absolute difference.
        range: Largest minus smallest value of the reference.
        rms_share: Root of the mean square of the difference, as a share of the range; of the
            largest magnitude where the reference is the same number everywhere.
    """

    max_abs: float
    range: float
    rms_share: float


NOTHING_LIKE_IT = Difference(np.inf, np.inf, np.inf)
"""Another shape, or a value that is no number where the reference has one."""


class Tally:
    """Takes one output of picture after picture; holds sums only."""

    def __init__(self) -> None:
        """Begins with nothing."""
        self._squares, self._count, self._largest = 0.0, 0, 0.0
        self._low, self._high = np.inf, -np.inf
        self._broken = False

    def add(self, wanted: Stored, found: Array) -> None:
        """Takes the next picture's.

        Args:
            wanted: What the reference gave.
            found: What the result gives.
        """
        if wanted.shape != found.shape:
            self._broken = True
        if self._broken:
            return
        flat = found.reshape(-1)
        for start, part in wanted.parts():
            beside = flat[start : start + part.size]
            self._add(part.astype(np.float64), beside.astype(np.float64))

    def _add(self, wanted: F64, found: F64) -> None:
        # What the model itself gives, such as the logarithm of nothing, is its own affair.
        odd = ~np.isfinite(wanted)
        if odd.any():
            if not np.array_equal(wanted[odd], found[odd], equal_nan=True):
                self._broken = True
                return
            wanted, found = wanted[~odd], found[~odd]
        with np.errstate(invalid="ignore"):
            delta = np.abs(found - wanted)
        if not np.isfinite(delta).all():
            self._broken = True
            return
        self._largest = max(self._largest, float(delta.max(initial=0.0)))
        self._squares += float(np.square(delta).sum())
        self._count += delta.size
        self._low = min(self._low, float(wanted.min(initial=np.inf)))
        self._high = max(self._high, float(wanted.max(initial=-np.inf)))

    def difference(self) -> Difference:
        """Over all pictures together."""
        if self._broken:
            return NOTHING_LIKE_IT
        span = max(self._high - self._low, 0.0)
        rms = float(np.sqrt(self._squares / self._count)) if self._count else 0.0
        if rms == 0:
            return Difference(self._largest, span, 0.0)
        scale = span or abs(self._high)
        return Difference(self._largest, span, rms / scale if scale else np.inf)
