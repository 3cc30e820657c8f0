"""How faces are found and covered, as a user sets it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from faceguard.edge.masks import MaskSettings
from faceguard.edge.style import Look
from faceguard.edge.types import Shape
from faceguard.engines.errors import UsageError


@dataclass(frozen=True)
class RedactorSettings:
    """How faces are found and covered.

    Attributes:
        detector: Its name in the catalogue; None takes the engine's, or the catalogue's default.
        engine: An engine to run it on, as `faceguard engines build` makes them; None takes the
            pulled model on the CPU.
        score: What a face needs to be believed, 0 to 1; None takes the catalogue's.
        long_side: Long side of the detector's input in pixels; None takes the engine's where it
            has but one, else 1280 for pictures and the catalogue's for video.
        tile: Whether to look at pictures in full resolution too, tile by tile.
        detect_every: In video, the detector looks at every n-th frame.
        look_ahead: In video, frames that each one waits for what comes after it; at least until
            the detector's next look.
        look: The style.
        shape: Outline of a mask.
        margin: Part of the face's size added around it.
        timeout_s: How long the detector may take for one frame before it is covered whole.
        threads: Threads for one detection; None takes all for pictures and one for video, where
            the encoder needs the others.
    """

    detector: str | None = None
    engine: Path | None = None
    score: float | None = None
    long_side: int | None = None
    tile: bool = False
    detect_every: int = 2
    look_ahead: int = 15
    look: Look = Look.PIXELATE
    shape: Shape = MaskSettings.shape
    margin: float = MaskSettings.margin
    timeout_s: float = 30.0
    threads: int | None = None

    def __post_init__(self) -> None:
        """Refuses what cannot be meant.

        Raises:
            UsageError: Naming the setting and what it may be.
        """
        if self.score is not None and not 0 < self.score < 1:
            raise UsageError(f"--score {self.score:g} must be over 0 and under 1")
        if self.long_side is not None and not 64 <= self.long_side <= 8192:
            raise UsageError(f"--detect-size {self.long_side} must be 64 to 8192 pixels")
        if not 1 <= self.detect_every <= 60:
            raise UsageError(f"--detect-every {self.detect_every} must be 1 to 60 frames")
        if not 0 <= self.look_ahead <= 300:
            raise UsageError(f"--look-ahead {self.look_ahead} must be 0 to 300 frames")
        if not 0 <= self.margin <= 2:
            raise UsageError(f"--margin {self.margin:g} must be 0 to 2 times the face's size")
        if not self.timeout_s > 0:
            raise UsageError(f"--detect-timeout {self.timeout_s:g} must be over 0 s")
