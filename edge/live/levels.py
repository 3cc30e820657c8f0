"""Changes of level, told: each as an event, and as few lines in the log as say the same."""

from __future__ import annotations

import logging
from collections.abc import Callable

from faceguard.edge.events import Event, Value
from faceguard.edge.heat.watch import Felt
from faceguard.edge.meters import Meters

_log = logging.getLogger(__name__)
_LINE_EVERY_NS = 10_000_000_000


class Levels:
    """Looks at the level once a second.

    On the way down a level may go each second. Each is an event; the log has a line for the first,
    and then one in ten seconds at most, from the level that the last line told of. What begins or
    ends a pause is always said at once.
    """

    def __init__(self, meters: Meters, on_event: Callable[[Event], None]) -> None:
        """Starts at level 0.

        Args:
            meters: Where changes are counted.
            on_event: Takes the events.
        """
        self._meters = meters
        self._on_event = on_event
        self._level = 0
        self._said = 0
        self._said_ns: int | None = None
        self._was_paused = False

    def look(self, felt: Felt, now_ns: int) -> None:
        """Tells what has changed.

        Args:
            felt: What was felt last.
            now_ns: Monotonic nanoseconds.
        """
        level = felt.budget.level
        self._meters.budget_level.set(level)
        if level != self._level:
            way = "down" if level > self._level else "up"
            self._meters.budget_changes.labels(way).inc()
            self._on_event(Event("level", _fields(felt, self._level)))
            self._level = level
        is_turn = felt.budget.paused != self._was_paused
        is_soon = self._said_ns is not None and now_ns - self._said_ns < _LINE_EVERY_NS
        if level != self._said and (is_turn or not is_soon):
            self._say(felt)
            self._said, self._said_ns = level, now_ns
        self._was_paused = felt.budget.paused

    def _say(self, felt: Felt) -> None:
        budget = felt.budget
        grade = logging.WARNING if budget.paused else logging.INFO
        what = "output is paused: " if budget.paused else ""
        fields = {"event": "level", **_fields(felt, self._said)}
        _log.log(
            grade,
            "%slevel %d to %d of %d (%s)",
            *(what, self._said, budget.level, felt.levels - 1, budget.reason),
            extra={"fields": fields},
        )


def _fields(felt: Felt, before: int) -> dict[str, Value]:
    reading, budget = felt.reading, felt.budget
    return {
        "from": before,
        "to": budget.level,
        "level": budget.level,
        "reason": budget.reason,
        "zone": reading.zone,
        "temperature_c": _rounded(reading.temperature_c),
        "limit_c": _rounded(reading.limit_c),
        "power_w": _rounded(reading.power_w),
        # What goes out: nothing in a pause; None for all that the camera gives.
        "frames_per_s": 0.0 if budget.paused else _rounded(budget.frames_per_s),
        "detect_every": budget.detect_every,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
