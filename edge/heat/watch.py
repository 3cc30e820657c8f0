"""Heat in the running camera: one look a second, and what may be spent until the next."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from faceguard.edge.budget import UNLIMITED, Budget
from faceguard.edge.heat.governor import Governor, Outlook
from faceguard.edge.heat.ladder import Rung, ladder
from faceguard.edge.heat.mind import Mind
from faceguard.edge.heat.reading import Reading, Sensed, Survey
from faceguard.edge.heat.settings import GovernorSettings, WithoutSensors
from faceguard.edge.heat.trace import Trace
from faceguard.edge.heat.trace_format import Row
from faceguard.edge.heat.trust import Judged, Memory, judge
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.service.telling import told
from faceguard.engines.closing import Closing

_log = logging.getLogger(__name__)
_LATE_NS = 5_000_000_000
# The first readings are there within a second, if there are any.
_SENSORS_WITHIN_NS = 3_000_000_000
# Where a share of the frames has to be a rate, and nobody knows the camera's.
_USUAL_RATE = 30.0


@dataclass(frozen=True)
class Told:
    """What the configuration says now; asked for at each look.

    Attributes:
        settings: Limits and times.
        every: The detector looks at every n-th frame, as configured.
        look_ahead: Frames that each one waits.
        trace: Where readings and decisions go; None for nowhere.
        trace_mb: How long the trace may become.
    """

    settings: GovernorSettings = field(default_factory=GovernorSettings)
    every: int = 1
    look_ahead: int = 0
    trace: Path | None = None
    trace_mb: float = 50.0


@dataclass(frozen=True)
class Felt:
    """Everything of one look; replaced as a whole, so that any thread may read it.

    Attributes:
        survey: What the sensors said.
        reading: What is believed of it.
        doubts: Why zones are not believed, by name.
        budget: What may be spent.
        outlook: Where the temperature goes.
        levels: How many levels there are: the last is the pause.
        share: Part of the camera's frames that are taken in.
        rate: Frames a second that the camera gives; None while it is not known.
    """

    survey: Survey = field(default_factory=Survey)
    reading: Reading = field(default_factory=Reading)
    doubts: Mapping[str, str] = field(default_factory=dict)
    budget: Budget = UNLIMITED
    outlook: Outlook = field(default_factory=Outlook)
    levels: int = 1
    share: float = 1.0
    rate: float | None = None

    @property
    def temperatures_c(self) -> dict[str, float | None]:
        """By zone; None for one that gives no value, or one that is not believed."""
        return {
            name: None if name in self.doubts else zone.temperature_c.value
            for name, zone in self.survey.zones.items()
        }

    def plain(self) -> dict[str, Any]:
        """As plain values, for the status file."""
        reading, budget, survey = self.reading, self.budget, self.survey
        return {
            "zone": reading.zone,
            "temperature_c": _rounded(reading.temperature_c),
            "limit_c": _rounded(reading.limit_c),
            "blind": reading.blind,
            "has_sensors": reading.has_sensors,
            "settles_c": _rounded(self.outlook.settles_c),
            "time_constant_s": _rounded(self.outlook.time_constant_s),
            "level": budget.level,
            "levels": self.levels,
            "reason": budget.reason,
            "paused": budget.paused,
            "share": round(self.share, 4),
            "rate": _rounded(self.rate),
            "frames_per_s": _rounded(budget.frames_per_s, 2),
            "detect_every": budget.detect_every,
            "power_w": _rounded(reading.power_w, 2),
            "throttled": reading.throttled,
            "throttling": list(survey.throttling),
            "over_current": _sensed(survey.over_current),
            "gpu_load": _sensed(survey.gpu_load),
            "fan": _sensed(survey.fan),
            "mode": survey.mode,
            "zones": {
                name: {
                    **_sensed(zone.temperature_c),
                    "doubt": self.doubts.get(name),
                    "trip_c": _rounded(zone.trip_c),
                }
                for name, zone in survey.zones.items()
            },
            "rails_w": {name: _sensed(power) for name, power in survey.rails_w.items()},
        }


class Watch(Closing):
    """Looks once a second on the main thread; gives the budget to whoever asks, from any thread.

    It never raises. A look that fails counts as blind; while nobody looks at all, since the main
    thread hangs, the budget is that of the lowest level that still runs.
    """

    def __init__(
        self,
        look: Callable[[], Survey],
        ask: Callable[[], Told],
        quiet: Quiet,
        *,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Starts with everything allowed, until the first look.

        Args:
            look: What the sensors say now; must not wait for one.
            ask: What the configuration says now.
            quiet: Who logs.
            clock_ns: Monotonic nanoseconds; for tests.
        """
        self._look = look
        self._ask = ask
        self._quiet = quiet
        self._clock_ns = clock_ns
        self._told = ask()
        self._governor = _governor(self._told)
        self._began_ns = clock_ns()
        self._state = self._governor.start(self._began_ns)
        self._memory = Memory()
        self._warned: WithoutSensors | None = None
        self._trace: Trace | None = None
        # What was felt, when, and what to do where that is too long ago; replaced as a whole.
        first = Felt(levels=len(self._governor.rungs))
        self._last = (first, self._began_ns, self._governor.rungs)
        self._follow_trace(Told())

    @property
    def budget(self) -> Budget:
        """What may be spent now."""
        return self.felt.budget

    @property
    def felt(self) -> Felt:
        """What was felt last; blind where that was too long ago."""
        felt, felt_ns, rungs = self._last
        late_ns = self._clock_ns() - felt_ns
        # Where there is nothing to look at, and all is wanted, nothing is missed.
        is_asked = self._told.settings.without_sensors is WithoutSensors.UNLIMITED
        has_looked = felt.reading != Reading()
        if late_ns <= _LATE_NS or (has_looked and is_asked and not felt.reading.has_sensors):
            return felt
        why = f"nobody looked for {late_ns // 1_000_000_000} s"
        blind = Reading(has_sensors=felt.reading.has_sensors, blind=why)
        return _slowed(replace(felt, reading=blind, outlook=Outlook()), rungs, why)

    def tick(self, rate: float | None = None) -> Felt:
        """Looks.

        Args:
            rate: Frames a second that the camera gives; None while it is not known.

        Returns:
            What was felt.
        """
        now_ns = self._clock_ns()
        try:
            self._follow()
            felt = self._feel(now_ns, rate)
            self._quiet.over("heat")
        except Exception as error:  # noqa: BLE001 - whatever it is, heat must not end the camera
            felt = self._feel_nothing(now_ns, rate, error)
        self._last = (felt, now_ns, self._governor.rungs)
        self._warn(felt, now_ns)
        return felt

    def close(self) -> None:
        """Ends the trace."""
        trace, self._trace = self._trace, None
        if trace is not None:
            trace.close()

    def _follow(self) -> None:
        """Takes in what a reload changed."""
        now, before = self._ask(), self._told
        if now == before:
            return
        governor = _governor(now)
        self._state = governor.adopt(self._state, self._governor)
        self._governor, self._told = governor, now
        self._follow_trace(before)

    def _follow_trace(self, before: Told) -> None:
        now = self._told
        is_same = (now.trace, now.trace_mb) == (before.trace, before.trace_mb)
        if is_same and self._trace is not None:
            return
        self.close()
        if now.trace is not None:
            self._trace = Trace(now.trace, now.trace_mb)
            self._trace.start()

    def _feel(self, now_ns: int, rate: float | None) -> Felt:
        survey, load, before = self._look(), self._load(), self._mind()
        memory, judged = judge(before.memory, survey, now_ns, load, before.settings)
        felt = self._step(survey, judged, now_ns, rate)
        self._memory = memory
        if self._trace is not None:
            row = Row(
                *(now_ns, time.time(), survey, load, rate),
                *(felt.reading, felt.budget, felt.outlook),
            )
            trouble = self._trace.add(before, row, self._mind())
            if trouble is not None:
                _log.warning("%s", trouble)
        return felt

    def _feel_nothing(self, now_ns: int, rate: float | None, error: Exception) -> Felt:
        """A look failed: blind, on a machine that is taken to have sensors."""
        why = f"blind for heat, since a look failed: {told(error)}"
        self._quiet.say(_log, logging.ERROR, "heat", why)
        blind = Reading(has_sensors=True, blind="a look failed")
        try:
            return self._step(Survey(), Judged(blind, {}), now_ns, rate)
        except Exception as problem:  # noqa: BLE001 - likewise
            why = f"the governor failed: {told(problem)}"
            self._quiet.say(_log, logging.ERROR, "governor", why)
        last, rungs = self._last[0], self._governor.rungs
        felt = Felt(
            reading=blind, budget=last.budget, share=last.share, levels=len(rungs), rate=rate
        )
        return _slowed(felt, rungs, "the governor failed")

    def _step(self, survey: Survey, judged: Judged, now_ns: int, rate: float | None) -> Felt:
        governor = self._governor
        state, budget = governor.step(self._state, judged.reading, now_ns, rate)
        felt = Felt(
            survey=survey,
            reading=judged.reading,
            doubts=judged.doubts,
            budget=budget,
            outlook=governor.outlook(state, judged.reading),
            levels=len(governor.rungs),
            share=governor.rungs[budget.level].share,
            rate=rate,
        )
        self._state = state
        return felt

    def _mind(self) -> Mind:
        governor = self._governor
        return Mind(governor.settings, governor.rungs, self._state, self._memory)

    def _load(self) -> float:
        """The load of the level that was in force since the last look."""
        felt, _, rungs = self._last
        return rungs[min(felt.budget.level, len(rungs) - 1)].load

    def _warn(self, felt: Felt, now_ns: int) -> None:
        """Says once that there is no sensor here, and what follows."""
        if felt.reading.has_sensors or now_ns - self._began_ns < _SENSORS_WITHIN_NS:
            return
        what = self._told.settings.without_sensors
        if what is not self._warned:
            self._warned = what
            _log.warning("%s; %s", NO_SENSOR[what], MEND[what])


