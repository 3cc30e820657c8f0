"""What the camera may spend at the moment; whoever watches over heat and power sets it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """How much work may be done. Redaction is not in here: nothing can take it away.

    Attributes:
        level: 0 for all that was configured, then one more for each step down.
        frames_per_s: Frames are dropped on capture beyond this rate; None for no limit.
        detect_every: The detector looks at every n-th frame at most.
        upscale: Whether there is time to sharpen.
        paused: No frame is taken in and none goes out.
        reason: Why it is so, in a few words, for logs and events.
    """

    level: int = 0
    frames_per_s: float | None = None
    detect_every: int = 1
    upscale: bool = True
    paused: bool = False
    reason: str = "unlimited"


UNLIMITED = Budget()
