"""Changes of level, told: each as an event, and as few lines in the log as say the same."""

from __future__ import annotations

import logging
from collections.abc import Callable

from faceguard.edge.events import Event, Value
from faceguard.edge.heat.felt import Felt
from faceguard.edge.meters import Meters

_log = logging.getLogger(__name__)
_LINE_EVERY_NS = 60_000_000_000
_HOPELESS_NS = 600_000_000_000


class Levels:
    """Looks at the level once a second.

    On the way down a level may go each second. Each is an event; the log has a line for the first,
    and then one in a minute at most, from the level that the last line told of. What begins or
    ends a pause, and that all is allowed again, is said at once.
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
        self._power_since_ns: int | None = None
        self._trouble: str | None = None

    @property
    def trouble(self) -> str | None:
        """That the limit of power leaves nothing to go out, however long; None while it does."""
        return self._trouble

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
        is_turn = felt.budget.paused != self._was_paused or level == 0
        is_soon = self._said_ns is not None and now_ns - self._said_ns < _LINE_EVERY_NS
        if level != self._said and (is_turn or not is_soon):
            self._say(felt)
            self._said, self._said_ns = level, now_ns
        self._was_paused = felt.budget.paused
        self._look_for_hope(felt, now_ns)

    def _look_for_hope(self, felt: Felt, now_ns: int) -> None:
        """A pause for power that does not end: waiting helps with heat, and not with that."""
        if not (felt.budget.paused and felt.budget.reason.startswith("power:")):
            self._power_since_ns = self._trouble = None
            return
        if self._power_since_ns is None:
            self._power_since_ns = now_ns
        if self._trouble is None and now_ns - self._power_since_ns >= _HOPELESS_NS:
            power_w = felt.reading.power_w
            now = "" if power_w is None else f" ({power_w:.1f} W now)"
            self._trouble = (
                f"thermal.power_limit_w is below what the board draws without any frame{now}; "
                "raise it"
            )
            _log.warning("%s", self._trouble)

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
        "paused": budget.paused,
        # None for all that the camera gives, and in a pause.
        "frames_per_s": _rounded(budget.frames_per_s),
        "detect_every": budget.detect_every,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
