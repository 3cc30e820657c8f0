"""When a rung has to go: on the way past the limit, over the limit of power, or throttled."""

from __future__ import annotations

from faceguard.edge.heat.ladder import Rung
from faceguard.edge.heat.reading import Reading
from faceguard.edge.heat.settings import GovernorSettings
from faceguard.edge.heat.state import State

_S = 1_000_000_000
# The temperature so soon must not be so far above the limit.
_AHEAD_S, _ABOVE_C = 25.0, 0.2
# So far above it is no noise; what is less must be seen by the slow filters, too, but for so much,
# and costs one rung in so long.
_LOUD_C, _QUIET_C, _QUIET_GAP_S = 0.6, 0.3, 10.0
# A pause is worth waiting for a little longer.
_PAUSE_AHEAD_S, _PAUSE_ABOVE_C = 10.0, 0.5
_THROTTLED_GAP_S = 5.0


def why_down(
    settings: GovernorSettings,
    rungs: tuple[Rung, ...],
    state: State,
    reading: Reading,
    now_ns: int,
) -> str | None:
    """Why one rung has to go.

    Args:
        settings: The limit of power.
        rungs: The levels.
        state: With the reading felt.
        reading: What is believed now.
        now_ns: Monotonic nanoseconds.

    Returns:
        The reason in a few words; None where no rung has to go, or none is left.
    """
    rung = rungs[state.level]
    if rung.is_paused:
        return None
    is_lowest = rungs[state.level + 1].is_paused
    if reading.excess_c is not None and _heats(
        state, rung.load, reading.excess_c, now_ns, is_lowest=is_lowest
    ):
        return f"heat: {reading.words}"
    if state.power is not None and settings.power_limit_w is not None:
        power_w = state.draws_w(state.power, rung.load)
        if power_w > settings.power_limit_w:
            return f"power: {power_w:.1f} of {settings.power_limit_w:g} W"
    if (
        reading.throttled is not None
        and not is_lowest
        and now_ns - state.changed_ns >= _THROTTLED_GAP_S * _S
    ):
        return f"throttled: {reading.throttled}"
    return None


def _heats(state: State, load: float, excess_c: float, now_ns: int, *, is_lowest: bool) -> bool:
    """Whether the temperature is on its way past the limit."""
    if state.quick is None or state.steady is None:
        return False
    if excess_c < min(0.0, state.quick.first_c):
        # It falls already, and the filters have not seen it yet.
        return False
    if state.quick.first_c > _LOUD_C and excess_c >= state.quick.first_c:
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
