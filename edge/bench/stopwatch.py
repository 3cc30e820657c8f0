"""How long a thing of many like steps takes, where there is no time to do all of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

OnStep = Callable[[int, int], None]
"""Called with how many steps are done, and how many there are; first with none done."""

_MOST_RUNS = 10_000


@dataclass(frozen=True)
class Timing:
    """How long one whole run takes.

    Attributes:
        seconds: The median over whole runs, or what a part of one promises.
        runs: How many whole runs; 0 where it is predicted.
        warm_up_s: The first whole run, which does not count; None where it is predicted.
    """

    seconds: float
    runs: int = 0
    warm_up_s: float | None = None

    @property
    def is_predicted(self) -> bool:
        """Whether no whole run was measured."""
        return self.runs == 0


class _Enough(Exception):
    """The time is up; raised through whatever calls `OnStep`."""


def timed(work: Callable[[OnStep], object], limit_s: float, watch: OnStep | None = None) -> Timing:
    """Runs a thing until the time is up: once to warm up, then as often as there is time for.

    Where even the first run takes longer, it is given up after the step at hand, and its time is
    predicted from the steps that were done; the first step, which warms up, counts only where
    there is no other.

    Args:
        work: Does it once. It must let through what `OnStep` raises.
        limit_s: Time for the first run, and again for all that follow; one step is always done,
            and one run after the first.
        watch: Told of each step.
    """
    marks: list[tuple[int, int]] = []
    steps = 1

    def on_step(done: int, of: int) -> None:
        nonlocal steps
        now_ns = time.monotonic_ns()
        marks.append((done, now_ns))
        steps = of
        if watch is not None:
            watch(done, of)
        if 0 < done < of and now_ns - marks[0][1] > limit_s * 1e9:
            raise _Enough

    begun_ns = time.monotonic_ns()
    try:
        work(on_step)
    except _Enough:
        return Timing(_whole_s(marks, steps))
    first_s = (time.monotonic_ns() - begun_ns) / 1e9
    took_s: list[float] = []
    while not took_s or (sum(took_s) < limit_s and len(took_s) < _MOST_RUNS):
        begun_ns = time.monotonic_ns()
        work(watch or _unseen)
        took_s.append((time.monotonic_ns() - begun_ns) / 1e9)
    return Timing(median(took_s), len(took_s), first_s)


def _whole_s(marks: list[tuple[int, int]], steps: int) -> float:
    """Seconds of all steps, at the pace of those between the first and the last mark."""
    done_last, end_ns = marks[-1]
    done_first, from_ns = next((mark for mark in marks[:-1] if 0 < mark[0] < done_last), marks[0])
    return (end_ns - from_ns) / 1e9 / (done_last - done_first) * steps


def _unseen(_done: int, _of: int) -> None:
    """For whoever does not watch."""
