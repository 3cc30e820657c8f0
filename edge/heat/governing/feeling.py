"""What a second's reading changes in what the governor remembers; it decides nothing."""

from __future__ import annotations

from dataclasses import replace

from faceguard.edge.heat.governing.state import State
from faceguard.edge.heat.governing.trend import Trend
from faceguard.edge.heat.reading import Reading

COOL_BELOW_C = 0.5
"""So far below the limit counts as well below it."""
MOST_LEAP_C = 5.0
"""A glitch must not fill the filters: so much may one sample lie above what they hold."""
_S = 1_000_000_000
_QUICK_S, _STEADY_S, _POWER_S, _STEADY_POWER_S = (5.0, 20.0), (30.0, 90.0), (2.0, 6.0), (10.0, 30.0)
# After such a gap the filters begin anew.
_GAP_S = 30.0


def feel(state: State, reading: Reading, load: float, now_ns: int, *, heeds_power: bool) -> State:
    """Takes a reading in.

    Args:
        state: Before it.
        reading: What is believed now.
        load: The load that has been in force since the state.
        now_ns: Monotonic nanoseconds.
        heeds_power: Whether power counts, too.

    Returns:
        The state with this second felt, at the same level.
    """
    passed_s = 0.0 if state.seen_ns is None else (now_ns - state.seen_ns) / _S
    if passed_s > _GAP_S:
        state = state.unfelt()
    power_w = reading.power_w if heeds_power else None
    state = _feel_power(state, power_w, load, passed_s, now_ns)
    excess_c = reading.excess_c
    if excess_c is None:
        since_ns = now_ns if state.blind_since_ns is None else state.blind_since_ns
        if now_ns - since_ns > _GAP_S * _S:
            state = replace(state, quick=None, steady=None)
        return replace(
            state,
            seen_ns=now_ns,
            blind_since_ns=since_ns,
            cool_since_ns=None,
            heat=state.heat.interrupted(),
        )
    quick, steady, felt_ns = state.quick, state.steady, state.felt_since_ns
    if quick is None or steady is None or felt_ns is None:
        quick = Trend.at(*_QUICK_S, excess_c, load)
        steady = Trend.at(*_STEADY_S, excess_c, load)
        felt_ns = now_ns
    else:
        heard_c = min(excess_c, quick.first + MOST_LEAP_C)
        quick, steady = (trend.add(heard_c, load, passed_s) for trend in (quick, steady))
    cool_since_ns: int | None = None
    if quick.now <= -COOL_BELOW_C:
        cool_since_ns = now_ns if state.cool_since_ns is None else state.cool_since_ns
    return replace(
        state,
        seen_ns=now_ns,
        blind_since_ns=None,
        cool_since_ns=cool_since_ns,
        felt_since_ns=felt_ns,
        quick=quick,
        steady=steady,
    )


def _feel_power(
    state: State, power_w: float | None, load: float, passed_s: float, now_ns: int
) -> State:
    if power_w is None:
        return replace(state, power=None, steady_power=None)
    power, steady = state.power, state.steady_power
    if power is None or steady is None:
        power = Trend.at(*_POWER_S, power_w, load)
        steady = Trend.at(*_STEADY_POWER_S, power_w, load)
    else:
        power, steady = (trend.add(power_w, load, passed_s) for trend in (power, steady))
    draw = state.draw.add(power.first, power.load, now_ns)
    return replace(state, power=power, steady_power=steady, draw=draw)
