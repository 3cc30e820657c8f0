"""What the watch over heat is told, and what it felt in one look."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faceguard.edge.budget import UNLIMITED, Budget
from faceguard.edge.heat.governing.governor import Outlook
from faceguard.edge.heat.reading import Reading, Sensed, Survey
from faceguard.edge.heat.settings import GovernorSettings


@dataclass(frozen=True)
class Told:
    """What the configuration says now; asked for at each look.

    Attributes:
        settings: Limits and times.
        every: The detector looks at every n-th frame, as configured.
        look_ahead: Frames that each one waits.
        trace: Where readings and decisions go; None for nowhere.
        trace_mb: How long the trace may become.
        upscales: Whether video is sharpened, which is then the first to go.
    """

    settings: GovernorSettings = field(default_factory=GovernorSettings)
    every: int = 1
    look_ahead: int = 0
    trace: Path | None = None
    trace_mb: float = 50.0
    upscales: bool = False


@dataclass(frozen=True)
class Felt:
    """Everything of one look; replaced as a whole, so that any thread may read it.

    Attributes:
        survey: What the sensors said.
        reading: What is believed of it.
        doubts: Why zones are not believed, by name.
        budget: What may be spent.
        outlook: Where the temperature goes.
        levels: How many levels there are: the last is the pause.
        share: Part of the camera's frames that are taken in.
        rate: Frames a second that the camera gives, finite and above 0; None while not known.
        trace_trouble: Why no trace is written; None where one is, or none is asked for.
    """

    survey: Survey = field(default_factory=Survey)
    reading: Reading = field(default_factory=Reading)
    doubts: Mapping[str, str] = field(default_factory=dict)
    budget: Budget = UNLIMITED
    outlook: Outlook = field(default_factory=Outlook)
    levels: int = 1
    share: float = 1.0
    rate: float | None = None
    trace_trouble: str | None = None

    @property
    def temperatures_c(self) -> dict[str, float | None]:
        """By zone; None for one that gives no value, or one that is not believed."""
        return {
            name: None if name in self.doubts else zone.temperature_c.value
            for name, zone in self.survey.zones.items()
        }

    def plain(self) -> dict[str, Any]:
        """As plain values, for the status file: JSON in any case, so no NaN and no infinity."""
        reading, budget, survey = self.reading, self.budget, self.survey
        return {
            "zone": reading.zone,
            "temperature_c": _rounded(reading.temperature_c),
            "limit_c": _rounded(reading.limit_c),
            "blind": reading.blind,
            "has_sensors": reading.has_sensors,
            "settles_c": _rounded(self.outlook.settles_c),
            "time_constant_s": _rounded(self.outlook.time_constant_s),
            "level": budget.level,
            "levels": self.levels,
            "reason": budget.reason,
            "paused": budget.paused,
            "share": round(self.share, 4),
            "rate": _rounded(self.rate),
            "frames_per_s": _rounded(budget.frames_per_s, 2),
            "detect_every": budget.detect_every,
            "power_w": _rounded(reading.power_w, 2),
            "throttled": reading.throttled,
            "throttling": list(survey.throttling),
            "over_current": _sensed(survey.over_current),
            "gpu_load": _sensed(survey.gpu_load),
            "fan": _sensed(survey.fan),
            "mode": survey.mode,
            "trace_trouble": self.trace_trouble,
            "zones": {
                name: {
                    **_sensed(zone.temperature_c),
                    "doubt": self.doubts.get(name),
                    "trip_c": _rounded(zone.trip_c),
                }
                for name, zone in survey.zones.items()
            },
            "rails_w": {name: _sensed(power) for name, power in survey.rails_w.items()},
        }


def _sensed(sensed: Sensed) -> dict[str, float | str | None]:
    return {"value": _rounded(sensed.value, 3), "reason": sensed.reason}


def _rounded(value: float | None, digits: int = 1) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, digits)
