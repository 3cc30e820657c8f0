"""What happens, told without pixels: for the event log, snapshots, and whoever listens."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Value: TypeAlias = str | int | float | bool | list[int] | list[float] | None


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Attributes:
        kind: "face-appears", "face-leaves", "covered-whole", "covered-again" (by masks again),
            "camera-up", "camera-down", "camera-slow", "output-failed", "output-works", "level",
            "sensor-lost" (a temperature that was believed is not any more: `zone`, `reason`),
            "sensor-back", "blind" (no temperature is believed), "seeing", "reloaded",
            "reload-refused", "recording-paused", "recording-resumed", "started", "stopping". A
            "level" tells what may be spent from now on, and why: `from`, `to` (which is `level`,
            too), `reason`; `zone`, `temperature_c`, `limit_c` of the zone that is nearest to its
            limit; `power_w`; `paused`; `frames_per_s` (null: all, or none in a pause),
            `detect_every`.
        fields: What there is to say about it; never a picture, an address or a secret.
        at_ns: When, monotonic nanoseconds.
        wall_s: When, seconds since 1970: for people, as far as the clock is right.
    """

    kind: str
    fields: Mapping[str, Value] = field(default_factory=dict)
    at_ns: int = field(default_factory=time.monotonic_ns)
    wall_s: float = field(default_factory=time.time)
