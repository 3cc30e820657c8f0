"""Heat in the running camera: one look a second, and what may be spent until the next."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace

from faceguard.edge.budget import Budget
from faceguard.edge.heat.felt import Felt, Told
from faceguard.edge.heat.governing.governor import Governor, Outlook
from faceguard.edge.heat.governing.ladder import Rung, ladder
from faceguard.edge.heat.reading import Reading, Survey
from faceguard.edge.heat.settings import WithoutSensors
from faceguard.edge.heat.traces.mind import Mind
from faceguard.edge.heat.traces.trace import Trace
from faceguard.edge.heat.traces.trace_format import Row
from faceguard.edge.heat.trust import Judged, Memory, judge
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.service.telling import told
from faceguard.engines.closing import Closing

_log = logging.getLogger(__name__)
_LATE_NS = 5_000_000_000
# The first readings are there within a second, if there are any.
_SENSORS_WITHIN_NS = 3_000_000_000
# Where the trace's thread could not be started.
_TRACE_AGAIN_NS = 60_000_000_000


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
        self._traced: tuple[object, ...] | None = None
        self._trace_again_ns = self._began_ns
        self._trace_trouble: str | None = None
        # What was felt, when, and what to do where that is too long ago; replaced as a whole.
        first = Felt(levels=len(self._governor.rungs))
        self._last = (first, self._began_ns, self._governor.rungs)
        self._follow_trace(self._began_ns)

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
            rate: Frames a second that the camera gives; None while it is not known. One that is
                not finite and above 0 is not known either.

        Returns:
            What was felt.
        """
        now_ns = self._clock_ns()
        if rate is not None and not (math.isfinite(rate) and rate > 0):
            rate = None
        try:
            self._follow()
            self._follow_trace(now_ns)
            felt = self._feel(now_ns, rate)
            self._quiet.over("heat")
        except Exception as error:  # noqa: BLE001 - whatever it is, heat must not end the camera
            felt = self._feel_nothing(now_ns, rate, error)
        trouble = self._trace_trouble if self._trace is None else self._trace.trouble
        felt = replace(felt, trace_trouble=trouble)
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
        now = self._ask()
        if now == self._told:
            return
        governor = _governor(now)
        self._state = governor.adopt(self._state, self._governor)
        self._governor, self._told = governor, now

    def _follow_trace(self, now_ns: int) -> None:
        """Has the trace that is asked for; where it cannot be begun, heat is watched without."""
        wanted = (self._told.trace, self._told.trace_mb)
        if wanted == self._traced or now_ns < self._trace_again_ns:
            return
        self.close()
        self._trace_trouble = None
        if self._told.trace is not None:
            trace = Trace(self._told.trace, self._told.trace_mb)
            try:
                trace.start()
            except RuntimeError as error:  # no thread is to be had
                self._trace_again_ns = now_ns + _TRACE_AGAIN_NS
                self._trace_trouble = f"no trace is written: {told(error)}"
                self._quiet.say(_log, logging.WARNING, "trace", self._trace_trouble)
                return
            self._trace = trace
        self._traced = wanted

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
    rungs = ladder(
        told_now.settings,
        every=told_now.every,
        look_ahead=told_now.look_ahead,
        upscales=told_now.upscales,
    )
    return Governor(told_now.settings, rungs)


def _slowed(felt: Felt, rungs: tuple[Rung, ...], why: str) -> Felt:
    """The same at the lowest level that still runs; what is lower already stays there."""
    level = max(0, len(rungs) - 2)
    if felt.budget.level >= level:
        return felt
    rung = rungs[level]
    budget = rung.budget(level, felt.rate, f"blind: {why}")
    return replace(felt, budget=budget, share=rung.share)
