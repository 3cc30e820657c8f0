"""When a rung may come back: slowly, but where something has clearly changed."""

from __future__ import annotations

from faceguard.edge.heat.governing.ladder import Rung
from faceguard.edge.heat.governing.state import State
from faceguard.edge.heat.settings import GovernorSettings

_S = 1_000_000_000
# Up: it will not pass the limit so soon, and settles so far below it.
_UP_AHEAD_S, _SETTLES_BELOW_C = 60.0, 0.2
# Up by a large piece of work, such as sharpening: the die leaps, before the board gets warm.
_LEAP_C, _SMALL_LOAD = 15.0, 0.1
# Up at once: it is below the limit and settles far below it, since something has changed.
_MUCH_BELOW_C, _FAR_BELOW_C, _SURELY_BELOW_C, _UP_GAP_S = 1.5, 5.0, 1.0, 10.0
# And without waiting for what each step is worth: it is and settles very far below.
_COLD_BELOW_C, _COLD_GAP_S = 12.0, 2.0
# Up to try it out: it has been well below for the hold, or for as many holds as the model predicts
# so many degrees too much.
_DOUBT_C = 1.0
# Out of the pause only when it is really cooler.
RESUME_BELOW_C, _RESUME_GAP_S = 3.0, 30.0
# After a glitch.
_GLITCH_PAUSE_S, _GLITCH_GAP_S = 5.0, 1.0
# Below this part of the limit of power; surely, below that.
_POWER_REACH, _POWER_SURELY = 0.98, 0.85


def may_rise(
    settings: GovernorSettings, rungs: tuple[Rung, ...], state: State, now_ns: int
) -> bool:
    """Whether the next higher rung can be tried.

    Args:
        settings: The hold, and the limit of power.
        rungs: The levels.
        state: With the reading felt; not at the topmost level.
        now_ns: Monotonic nanoseconds.
    """
    quick, steady = state.quick, state.steady
    if quick is None or steady is None:
        return False
    higher, is_held = rungs[state.level - 1], now_ns < state.up_after_ns
    if not may_draw_more(settings, rungs, state, surely=is_held):
        return False
    is_paused, rested_s = rungs[state.level].is_paused, (now_ns - state.changed_ns) / _S
    if state.back_to is not None:
        below_c, gap_s = (
            (RESUME_BELOW_C, _GLITCH_PAUSE_S) if is_paused else (_SURELY_BELOW_C, _GLITCH_GAP_S)
        )
        soon_c = state.in_seconds(quick, _UP_AHEAD_S, higher.load)
        return rested_s >= gap_s and max(quick.now + below_c, soon_c) <= 0
    if is_held and state.is_firm:
        return False
    settles_c = state.settles_c(steady, higher.load)
    is_sure = not state.mistakes
    is_much_cooler = settles_c <= -(_MUCH_BELOW_C if is_sure else _FAR_BELOW_C)
    if is_paused:
        return quick.now <= -RESUME_BELOW_C and (
            not is_held or (is_much_cooler and rested_s >= _RESUME_GAP_S)
        )
    leap = max(0.0, higher.load - rungs[state.level].load - _SMALL_LOAD)
    if state.in_seconds(quick, _UP_AHEAD_S, higher.load) > 0 or quick.now > -_LEAP_C * leap:
        return False
    if is_held:
        is_cold = max(quick.now, settles_c) <= -_COLD_BELOW_C
        gap_s = _COLD_GAP_S if is_cold else _UP_GAP_S
        is_rested = rested_s >= gap_s and quick.now <= -_SURELY_BELOW_C
        # The model knows least of a large step, so it is not asked twice.
        return is_much_cooler and is_rested and (is_sure or not leap)
    if settles_c <= -_SETTLES_BELOW_C:
        return True
    # The model may be wrong; the more it speaks against a try, the longer that waits.
    cool_ns = 0 if state.cool_since_ns is None else now_ns - state.cool_since_ns
    return cool_ns >= settings.hold_s * max(1.0, settles_c / _DOUBT_C) * _S


def may_draw_more(
    settings: GovernorSettings, rungs: tuple[Rung, ...], state: State, *, surely: bool = False
) -> bool:
    """Whether the next higher rung would stay below the limit of power.

    Args:
        settings: The limit of power.
        rungs: The levels.
        state: With the reading felt; not at the topmost level.
        surely: By a good deal, so that it need not be tried out.
    """
    limit_w = settings.power_limit_w
    if state.power is None or state.steady_power is None or limit_w is None:
        return True
    higher = rungs[state.level - 1]
    quick_w, steady_w = (
        state.draws_w(trend, higher.load) for trend in (state.power, state.steady_power)
    )
    return max(quick_w, steady_w) <= limit_w * (_POWER_SURELY if surely else _POWER_REACH)
