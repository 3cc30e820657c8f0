"""How fast an engine runs: median, 99th percentile, images per second, power, memory."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from faceguard.engines.power import board_power_w

if TYPE_CHECKING:
    from faceguard.engines.runtime import Runtime
    from faceguard.engines.types import Array

_WARM_UP = 10
_LEAST = 30
_MOST = 2000


@dataclass(frozen=True)
class Speed:
    """What timing an engine gave.

    Attributes:
        runs: How many inferences were timed.
        median_ms: Of one inference, copies to and from the engine included.
        p99_ms: The time that one in a hundred exceeds.
        images_per_s: Pictures a second, one after another.
        power_w: Median of what the board drew meanwhile; None where that cannot be read.
    """

    runs: int
    median_ms: float
    p99_ms: float
    images_per_s: float
    power_w: float | None

    def __str__(self) -> str:
        """For people, one line."""
        power = f", {self.power_w:.1f} W" if self.power_w is not None else ""
        return (
            f"{self.median_ms:.2f} ms (p99 {self.p99_ms:.2f}), "
            f"{self.images_per_s:.0f} images/s{power}"
        )


def timed(
    runtime: Runtime, feeds: Mapping[str, Array], *, for_s: float, root: Path = Path("/")
) -> Speed:
    """Runs an engine again and again.

    Args:
        runtime: The engine; stays open.
        feeds: What goes in each time.
        for_s: How long; at least some tens of inferences are timed.
        root: Where `sys` is, for the board's power.

    Raises:
        InferenceError: The engine failed.
    """
    for _ in range(_WARM_UP):
        runtime.infer(feeds)
    taken_ns: list[int] = []
    powers: list[float | None] = []
    begun = last_power = time.monotonic_ns()
    until = begun + int(for_s * 1e9)
    while len(taken_ns) < _LEAST or (time.monotonic_ns() < until and len(taken_ns) < _MOST):
        before = time.perf_counter_ns()
        runtime.infer(feeds)
        taken_ns.append(time.perf_counter_ns() - before)
        if time.monotonic_ns() - last_power > 100_000_000:
            last_power = time.monotonic_ns()
            powers.append(board_power_w(root))
    powers.append(board_power_w(root))
    seen_w = [power for power in powers if power is not None]
    batch = max((array.shape[0] for array in feeds.values() if array.ndim), default=1)
    times_ms = np.array(taken_ns) / 1e6
    return Speed(
        runs=len(taken_ns),
        median_ms=float(np.median(times_ms)),
        p99_ms=float(np.percentile(times_ms, 99)),
        images_per_s=batch * 1e3 / float(times_ms.mean()),
        power_w=float(np.median(seen_w)) if seen_w else None,
    )
