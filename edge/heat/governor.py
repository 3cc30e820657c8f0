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
from faceguard.edge.heat.ladder import Rung
from faceguard.edge.heat.reading import Reading
from faceguard.edge.heat.settings import GovernorSettings, WithoutSensors
from faceguard.edge.heat.state import State
from faceguard.edge.heat.trend import Trend

COOL = "cool"
_S = 1_000_000_000
_USUAL_RATE = 30.0
_QUICK_S, _STEADY_S, _POWER_S, _STEADY_POWER_S = (5.0, 20.0), (30.0, 90.0), (2.0, 6.0), (10.0, 30.0)
# A glitch must not fill the filters: so much may one sample differ from what they hold.
_MOST_LEAP_C = 5.0
# Down: passing the limit so soon; a pause is worth waiting a little longer for.
_AHEAD_S, _ABOVE_C, _LOUD_C, _QUIET_C, _QUIET_GAP_S = 25.0, 0.2, 0.6, 0.3, 10.0
_PAUSE_AHEAD_S, _PAUSE_ABOVE_C = 10.0, 0.5
# Up: it will not pass the limit so soon, and settles so far below it.
_UP_AHEAD_S, _SETTLES_BELOW_C = 60.0, 0.2
# Up by a large piece of work, such as sharpening: the die leaps, before the board gets warm.
_LEAP_C, _SMALL_LOAD = 15.0, 0.1
# Up at once: it is below the limit and settles far below it, since something has changed.
_MUCH_BELOW_C, _FAR_BELOW_C, _SURELY_BELOW_C, _UP_GAP_S = 1.5, 5.0, 1.0, 10.0
# Up to try it out: it has been so far below for the hold, or for as many holds as the model
# predicts too many degrees.
_COOL_BELOW_C, _DOUBT_C = 0.5, 1.0
# Out of the pause only when it is really cooler.
_RESUME_BELOW_C, _RESUME_GAP_S = 3.0, 30.0
# A step up that has to be taken back so soon was a mistake: the hold doubles, and "much" is more.
_MISTAKE_S, _MOST_MISTAKES = 300.0, 2
_THROTTLED_GAP_S = 5.0
# Up under a limit of power: below this part of it; surely, below that.
_POWER_REACH, _POWER_SURELY = 0.98, 0.9
# Blind in a pause: it has cooled by then as far as it ever will.
_BLIND_PAUSE_S = 600.0
_GAP_S = 30.0
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
            felt = self._feel(state, reading, now_ns)
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
        if seen_ns - since_ns < _SETTLED_S * _S:
            return Outlook(None, 1 / cooling)
        load = self.rungs[state.level].load
        settles_c = state.steady.settles(load, state.heat.rise_c_per_s, cooling)
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
            # The limit may have moved, and the excess with it.
            up_after_ns=(state.seen_ns or state.changed_ns) + int(_RESUME_GAP_S * _S),
            mistakes=0,
            cool_since_ns=None,
            felt_since_ns=None,
            quick=None,
            steady=None,
            power=None,
            steady_power=None,
            heat=state.heat.interrupted(),
        )

    def _feel(self, state: State, reading: Reading, now_ns: int) -> State:
        """Takes the reading into the filters and models; decides nothing."""
        load = self.rungs[state.level].load
        passed_s = 0.0 if state.seen_ns is None else (now_ns - state.seen_ns) / _S
        if passed_s > _GAP_S:
            state = replace(
                state, quick=None, steady=None, power=None, steady_power=None, cool_since_ns=None
            )
        state = self._feel_power(state, reading.power_w, load, passed_s, now_ns)
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
            heard_c = min(excess_c, quick.first_c + _MOST_LEAP_C)
            quick, steady = (trend.add(heard_c, load, passed_s) for trend in (quick, steady))
        cool_since_ns: int | None = None
        if quick.now_c <= -_COOL_BELOW_C:
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
        self, state: State, power_w: float | None, load: float, passed_s: float, now_ns: int
    ) -> State:
        if power_w is None or self.settings.power_limit_w is None:
            return replace(state, power=None, steady_power=None)
        power, steady = state.power, state.steady_power
        if power is None or steady is None:
            power = Trend.at(*_POWER_S, power_w, load)
            steady = Trend.at(*_STEADY_POWER_S, power_w, load)
        else:
            power, steady = (trend.add(power_w, load, passed_s) for trend in (power, steady))
        draw = state.draw.add(power.first_c, power.load, now_ns)
        return replace(state, power=power, steady_power=steady, draw=draw)

    def _decide(self, state: State, reading: Reading, now_ns: int) -> tuple[int, str]:
        """The next level and why."""
        level, last = state.level, len(self.rungs) - 1
        excess_c = reading.excess_c
        if excess_c is not None and excess_c >= self.settings.emergency_c:
            return last, f"too hot: {_zone(reading)}"
        why = self._why_down(state, reading, now_ns)
        if why is not None:
            return min(level + 1, last), why
        if excess_c is None:
            return self._blind(state, reading, now_ns)
        if level and reading.throttled is None and self._may_rise(state, now_ns):
            return level - 1, f"cooler: {_zone(reading)}" if level > 1 else COOL
        return level, state.reason if level else COOL

    def _why_down(self, state: State, reading: Reading, now_ns: int) -> str | None:
        """Why one rung has to go; None where none has to, or none is left."""
        level, settings = state.level, self.settings
        rung = self.rungs[level]
        if rung.is_paused:
            return None
        is_lowest = level == self.lowest
        if reading.excess_c is not None and self._heats(state, rung, reading.excess_c, now_ns):
            return f"heat: {_zone(reading)}"
        if state.power is not None and settings.power_limit_w is not None:
            power_w = self._power_w(state, state.power, rung)
            if power_w > settings.power_limit_w:
                return f"power: {power_w:.1f} of {settings.power_limit_w:g} W"
        if (
            reading.throttled is not None
            and not is_lowest
            and now_ns - state.changed_ns >= _THROTTLED_GAP_S * _S
        ):
            return f"throttled: {reading.throttled}"
        return None

    def _heats(self, state: State, rung: Rung, excess_c: float, now_ns: int) -> bool:
        """Whether the temperature is on its way past the limit."""
        if state.quick is None or state.steady is None:
            return False
        if excess_c < min(0.0, state.quick.first_c):
            # It falls already, and the filters have not seen it yet.
            return False
        if state.quick.first_c > _LOUD_C and excess_c >= state.quick.first_c:
            # Over it and rising, whatever the model credits the last steps with.
            return True
        if state.level == self.lowest:
            return self._in_seconds(state, state.quick, _PAUSE_AHEAD_S, rung) > _PAUSE_ABOVE_C
        soon_c = self._in_seconds(state, state.quick, _AHEAD_S, rung)
        if soon_c > _LOUD_C:
            return True
        # A little too much is no noise when slow filters say so, too; and there is time to see
        # what the last step was worth.
        steady_c = self._in_seconds(state, state.steady, _AHEAD_S, rung)
        is_rested = now_ns - state.changed_ns >= _QUIET_GAP_S * _S
        return soon_c > _ABOVE_C and steady_c > _ABOVE_C - _QUIET_C and is_rested

    def _blind(self, state: State, reading: Reading, now_ns: int) -> tuple[int, str]:
        """Where to without a temperature: by and by to the lowest rung at which frames come."""
        level, why = state.level, reading.blind or "no reading"
        if not reading.has_sensors and self.settings.without_sensors is WithoutSensors.UNLIMITED:
            if state.power is not None and level and not self._may_draw_more(state):
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

    def _may_rise(self, state: State, now_ns: int) -> bool:
        """Whether the next higher rung can be tried."""
        quick, steady = state.quick, state.steady
        if quick is None or steady is None:
            return False
        higher, is_held = self.rungs[state.level - 1], now_ns < state.up_after_ns
        if not self._may_draw_more(state, _POWER_SURELY if is_held else _POWER_REACH):
            return False
        settles_c = steady.settles(higher.load, state.heat.rise_c_per_s, state.heat.cooling_per_s)
        is_sure = not state.mistakes
        is_much_cooler = settles_c <= -(_MUCH_BELOW_C if is_sure else _FAR_BELOW_C)
        rested_s = (now_ns - state.changed_ns) / _S
        if self.rungs[state.level].is_paused:
            return quick.now_c <= -_RESUME_BELOW_C and (
                not is_held or (is_much_cooler and rested_s >= _RESUME_GAP_S)
            )
        leap = max(0.0, higher.load - self.rungs[state.level].load - _SMALL_LOAD)
        if self._in_seconds(state, quick, _UP_AHEAD_S, higher) > 0 or quick.now_c > -_LEAP_C * leap:
            return False
        if is_held and state.is_firm:
            return False
        if is_held:
            is_rested = rested_s >= _UP_GAP_S and quick.now_c <= -_SURELY_BELOW_C
            # The model knows least of a large step, so it is not asked twice.
            return is_much_cooler and is_rested and (is_sure or not leap)
        if settles_c <= -_SETTLES_BELOW_C:
            return True
        # The model may be wrong; the more it speaks against a try, the longer that waits.
        cool_ns = 0 if state.cool_since_ns is None else now_ns - state.cool_since_ns
        return cool_ns >= self.settings.hold_s * max(1.0, settles_c / _DOUBT_C) * _S

    def _may_draw_more(self, state: State, reach: float = _POWER_REACH) -> bool:
        """Whether the next higher rung would draw less than a part of the limit."""
        limit_w = self.settings.power_limit_w
        if state.power is None or state.steady_power is None or limit_w is None:
            return True
        higher = self.rungs[state.level - 1]
        quick_w, steady_w = (
            self._power_w(state, trend, higher) for trend in (state.power, state.steady_power)
        )
        return max(quick_w, steady_w) <= limit_w * reach

    def _in_seconds(self, state: State, trend: Trend, seconds: float, rung: Rung) -> float:
        heat = state.heat
        return trend.in_seconds(seconds, rung.load, heat.rise_c_per_s, heat.cooling_per_s)

    def _power_w(self, state: State, trend: Trend, rung: Rung) -> float:
        """What a rung will draw: what is drawn now, and what the change of load adds."""
        return trend.first_c + state.draw.full_w * (rung.load - trend.load)

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


def _zone(reading: Reading) -> str:
    return f"{reading.zone} at {reading.temperature_c:.1f} of {reading.limit_c:g} C"
