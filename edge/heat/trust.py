"""What of a survey can be true: pure, and with a memory for sensors that stand still or leap.

Three rules, each zone for itself: a value outside -40 to 150 C is absurd; one that stands still
to the last bit while load or other zones move is stuck; one that falls faster than anything can
cool has leapt. A rise is believed at once, since that is the safe side. A zone that was believed
and no longer is competes on, with what it is taken for (`lost.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from faceguard.edge.heat.lost import carried, compared
from faceguard.edge.heat.memory import (
    MOST_COUNT,
    Leap,
    Memory,
    Past,
    from_plain,
    kept_of,
    to_plain,
)
from faceguard.edge.heat.reading import (
    COLDEST_C,
    HOTTEST_C,
    LEAST_TRIP_C,
    NOT_LISTED,
    Reading,
    Sensed,
    Survey,
)
from faceguard.edge.heat.settings import GovernorSettings
from faceguard.engines.sysfs import GONE

__all__ = ["Judged", "Memory", "from_plain", "judge", "to_plain"]

_S = 1_000_000_000
_STUCK_NS = 180 * _S
_LOAD_MOVES = 0.3
_OTHERS_MOVE_C = 3.0
_FALL_C_PER_S = 15.0
_LEAP_STANDS_NS = 60 * _S
_GAP_NS = 10 * _S
_ABSENT_NS = 60 * _S
_MOST_W = 1000.0
_LONGEST_REASON = 120
# Of 33.3 - 30.3 floats make a hair less than 3.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Judged:
    """A survey after judgement.

    Attributes:
        reading: For the governor.
        doubts: By zone, why its value is not believed: "stuck for 190 s", "leapt from 74 to 31 C",
            or the reason that it gave no value; and, where it competes nevertheless, with what:
            "empty; held at 74 C", "gone; taken as 6 C over gpu-thermal".
    """

    reading: Reading
    doubts: dict[str, str]


def judge(
    memory: Memory, survey: Survey, now_ns: int, load: float, settings: GovernorSettings
) -> tuple[Memory, Judged]:
    """Makes a reading of a survey.

    Monotone: whether a zone is believed depends on the memory, the time, the load and that zone's
    own value, never on another zone's value in the same survey; and what a lost zone is taken for
    depends on the memory, the time and which zones are believed, and never falls when one of those
    rises. So for the same memory, time and load, raising the value of any one zone that is believed
    before and after never lowers `excess_c`. It can fall only where the raised value itself is no
    longer believed: above 150 C, exactly the value at which the zone is stuck, or a second leap
    after a doubted fall.

    Args:
        memory: From the last call; `Memory()` before the first. It is not changed.
        survey: What was read now.
        now_ns: Monotonic nanoseconds. After more than 10 s without a look, or where time went
            back, the counting of what stands still begins anew.
        load: The load of the level that was in force since the last call, 0 to 1.
        settings: Limit, margin to trip points, and how long a last value is held.

    Returns:
        The next memory, and what is believed.
    """
    load = float(min(max(0.0, load), 1.0))
    slept = memory.looked_ns is not None and not 0 <= now_ns - memory.looked_ns <= _GAP_NS
    known = memory.zones
    if slept:
        known = {name: _anew(past, now_ns, load) for name, past in known.items()}
    pasts: dict[str, Past] = {}
    believed: dict[str, float] = {}
    doubts: dict[str, str] = {}
    # By name, here and below: a replay may hold the same zones in another order.
    for name in sorted(survey.zones):
        zone, past = survey.zones[name], known.get(name)
        value_c = _within(zone.temperature_c.value, COLDEST_C, HOTTEST_C)
        if value_c is None:
            doubts[name] = _why_none(zone.temperature_c)
            if past is not None:
                pasts[name] = replace(past, seen_ns=now_ns)
            continue
        past = _continued(past, value_c, now_ns, load, _limit_c(zone.trip_c, settings))
        past = replace(past, trip_c=_within(zone.trip_c, LEAST_TRIP_C, HOTTEST_C))
        pasts[name] = past
        doubt = _doubt(past, now_ns)
        if doubt is None:
            believed[name] = value_c
        else:
            doubts[name] = doubt
    # Only now: what the others do in this look counts from the next one on, or a zone that gets
    # hotter could silence one that is hotter still.
    calm = _calm(believed, memory)
    pasts = {name: _witnessed(name, past, calm) for name, past in pasts.items()}
    for name in believed:
        pasts[name] = compared(name, pasts[name], known.get(name), believed, now_ns)
    kept = kept_of({**known, **pasts}, now_ns)
    hold_ns = int(settings.blind_after_s * _S)
    lost = carried(kept, believed, now_ns, hold_ns)
    felt = {**believed, **{name: value_c for name, (value_c, _) in lost.items()}}
    for name, (_, words) in lost.items():
        doubts[name] = f"{doubts.get(name, GONE)}; {words}"
    # That of a lost zone is the last known.
    trips_c = {name: survey.zones[name].trip_c for name in felt if name in survey.zones}
    trips_c |= {name: kept[name].trip_c for name in lost if trips_c.get(name) is None}
    limits_c = {name: _limit_c(trips_c[name], settings) for name in felt}
    over_current = _within(survey.over_current.value, 0.0, MOST_COUNT)
    following = Memory(
        zones=kept,
        looked_ns=now_ns,
        has_sensors=memory.has_sensors or not survey.zones.keys() <= NOT_LISTED,
        over_current=memory.over_current if over_current is None else over_current,
    )
    hottest = min(felt, key=lambda name: (limits_c[name] - felt[name], name), default=None)
    reading = Reading(
        zone=hottest,
        temperature_c=None if hottest is None else felt[hottest],
        limit_c=None if hottest is None else limits_c[hottest],
        power_w=_power_w(survey),
        throttled=_throttled(survey, memory.over_current, over_current),
        # Where they could not be listed, nobody knows that there is none.
        has_sensors=following.has_sensors or bool(survey.zones),
        blind=None if hottest is not None else _blind(doubts),
    )
    return following, Judged(reading, doubts)


def _anew(past: Past, now_ns: int, load: float) -> Past:
    """A zone's past after a sleep: what is stuck stays so, all else is counted anew."""
    if past.stuck:
        return past
    return replace(past, since_ns=now_ns, load_least=load, load_most=load, others_c={}, moved=False)


