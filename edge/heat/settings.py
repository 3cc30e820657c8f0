"""What the governor is told, with the values that it has where nothing is told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class WithoutSensors(str, Enum):
    """What to do on a machine that has no temperature to read."""

    SLOW = "slow"
    UNLIMITED = "unlimited"


@dataclass(frozen=True)
class GovernorSettings:
    """How hot, how fast, how careful.

    Attributes:
        limit_c: The limit of every zone, degrees Celsius.
        trip_margin_c: So far below the kernel's own trip points a zone's limit is at most.
        emergency_c: So far above the limit everything pauses at once.
        least_share: The smallest part of the camera's frames before output pauses.
        step: Part of the frames that one level leaves of the level before.
        most_every: The detector looks at least at every n-th frame of the camera, as long as
            frames come so often.
        hold_s: After a step down for heat, so long no step up, unless it became much cooler.
        blind_after_s: So long without a believable temperature counts as a hiccup.
        without_sensors: What to do where there never was one.
        power_limit_w: What the board may draw; None for no limit.
    """

    limit_c: float = 75.0
    trip_margin_c: float = 5.0
    emergency_c: float = 5.0
    least_share: float = 0.25
    step: float = 0.95
    most_every: int = 3
    hold_s: float = 240.0
    blind_after_s: float = 10.0
    without_sensors: WithoutSensors = WithoutSensors.SLOW
    power_limit_w: float | None = None
