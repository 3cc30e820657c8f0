"""What a board's sensors say of a temperature: noise, steps, zones that differ, some that fail."""

from __future__ import annotations

import random

from faceguard.edge.heat.reading import Sensed, Survey, Zone

STEP_C = 0.031
NOISE_C = 0.2
NOISE_W = 0.1
TRIP_C = 99.0

_WORKING = ("cpu-thermal", "gpu-thermal", "soc0-thermal", "soc1-thermal", "soc2-thermal")
_FAILING = ("cv0-thermal", "cv1-thermal", "cv2-thermal")


class BoardSensors:
    """The zones of an Orin Nano: one as warm as the die, others cooler, cv ones that fail."""

    def __init__(self, seed: int) -> None:
        """Draws which zone is the warmest, and how much cooler the others are."""
        self._random = random.Random(seed)
        self._warmest = self._random.choice(_WORKING[:2])
        self._cooler_c = {
            name: 0.0 if name == self._warmest else self._random.uniform(0.3, 2.5)
            for name in _WORKING
        }
        self._busy = {name: Zone(Sensed(reason="busy (EAGAIN)"), TRIP_C) for name in _FAILING}

    def survey(self, die_c: float, power_w: float) -> Survey:
        """One look at all sensors."""
        gauss = self._random.gauss
        zones = dict(self._busy)
        for name, cooler_c in self._cooler_c.items():
            felt_c = die_c - cooler_c + gauss(0.0, NOISE_C)
            zones[name] = Zone(Sensed(int(felt_c / STEP_C) * STEP_C), TRIP_C)
        # tj is the largest of the others, as the firmware reports it.
        largest_c = max(zones[name].temperature_c.value or 0.0 for name in _WORKING)
        zones["tj-thermal"] = Zone(Sensed(largest_c), TRIP_C)
        rails_w = {"VDD_IN": Sensed(round(power_w + gauss(0.0, NOISE_W), 3))}
        return Survey(zones=zones, rails_w=rails_w)


def hottest_c(survey: Survey) -> float | None:
    """The highest temperature that any zone gives."""
    values = (zone.temperature_c.value for zone in survey.zones.values())
    return max((value for value in values if value is not None), default=None)
