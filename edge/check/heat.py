"""Heat: whether there is a temperature to go by, and how far it is from the limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faceguard.edge.config.model import Config
from faceguard.edge.doctor.finding import Finding, State

if TYPE_CHECKING:
    from faceguard.edge.heat.settings import GovernorSettings
    from faceguard.edge.heat.trust import Judged

_WITHIN_S = 3.0
_BROKEN = "no temperature is believed on this machine, so it runs as slowly as it may"
_LOOK = "see which of its sensors answer: faceguard doctor"
_NO_COOLER = "let it cool down, or raise thermal.limit_c"


def check_heat(config: Config) -> list[Finding]:
    """One look at all sensors, as `faceguard run` takes one a second."""
    # Here and not above, as in the other checks: it asks GPUs, too.
    from faceguard.edge.config.thermal import governor_settings
    from faceguard.edge.heat.sensing.sensors import read_once
    from faceguard.edge.heat.trust import Memory, judge

    settings = governor_settings(config)
    survey = read_once(limit_s=_WITHIN_S)
    _, judged = judge(Memory(), survey, 0, 1.0, settings)
    found = [_temperature(judged, settings, has_zones=bool(survey.zones))]
    limit_w = settings.power_limit_w
    if limit_w is not None and judged.reading.power_w is None:
        detail = f"no power can be read on this machine, so {limit_w:g} W limit nothing"
        found.append(Finding("power", State.WARNING, detail, "leave thermal.power_limit_w out"))
    return found


def _temperature(judged: Judged, settings: GovernorSettings, *, has_zones: bool) -> Finding:
    from faceguard.edge.heat.settings import WithoutSensors
    from faceguard.edge.heat.watch import MEND, NO_SENSOR

    reading = judged.reading
    if reading.temperature_c is None or reading.excess_c is None:
        if has_zones:
            # To run at full speed since its sensors are broken is no mend.
            return Finding("heat", State.WARNING, f"{_BROKEN}{_among(judged.doubts)}", _LOOK)
        what = settings.without_sensors
        if what is WithoutSensors.UNLIMITED:
            return Finding("heat", State.NOTE, f"{NO_SENSOR[what]}; {MEND[what]}")
        return Finding("heat", State.WARNING, NO_SENSOR[what], MEND[what])
    detail = f"{reading.zone} at {reading.temperature_c:.1f} C, "
    if reading.excess_c > 0:
        detail += f"{reading.excess_c:.1f} above its limit: frames will be fewer, or none"
        return Finding("heat", State.WARNING, detail, _NO_COOLER)
    return Finding("heat", State.OK, f"{detail}{-reading.excess_c:.1f} below its limit")


def _among(doubts: dict[str, str]) -> str:
    told = ", ".join(f"{name}: {doubt}" for name, doubt in doubts.items())
    return f" ({told})" if told else ""
