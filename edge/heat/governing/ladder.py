"""The levels: what goes, one after the other, while the board is too hot. Never redaction."""

from __future__ import annotations

import math
from dataclasses import dataclass

from faceguard.edge.budget import Budget
from faceguard.edge.heat.settings import GovernorSettings

# What the parts of the work weigh beside each other. Only their order of size matters, since the
# governor learns what a level is worth in degrees.
_FRAMES, _LOOKS, _UPSCALING = 0.6, 0.4, 0.5
_SHARE_DIGITS = 4
# Where a share of the frames has to be a rate, and nobody knows the camera's.
_USUAL_RATE = 30.0


@dataclass(frozen=True)
class Rung:
    """One level.

    Attributes:
        share: Part of the camera's frames that are taken in.
        every: The detector looks at every n-th frame of the camera at most; dropped ones count.
        upscale: Whether there is time to sharpen.
        load: Estimate of the work, 1 for the topmost rung and 0 for the paused one.
    """

    share: float
    every: int
    upscale: bool
    load: float

    @property
    def is_paused(self) -> bool:
        """Whether nothing is taken in and nothing goes out."""
        return self.share == 0

    def budget(self, level: int, rate: float | None, reason: str) -> Budget:
        """What may be spent on this rung.

        Args:
            level: Its number.
            rate: Frames a second that the camera gives; None, or what is no rate, for not known.
            reason: Why it is this rung.
        """
        if rate is None or not math.isfinite(rate) or rate <= 0:
            rate = _USUAL_RATE
        return Budget(
            level=level,
            frames_per_s=None if self.share in (0, 1) else self.share * rate,
            detect_every=self.every,
            upscale=self.upscale,
            paused=self.is_paused,
            reason=reason,
        )


def ladder(
    settings: GovernorSettings, *, every: int, look_ahead: int, upscales: bool = False
) -> tuple[Rung, ...]:
    """The levels from all that was configured to the pause.

    Upscaling goes first; then frames, a step at a time down to the least share; then looks of the
    detector, where there are still more of them than cover needs; then everything.

    Args:
        settings: Least share, step, and how rare looks may become.
        every: The detector looks at every n-th frame of the camera, as configured.
        look_ahead: Frames that each one waits; a face that is found later than that comes too
            late for it, so looks do not become rarer.
        upscales: Whether there is upscaling to go.

    Returns:
        The rungs, each with less load than the one before; the last is the pause.
    """
    whole = _work(1.0, every, every, upscaling=upscales)

    def rung(share: float, looks_every: int, *, upscale: bool) -> Rung:
        load = _work(share, looks_every, every, upscaling=upscale and upscales) / whole
        return Rung(share, looks_every, upscale, load)

    keep = not upscales
    wanted = [rung(1.0, every, upscale=False)] if upscales else []
    share = settings.step
    # None that lies within half a step of the least: it would be worth nothing.
    while share * (1 + settings.step) / 2 > settings.least_share:
        wanted.append(rung(round(share, _SHARE_DIGITS), every, upscale=keep))
        share *= settings.step
    wanted.append(rung(settings.least_share, every, upscale=keep))
    rarest = min(settings.most_every, look_ahead + 1)
    wanted += [
        rung(settings.least_share, rarer, upscale=keep) for rarer in range(every + 1, rarest + 1)
    ]
    rungs = [rung(1.0, every, upscale=True)]
    for candidate in wanted:
        # Dropped frames cannot be looked at: where few are left, each of them already is, and to
        # look more seldom would save nothing.
        if candidate.load < rungs[-1].load:
            rungs.append(candidate)
    rungs.append(Rung(0.0, rungs[-1].every, keep, 0.0))
    return tuple(rungs)


def _work(share: float, looks_every: int, usual_every: int, *, upscaling: bool) -> float:
    looks = min(share, 1 / looks_every) * usual_every
    return _FRAMES * share + _LOOKS * looks + (_UPSCALING * share if upscaling else 0.0)
