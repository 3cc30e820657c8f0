"""Recording a trace without a camera: what would be decided here, once a second."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from tqdm import tqdm

from faceguard.edge.heat.governing.ladder import Rung
from faceguard.edge.heat.reading import Survey
from faceguard.edge.heat.settings import GovernorSettings
from faceguard.edge.heat.traces.replay import begin, decide
from faceguard.edge.heat.traces.trace_format import Row, Sections
from faceguard.engines.closing import Closing

_PERIOD_S = 1.0
_HEARTBEAT_ROWS = 60


def has_sensor(survey: Survey) -> bool:
    """Whether there is anything to record, be it that it cannot be read now."""
    return bool(
        survey.zones
        or survey.rails_w
        or survey.gpu_load.value is not None
        or survey.fan.value is not None
    )


def has_temperature(survey: Survey) -> bool:
    """Whether any zone gives a temperature."""
    return any(zone.temperature_c.value is not None for zone in survey.zones.values())


def record(
    look: Callable[[], Survey],
    settings: GovernorSettings,
    rungs: tuple[Rung, ...],
    write: Callable[[str], None],
    *,
    rate: float | None = None,
    seconds: int | None = None,
    period_s: float = _PERIOD_S,
    on_row: Callable[[Row], None] = lambda _row: None,
) -> None:
    """Looks once a second, and writes what a governor would decide; nobody is commanded.

    So the governor learns from a board that does not answer to it. Ctrl-C comes out of the wait in
    between, when a row is whole.

    Args:
        look: What the sensors say now; must not wait for one.
        settings: Limits and times.
        rungs: The levels.
        write: Takes the lines of a row, whole.
        rate: Frames a second that the camera is meant to give.
        seconds: How many rows; None for no end.
        period_s: From one look to the next.
        on_row: Is told of each row.
    """
    never, sections = threading.Event(), Sections()
    next_s = time.monotonic()
    mind, level = begin(settings, rungs, time.monotonic_ns()), 0
    for _ in count() if seconds is None else range(seconds):
        never.wait(max(0.0, next_s - time.monotonic()))
        # A machine that slept looks at once, and does not make up for what it missed.
        next_s = max(next_s + period_s, time.monotonic())
        after, row = decide(mind, look(), time.monotonic_ns(), time.time(), rungs[level].load, rate)
        write(sections.lines(mind, row, after))
        mind, level = after, row.budget.level
        on_row(row)


class Screen(Closing):
    """How warm it is: a line that changes on a terminal, else a line a minute."""

    def __init__(self, *, quiet: bool) -> None:
        """Begins with nothing to show.

        Args:
            quiet: Show nothing at all.
        """
        self._spoken = not quiet
        self._line: tqdm[Any] | None = None
        self._rows = 0
        if not quiet and sys.stderr.isatty():
            self._line = tqdm(bar_format="{desc}", leave=False, file=sys.stderr)

    def show(self, row: Row) -> None:
        """Takes the next row."""
        self._rows += 1
        if self._line is not None:
            self._line.set_description_str(f"{_clock(self._rows)}  {told(row)}")
        elif self._spoken and self._rows % _HEARTBEAT_ROWS == 0:
            sys.stderr.write(f"faceguard: {_clock(self._rows)}  {told(row)}\n")

    def close(self) -> None:
        """Takes the line away."""
        if self._line is not None:
            self._line.close()


def told(row: Row) -> str:
    """A row in one line, for people."""
    reading, budget = row.reading, row.budget
    if reading.temperature_c is None or reading.limit_c is None:
        heat = f"blind: {reading.blind}"
    else:
        heat = f"{reading.zone} {reading.temperature_c:.1f} of {reading.limit_c:g} C"
    power = "" if reading.power_w is None else f", {reading.power_w:.1f} W"
    return f"{heat}{power}, level {budget.level} ({budget.reason})"


def _clock(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
