"""The levels: what goes, one after the other, while the board is too hot. Never redaction."""

from __future__ import annotations

from dataclasses import dataclass

from faceguard.edge.heat.settings import GovernorSettings

# What the parts of the work weigh, as shares of the whole: the governor only needs their order of
# size, since it learns what a level is worth in degrees.
_BASE, _DETECTION, _UPSCALING = 0.6, 0.4, 0.5


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


def ladder(
    settings: GovernorSettings, *, every: int, look_ahead: int, upscales: bool = False
) -> tuple[Rung, ...]:
    """The levels from all that was configured to the pause.

    Upscaling goes first; then frames, a step at a time down to the least share; then looks of the
    detector; then everything.

    Args:
        settings: Least share, step, and how rare looks may become.
        every: The detector looks at every n-th frame, as configured.
        look_ahead: Frames that each one waits; a look that comes later than these is of no use to
            a frame, so looks do not become rarer than that.
        upscales: Whether there is upscaling to go.
    """
    raise NotImplementedError
