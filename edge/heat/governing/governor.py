"""The governor: a pure step from what is believed to what may be spent.

What it steers is the excess: degrees above the limit of the zone that is nearest to its own. Two
predictions decide. Down, a rung a second, where the temperature would pass the limit within half a
minute at the present load; up, a rung at a time and seldom, where it would settle below the limit
under the next higher load, or has long been well below it. That they differ is the hysteresis.
Only pausing at once in an emergency takes more than one rung. No rung touches redaction.

Only + - * / and comparisons are used, so that a trace gives the same budgets on any machine; and
at any state a hotter reading never leads to a higher rung (each prediction rises with it).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from faceguard.edge.budget import Budget
from faceguard.edge.heat.governing.falling import Move, falling
from faceguard.edge.heat.governing.feeling import MOST_LEAP_C, feel
from faceguard.edge.heat.governing.ladder import Rung
from faceguard.edge.heat.governing.rising import RESUME_BELOW_C, may_draw_more, may_rise
from faceguard.edge.heat.governing.state import State
from faceguard.edge.heat.reading import Reading
from faceguard.edge.heat.settings import GovernorSettings, WithoutSensors

COOL = "within its limits"
_S = 1_000_000_000
# A step up that has to be taken back so soon was a mistake: the hold doubles, so often at most.
_MISTAKE_S, _MOST_MISTAKES = 300.0, 2
# Hot for longer is no glitch.
_GLITCH_S = 10.0
# Where nothing limits, rungs come back so fast.
_UNLIMITED_GAP_S = 2.0
# Blind in a pause: it has cooled by then as far as it ever will.
_BLIND_PAUSE_S = 600.0
# Other settings: the filters begin anew, and have to have felt something.
_ADOPTED_S = 30.0
_SETTLED_S = 120.0


@dataclass(frozen=True)
class Outlook:
    """Where the governor sees the temperature go; for people.

    Attributes:
        settles_c: Temperature at which it would settle at this level; None while not known.
        time_constant_s: After so long 63 % of the way there is done; None while not known.
    """

    settles_c: float | None = None
    time_constant_s: float | None = None


class Governor:
    """Turns readings into budgets, one a second. Holds nothing that changes."""

    def __init__(self, settings: GovernorSettings, rungs: tuple[Rung, ...]) -> None:
        """Keeps what it is told.

        Args:
            settings: Limits and times.
            rungs: The levels, from `ladder`.
        """
        self.settings = settings
        self.rungs = rungs

    @property
    def lowest(self) -> int:
        """The last level at which frames still come."""
        return len(self.rungs) - 2

    def start(self, now_ns: int) -> State:
        """The state before the first reading: everything is allowed, nothing is known."""
        return State(changed_ns=now_ns, up_after_ns=now_ns)

    def step(
        self, state: State, reading: Reading, now_ns: int, rate: float | None = None
    ) -> tuple[State, Budget]:
        """One second.

        Args:
            state: From `start` or the last step.
            reading: What is believed now.
            now_ns: Monotonic nanoseconds.
            rate: Frames a second that the camera gives; None while it is not known.

        Returns:
            The next state, and what may be spent until the next step.
        """
        if state.seen_ns is None or now_ns > state.seen_ns:
            load, limit_w = self.rungs[state.level].load, self.settings.power_limit_w
            felt = feel(state, reading, load, now_ns, heeds_power=limit_w is not None)
            move, is_glitch = self._decide(felt, reading, now_ns), _is_glitch(state, reading)
            state = self._moved(felt, move, now_ns, is_glitch=is_glitch)
        return state, self.budget(state, rate)

    def budget(self, state: State, rate: float | None = None) -> Budget:
        """What may be spent in a state.

        Args:
            state: Any.
            rate: Frames a second that the camera gives; None while it is not known.
        """
        return self.rungs[state.level].budget(state.level, rate, state.reason)

    def outlook(self, state: State, reading: Reading) -> Outlook:
        """Where the temperature goes, as far as is known.

        Args:
            state: After the step with this reading.
            reading: What is believed now.
        """
        since_ns, seen_ns = state.felt_since_ns, state.seen_ns
        if state.steady is None or reading.limit_c is None or since_ns is None or seen_ns is None:
            return Outlook()
        cooling = state.heat.cooling_per_s
        # After a change of load a while must pass, too, before a guess is worth showing.
        if seen_ns - max(since_ns, state.changed_ns) < _SETTLED_S * _S:
            return Outlook(None, 1 / cooling)
        settles_c = state.settles_c(state.steady, self.rungs[state.level].load)
        return Outlook(reading.limit_c + settles_c, 1 / cooling)

    def adopt(self, state: State, before: Governor) -> State:
        """The state for this governor where another, with other settings, was in charge before.

        Args:
            state: The other's last.
            before: The other.
        """
        was = before.rungs[state.level]
        level = len(self.rungs) - 1
        if not was.is_paused:
            fitting = (i for i, rung in enumerate(self.rungs) if rung.load <= was.load)
            level = min(self.lowest, next(fitting))
        return replace(
            # The limit may have moved, and the excess with it.
            state.unfelt(),
            level=level,
            reason=f"{state.reason}, before the settings changed" if level else COOL,
            up_after_ns=(state.seen_ns or state.changed_ns) + int(_ADOPTED_S * _S),
            mistakes=0,
            is_firm=False,
            back_to=None,
        )

    def _decide(self, state: State, reading: Reading, now_ns: int) -> Move:
        """The next level and why."""
        level, last = state.level, len(self.rungs) - 1
        excess_c = reading.excess_c
        if excess_c is not None and excess_c >= self.settings.emergency_c:
            return Move(last, f"too hot: {reading.words}")
        fall = falling(self.settings, self.rungs, state, reading, now_ns)
        if fall is not None:
            return fall
        if excess_c is None:
            return self._blind(state, reading, now_ns)
        is_throttled = reading.throttled is not None
        if level and not is_throttled and may_rise(self.settings, self.rungs, state, now_ns):
            return Move(level - 1, f"cooler: {reading.words}" if level > 1 else COOL)
        return Move(level, state.reason if level else COOL, is_firm=is_throttled)

    def _blind(self, state: State, reading: Reading, now_ns: int) -> Move:
        """Where to without a temperature: by and by to the lowest rung at which frames come."""
        level, why = state.level, reading.blind or "no reading"
        if not reading.has_sensors and self.settings.without_sensors is WithoutSensors.UNLIMITED:
            return self._unlimited(state, reading, now_ns)
        since_ns = now_ns if state.blind_since_ns is None else state.blind_since_ns
        blind_s = (now_ns - since_ns) / _S
        if blind_s < self.settings.blind_after_s:
            return Move(level, state.reason)
        if level < self.lowest:
            return Move(level + 1, f"blind: {why}", is_firm=True)
        paused_s = (now_ns - state.changed_ns) / _S
        if level > self.lowest and min(blind_s, paused_s) < _BLIND_PAUSE_S:
            return Move(level, state.reason)
        return Move(self.lowest, f"blind: {why}")

    def _unlimited(self, state: State, reading: Reading, now_ns: int) -> Move:
        """Up to all that is configured, but for what went for power or throttling."""
        level, rested_s = state.level, (now_ns - state.changed_ns) / _S
        is_held = state.is_firm and now_ns < state.up_after_ns
        is_throttled = reading.throttled is not None
        if level and not is_held and not is_throttled and rested_s >= _UNLIMITED_GAP_S:
            level -= int(may_draw_more(self.settings, self.rungs, state))
        reason = state.reason if level else "no limit is set for a machine without sensors"
        return Move(level, reason, is_firm=is_throttled)

    def _moved(self, state: State, move: Move, now_ns: int, *, is_glitch: bool) -> State:
        """The state at the next level, with the times that follow from the change."""
        # Learned from after deciding, so that what decides rises with the reading.
        heat, before = state.heat, state.level
        if state.quick is not None and state.blind_since_ns is None:
            heat = heat.add(state.quick.first, state.quick.load, now_ns)
        state = replace(state, heat=heat, reason=move.reason)
        hold_ns = int(self.settings.hold_s * _S)
        if move.level == before:
            if move.is_firm:
                state = replace(state, up_after_ns=now_ns + hold_ns, is_firm=True)
            return self._no_glitch(state, now_ns)
        state = replace(state, level=move.level, changed_ns=now_ns)
        if move.level < before:
            if state.back_to is not None:
                is_back = move.level <= state.back_to
                return replace(state, back_to=None if is_back else state.back_to)
            # One more rung at once where that was the reason for this one.
            wait_ns = hold_ns if now_ns >= state.up_after_ns else 0
            up_after_ns = max(state.up_after_ns, now_ns + wait_ns)
            return replace(state, up_ns=now_ns, up_after_ns=up_after_ns, is_firm=False)
        if is_glitch:
            return replace(state, back_to=before)
        mistakes = _mistakes(state, now_ns)
        # Where no rung holds, a longer pause would be no better.
        holds = 1 if self.rungs[move.level].is_paused else 2**mistakes
        return replace(
            state,
            # Counted once, however many rungs go now.
            up_ns=None,
            up_after_ns=now_ns + hold_ns * holds,
            is_firm=move.is_firm,
            mistakes=mistakes,
            back_to=None,
        )

    def _no_glitch(self, state: State, now_ns: int) -> State:
        """What was taken for a glitch was none, if it is still hot after some seconds."""
        quick = state.quick
        if state.back_to is None or quick is None or not self.rungs[state.level].is_paused:
            return state
        is_late = now_ns - state.changed_ns >= _GLITCH_S * _S
        if not is_late or quick.now <= -RESUME_BELOW_C:
            return state
        return replace(state, back_to=None, up_after_ns=now_ns + int(self.settings.hold_s * _S))


def _is_glitch(state: State, reading: Reading) -> bool:
    """Whether a reading leaps away from what was felt, on a board that was not near its limit."""
    excess_c, quick = reading.excess_c, state.quick
    if excess_c is None or quick is None:
        return False
    return quick.now <= -RESUME_BELOW_C and excess_c > quick.first + MOST_LEAP_C


def _mistakes(state: State, now_ns: int) -> int:
    """How many steps up in a row were mistakes, if now a rung goes."""
    if state.up_ns is None:
        return state.mistakes
    if now_ns - state.up_ns >= _MISTAKE_S * _S:
        return 0
    return min(state.mistakes + 1, _MOST_MISTAKES)
