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
from faceguard.edge.heat.falling import why_down
from faceguard.edge.heat.feeling import feel
from faceguard.edge.heat.ladder import Rung
from faceguard.edge.heat.reading import Reading
from faceguard.edge.heat.rising import may_draw_more, may_rise
from faceguard.edge.heat.settings import GovernorSettings, WithoutSensors
from faceguard.edge.heat.state import State

COOL = "within its limits"
_S = 1_000_000_000
_USUAL_RATE = 30.0
# A step up that has to be taken back so soon was a mistake: the hold doubles, so often at most.
_MISTAKE_S, _MOST_MISTAKES = 300.0, 2
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
            level, reason = self._decide(felt, reading, now_ns)
            state = self._moved(felt, level, reason, reading, now_ns)
        return state, self.budget(state, rate)

    def budget(self, state: State, rate: float | None = None) -> Budget:
        """What may be spent in a state.

        Args:
            state: Any.
            rate: Frames a second that the camera gives; None while it is not known.
        """
        rung = self.rungs[state.level]
        return Budget(
            level=state.level,
            frames_per_s=None if rung.share in (0, 1) else rung.share * (rate or _USUAL_RATE),
            detect_every=rung.every,
            upscale=rung.upscale,
            paused=rung.is_paused,
            reason=state.reason,
        )

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
            state,
            level=level,
            reason=f"{state.reason}, before the settings changed" if level else COOL,
            # The limit may have moved, and the excess with it.
            up_after_ns=(state.seen_ns or state.changed_ns) + int(_ADOPTED_S * _S),
            mistakes=0,
            cool_since_ns=None,
            felt_since_ns=None,
            quick=None,
            steady=None,
            power=None,
            steady_power=None,
            heat=state.heat.interrupted(),
        )

    def _decide(self, state: State, reading: Reading, now_ns: int) -> tuple[int, str]:
        """The next level and why."""
        level, last = state.level, len(self.rungs) - 1
        excess_c = reading.excess_c
        if excess_c is not None and excess_c >= self.settings.emergency_c:
            return last, f"too hot: {reading.words}"
        why = why_down(self.settings, self.rungs, state, reading, now_ns)
        if why is not None:
            return min(level + 1, last), why
        if excess_c is None:
            return self._blind(state, reading, now_ns)
        if (
            level
            and reading.throttled is None
            and may_rise(self.settings, self.rungs, state, now_ns)
        ):
            return level - 1, f"cooler: {reading.words}" if level > 1 else COOL
        return level, state.reason if level else COOL

    def _blind(self, state: State, reading: Reading, now_ns: int) -> tuple[int, str]:
        """Where to without a temperature: by and by to the lowest rung at which frames come."""
        level, why = state.level, reading.blind or "no reading"
        if not reading.has_sensors and self.settings.without_sensors is WithoutSensors.UNLIMITED:
            if (
                state.power is not None
                and level
                and not may_draw_more(self.settings, self.rungs, state)
            ):
                return level, state.reason
            return max(0, level - 1), f"{why}, and none is asked for"
        since_ns = now_ns if state.blind_since_ns is None else state.blind_since_ns
        blind_s = (now_ns - since_ns) / _S
        if blind_s < self.settings.blind_after_s:
            return level, state.reason
        if level < self.lowest:
            return level + 1, f"blind: {why}"
        if level == self.lowest or min(blind_s, (now_ns - state.changed_ns) / _S) < _BLIND_PAUSE_S:
            return level, f"blind: {why}" if level == self.lowest else state.reason
        return self.lowest, f"blind: {why}"

    def _moved(self, state: State, level: int, reason: str, reading: Reading, now_ns: int) -> State:
        """The state at the next level, with the times that follow from the change."""
        # Learned from after deciding, so that what decides rises with the reading.
        heat = state.heat
        if state.quick is not None and state.blind_since_ns is None:
            heat = heat.add(state.quick.first_c, state.quick.load, now_ns)
        state = replace(state, heat=heat)
        if level == state.level:
            return replace(state, reason=reason)
        if level < state.level:
            # One more rung at once where that was the reason for this one.
            wait_ns = int(self.settings.hold_s * _S) if now_ns >= state.up_after_ns else 0
            return replace(
                state,
                level=level,
                reason=reason,
                changed_ns=now_ns,
                up_ns=now_ns,
                up_after_ns=max(state.up_after_ns, now_ns + wait_ns),
            )
        mistakes = _mistakes(state, now_ns)
        # Where no rung holds, a longer pause would be no better.
        hold = 1 if self.rungs[level].is_paused else 2**mistakes
        return replace(
            state,
            level=level,
            reason=reason,
            changed_ns=now_ns,
            # Counted once, however many rungs go now.
            up_ns=None,
            up_after_ns=now_ns + int(self.settings.hold_s * hold * _S),
            is_firm=reading.throttled is not None,
            mistakes=mistakes,
        )


def _mistakes(state: State, now_ns: int) -> int:
    """How many steps up in a row were mistakes, if now a rung goes."""
    if state.up_ns is None:
        return state.mistakes
    if now_ns - state.up_ns >= _MISTAKE_S * _S:
        return 0
    return min(state.mistakes + 1, _MOST_MISTAKES)
