"""When a rung has to go: on the way past the limit, over the limit of power, or throttled."""

from __future__ import annotations

from dataclasses import dataclass

from faceguard.edge.heat.governing.ladder import Rung
from faceguard.edge.heat.governing.state import State
from faceguard.edge.heat.reading import Reading
from faceguard.edge.heat.settings import GovernorSettings

_S = 1_000_000_000
# The temperature so soon must not be so far above the limit.
_AHEAD_S, _ABOVE_C = 25.0, 0.2
# So far above it is no noise; what is less must be seen by the slow filters, too, but for so much,
# and costs one rung in so long.
_LOUD_C, _QUIET_C, _QUIET_GAP_S = 0.6, 0.3, 10.0
# A pause is worth waiting for a little longer.
_PAUSE_AHEAD_S, _PAUSE_ABOVE_C = 10.0, 0.5
_THROTTLED_GAP_S = 5.0
# So many times the limit of power is no noise.
_SURGE = 1.15


@dataclass(frozen=True)
class Move:
    """What was decided.

    Attributes:
        level: The level from now on.
        reason: Why, in a few words.
        is_firm: Whether what goes stays away for the whole hold, however cool it is.
    """

    level: int
    reason: str
    is_firm: bool = False


def falling(
    settings: GovernorSettings,
    rungs: tuple[Rung, ...],
    state: State,
    reading: Reading,
    now_ns: int,
) -> Move | None:
    """The next level where one rung has to go.

    Args:
        settings: The limit of power.
        rungs: The levels.
        state: With the reading felt.
        reading: What is believed now.
        now_ns: Monotonic nanoseconds.

    Returns:
        The move; None where no rung has to go, or none is left.
    """
    rung, below = rungs[state.level], state.level + 1
    if rung.is_paused:
        return None
    is_lowest = rungs[below].is_paused
    if reading.excess_c is not None and _heats(
        state, rung.load, reading.excess_c, now_ns, is_lowest=is_lowest
    ):
        return Move(below, f"heat: {reading.words}")
    drawn_w = _too_much_w(settings, state, rung.load, now_ns)
    if drawn_w is not None:
        why = f"power: {drawn_w:.1f} of {settings.power_limit_w:g} W"
        return Move(below, why, is_firm=True)
    is_rested = now_ns - state.changed_ns >= _THROTTLED_GAP_S * _S
    if reading.throttled is not None and is_rested and not is_lowest:
        return Move(below, f"throttled: {reading.throttled}", is_firm=True)
    return None


def _too_much_w(settings: GovernorSettings, state: State, load: float, now_ns: int) -> float | None:
    """What is drawn, where that is more than may be: by a lot, or on average."""
    limit_w = settings.power_limit_w
    if limit_w is None or state.power is None or state.steady_power is None:
        return None
    quick_w, steady_w = state.draws_w(state.power, load), state.draws_w(state.steady_power, load)
    if quick_w > limit_w * _SURGE:
        return quick_w
    is_rested = now_ns - state.changed_ns >= _QUIET_GAP_S * _S
    return steady_w if steady_w > limit_w and is_rested else None


def _heats(state: State, load: float, excess_c: float, now_ns: int, *, is_lowest: bool) -> bool:
    """Whether the temperature is on its way past the limit."""
    if state.quick is None or state.steady is None:
        return False
    if excess_c < min(0.0, state.quick.first):
        # It falls already, and the filters have not seen it yet.
        return False
    if state.quick.first > _LOUD_C and excess_c >= state.quick.first:
        # Over it and rising, whatever the model credits the last steps with.
        return True
    if is_lowest:
        return state.in_seconds(state.quick, _PAUSE_AHEAD_S, load) > _PAUSE_ABOVE_C
    soon_c = state.in_seconds(state.quick, _AHEAD_S, load)
    if soon_c > _LOUD_C:
        return True
    # A little too much is no noise when slow filters say so, too; and there is time to see
    # what the last step was worth.
    steady_c = state.in_seconds(state.steady, _AHEAD_S, load)
    is_rested = now_ns - state.changed_ns >= _QUIET_GAP_S * _S
    return soon_c > _ABOVE_C and steady_c > _ABOVE_C - _QUIET_C and is_rested
