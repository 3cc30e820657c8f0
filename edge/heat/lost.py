"""Zones that were believed and no longer are: what they are taken for, since they may be hottest.

For a few seconds a lost zone keeps its last believed value. After that it is reckoned: as much
warmer than the zones that are still believed as it was when both were. A zone that was never
believed is not taken for anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from faceguard.edge.heat.memory import Past
from faceguard.edge.heat.reading import COLDEST_C, HOTTEST_C

_AVERAGE_NS = 60_000_000_000
# One wrong value, such as that of a sensor that leaps and freezes, must not move the average far.
_MOST_SAMPLE_C = 5.0
# Zones so near each other warm and cool together.
_ALIKE_C = 15.0


def compared(
    name: str, past: Past, before: Past | None, believed: Mapping[str, float], now_ns: int
) -> Past:
    """The past of a believed zone, with how much warmer than the others it is.

    Only looks at which its value changed are averaged: else one that rose and froze would have made
    its wrong value the usual one before it is found stuck.

    Args:
        name: Of the zone; it is believed.
        past: With its present value.
        before: Before that; None where it was not known.
        believed: All believed zones, degrees Celsius.
        now_ns: Monotonic nanoseconds.
    """
    value_c = believed[name]
    past = replace(past, believed_c=value_c, believed_ns=now_ns)
    changed = before is None or before.value_c != value_c
    if past.is_alive and not changed:
        return past
    passed_ns = 0 if before is None else max(0, now_ns - before.since_ns)
    weight = min(1.0, passed_ns / _AVERAGE_NS) if changed else 0.0
    over_c = dict(past.over_c)
    for other, other_c in believed.items():
        if other == name:
            continue
        usual_c = over_c.get(other)
        if usual_c is None:
            over_c[other] = value_c - other_c
        else:
            off_c = value_c - other_c - usual_c
            over_c[other] = usual_c + weight * min(max(-_MOST_SAMPLE_C, off_c), _MOST_SAMPLE_C)
    return replace(past, over_c=over_c)


def carried(
    pasts: Mapping[str, Past], believed: Mapping[str, float], now_ns: int, hold_ns: int
) -> dict[str, tuple[float, str]]:
    """What lost zones are taken for, and that in words.

    Nothing while no zone is believed: then the machine is blind, and the governor goes by that.

    Args:
        pasts: All that is remembered, with this look.
        believed: What is believed in this look, degrees Celsius.
        now_ns: Monotonic nanoseconds.
        hold_ns: So long the last believed value counts.
    """
    taken: dict[str, tuple[float, str]] = {}
    if not believed:
        return taken
    for name in sorted(pasts):
        past = pasts[name]
        if name in believed or past.believed_c is None or past.believed_ns is None:
            continue
        # The value at which it is stuck was never worth anything.
        if not past.stuck and 0 <= now_ns - past.believed_ns <= hold_ns:
            taken[name] = past.believed_c, f"held at {past.believed_c:.0f} C"
        elif past.is_alive or not past.stuck:
            reckoned = _reckoned(past, believed)
            if reckoned is not None:
                taken[name] = reckoned
    return taken


def _reckoned(past: Past, believed: Mapping[str, float]) -> tuple[float, str] | None:
    """By those that are most like it, and of these by the one that makes it warmest.

    Which ones that are is not a matter of their values now, or it might fall when one rises.
    """
    over_c = {other: past.over_c[other] for other in sorted(believed) if other in past.over_c}
    if not over_c:
        return None
    alike = [other for other, c in over_c.items() if abs(c) <= _ALIKE_C]
    if not alike:
        alike = [min(over_c, key=lambda other: (abs(over_c[other]), other))]
    other = max(alike, key=lambda other: (believed[other] + over_c[other], other))
    value_c = min(max(COLDEST_C, believed[other] + over_c[other]), HOTTEST_C)
    degrees = f"{abs(over_c[other]):.0f}"
    if degrees == "0":
        return value_c, f"taken to be as warm as {other}"
    side = "over" if over_c[other] > 0 else "below"
    return value_c, f"taken as {degrees} C {side} {other}"