def _continued(past: Past | None, value_c: float, now_ns: int, load: float, limit_c: float) -> Past:
    """A zone's past with one more value, and what that says of it."""
    fresh = Past(value_c, now_ns, now_ns, now_ns, load, load)
    if past is None:
        return fresh
    fresh = replace(
        fresh,
        is_alive=past.is_alive or value_c != past.value_c,
        believed_c=past.believed_c,
        believed_ns=past.believed_ns,
        over_c=past.over_c,
    )
    leap = None if value_c >= limit_c else _leap(past, value_c, now_ns)
    if value_c != past.value_c:
        return replace(fresh, leap=leap)
    if past.stuck:
        # Not even the caution that its loss brings about makes it alive.
        since_ns = min(past.since_ns, now_ns)
        return replace(past, value_ns=now_ns, seen_ns=now_ns, since_ns=since_ns, leap=leap)
    if not 0 <= now_ns - past.value_ns <= _ABSENT_NS:
        return replace(fresh, leap=leap)
    least, most = min(past.load_least, load), max(past.load_most, load)
    changed = past.moved or most - least >= _LOAD_MOVES - _ROUNDING
    return replace(
        past,
        value_ns=now_ns,
        seen_ns=now_ns,
        load_least=least,
        load_most=most,
        stuck=changed and now_ns - past.since_ns >= _STUCK_NS,
        leap=leap,
    )