NO_SENSOR = {
    WithoutSensors.SLOW: (
        "no temperature can be read on this machine, so it runs as slowly as it may"
    ),
    WithoutSensors.UNLIMITED: (
        "no temperature can be read on this machine, and nothing slows it down when it gets hot"
    ),
}
"""What follows where there is no sensor."""
MEND = {
    WithoutSensors.SLOW: "set thermal.without_sensors: unlimited where it cannot get too hot",
    WithoutSensors.UNLIMITED: "thermal.without_sensors says so",
}


def _governor(told_now: Told) -> Governor:
    rungs = ladder(told_now.settings, every=told_now.every, look_ahead=told_now.look_ahead)
    return Governor(told_now.settings, rungs)


def _slowed(felt: Felt, rungs: tuple[Rung, ...], why: str) -> Felt:
    """The same at the lowest level that still runs; what is lower already stays there."""
    level = max(0, len(rungs) - 2)
    if felt.budget.level >= level:
        return felt
    rung = rungs[level]
    budget = Budget(
        level=level,
        frames_per_s=rung.share * (felt.rate or _USUAL_RATE),
        detect_every=rung.every,
        upscale=rung.upscale,
        reason=f"blind: {why}",
    )
    return replace(felt, budget=budget, share=rung.share)


def _sensed(sensed: Sensed) -> dict[str, float | str | None]:
    return {"value": _rounded(sensed.value, 3), "reason": sensed.reason}


def _rounded(value: float | None, digits: int = 1) -> float | None:
    return None if value is None else round(value, digits)
