"""Sums of least squares in which old samples fade toward a prior."""

from __future__ import annotations

BLOCK_NS = 10_000_000_000
"""Samples are means of so long."""
# Each of them fades within half an hour.
_FADE = 1 - 10 / 1800


def faded(
    now: tuple[float, ...], prior: tuple[float, ...], seen: tuple[float, ...]
) -> tuple[float, ...]:
    """The sums after one more sample.

    Args:
        now: The sums so far.
        prior: What they are where nothing was seen, and what they fade toward.
        seen: What the sample adds.
    """
    return tuple(p + _FADE * (n - p) + s for n, p, s in zip(now, prior, seen, strict=True))