def _leap(past: Past, value_c: float, now_ns: int) -> Leap | None:
    """The fall that is not believed; only for values below the zone's limit."""
    gap_ns = now_ns - past.value_ns
    if not 0 <= gap_ns <= _GAP_NS:
        most_c = HOTTEST_C - COLDEST_C
    else:
        most_c = _FALL_C_PER_S * max(1.0, gap_ns / _S) + _ROUNDING
    if past.leap is None:
        return None if past.value_c - value_c <= most_c else Leap(past.value_c, value_c, now_ns)
    # Not by the gap: a sensor that fails for three seconds more is not the better for it.
    if past.leap.from_c - value_c <= _FALL_C_PER_S + _ROUNDING:
        return None
    if abs(value_c - past.value_c) > most_c:
        return Leap(past.leap.from_c, value_c, now_ns)
    return past.leap if 0 <= now_ns - past.leap.at_ns < _LEAP_STANDS_NS else None


def _doubt(past: Past, now_ns: int) -> str | None:
    if past.stuck:
        return f"stuck for {(now_ns - past.since_ns) // _S} s"
    if past.leap is not None:
        return f"leapt from {past.leap.from_c:.0f} to {past.leap.to_c:.0f} C"
    return None


def _calm(believed: dict[str, float], memory: Memory) -> dict[str, float]:
    """The zones whose movement counts: one wrong value must not make all others look stuck."""
    return {
        name: value_c
        for name, value_c in believed.items()
        if name in memory.zones and abs(value_c - memory.zones[name].value_c) < _OTHERS_MOVE_C
    }


def _witnessed(name: str, past: Past, calm: dict[str, float]) -> Past:
    """Notes whether another zone moved while this one stood still."""
    if past.moved or past.stuck:
        return past
    others_c = {other: value_c for other, value_c in calm.items() if other != name}
    others_c.update(past.others_c)
    for other, value_c in calm.items():
        if other != name and abs(value_c - others_c[other]) >= _OTHERS_MOVE_C - _ROUNDING:
            return replace(past, moved=True, others_c={})
    return replace(past, others_c=others_c)


def _limit_c(trip_c: float | None, settings: GovernorSettings) -> float:
    # Asked so that NaN is none either.
    if trip_c is None or not trip_c >= LEAST_TRIP_C:
        return settings.limit_c
    return min(settings.limit_c, trip_c - settings.trip_margin_c)


def _power_w(survey: Survey) -> float | None:
    """What the board draws: VDD_IN where there is such a rail, else its graphics cards."""
    if "VDD_IN" in survey.rails_w:
        return _within(survey.rails_w["VDD_IN"].value, 0.0, _MOST_W)
    total_w = None
    for name in sorted(survey.rails_w):
        rail_w = _within(survey.rails_w[name].value, 0.0, _MOST_W)
        if name.startswith("nvml ") and rail_w is not None:
            # Not sum(): from Python 3.12 on that rounds otherwise.
            total_w = rail_w if total_w is None else total_w + rail_w
    return total_w


def _throttled(survey: Survey, before: float | None, count: float | None) -> str | None:
    if survey.throttling:
        return survey.throttling[0]
    if before is not None and count is not None and count > before:
        return "over-current"
    return None


def _blind(doubts: dict[str, str]) -> str:
    if not doubts:
        return "no temperature sensor"
    told = " ".join("; ".join(f"{name}: {doubt}" for name, doubt in doubts.items()).split())
    return told if len(told) <= _LONGEST_REASON else told[: _LONGEST_REASON - 3] + "..."


def _why_none(sensed: Sensed) -> str:
    if sensed.value is not None:
        return f"absurd ({sensed.value:g})"
    return sensed.reason or "no value"


def _within(value: float | None, least: float, most: float) -> float | None:
    """A number that can be true; NaN is in no range."""
    return float(value) if value is not None and least <= value <= most else None
