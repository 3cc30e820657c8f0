"""Heat: whether there is a temperature to go by, and how far it is from the limit."""

from __future__ import annotations

from faceguard.edge.config.model import Config
from faceguard.edge.doctor.finding import Finding, State

_WITHIN_S = 3.0
_NO_COOLER = "let it cool down, or raise thermal.limit_c"


def check_heat(config: Config) -> list[Finding]:
    """One look at all sensors, as `faceguard run` takes one a second."""
    # Here and not above, as in the other checks: it asks GPUs, too.
    from faceguard.edge.config.thermal import governor_settings
    from faceguard.edge.heat.sensors import read_once
    from faceguard.edge.heat.settings import WithoutSensors
    from faceguard.edge.heat.trust import Memory, judge
    from faceguard.edge.heat.watch import MEND, NO_SENSOR

    settings = governor_settings(config)
    survey = read_once(limit_s=_WITHIN_S)
    _, judged = judge(Memory(), survey, 0, 1.0, settings)
    reading = judged.reading
    if reading.temperature_c is None or reading.excess_c is None:
        what = settings.without_sensors
        detail = f"{NO_SENSOR[what]}{_among(judged.doubts)}"
        if what is WithoutSensors.UNLIMITED:
            return [Finding("heat", State.NOTE, f"{detail}; {MEND[what]}")]
        return [Finding("heat", State.WARNING, detail, MEND[what])]
    detail = f"{reading.zone} at {reading.temperature_c:.1f} C, "
    if reading.excess_c > 0:
        detail += f"{reading.excess_c:.1f} above its limit: frames will be fewer, or none"
        return [Finding("heat", State.WARNING, detail, _NO_COOLER)]
    detail += f"{-reading.excess_c:.1f} below its limit"
    return [Finding("heat", State.OK, detail)]


def _among(doubts: dict[str, str]) -> str:
    told = ", ".join(f"{name}: {doubt}" for name, doubt in doubts.items())
    return f" ({told})" if told else ""
