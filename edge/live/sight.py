"""Temperatures that were believed and are not any more: told once, and once when they are again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from faceguard.edge.events import Event
from faceguard.edge.heat.felt import Felt
from faceguard.edge.service.quiet import Quiet

_log = logging.getLogger(__name__)
# A read that fails now and then is no loss, and one that works now and then is no sensor.
_LOST_NS = 3_000_000_000
_BACK_NS = 10_000_000_000
_MOST_ZONES = 64
_ALL = "all"


@dataclass
class _Seen:
    """One thing to see: a zone, or any zone at all.

    Attributes:
        lost: Why it is not seen; None while it is.
        since_ns: Since when it is otherwise.
    """

    lost: str | None = None
    since_ns: int | None = None

    def turns(self, why: str | None, now_ns: int) -> bool:
        """Takes in why it is not seen now, if it is not; whether that has been so for long."""
        if (why is None) == (self.lost is None):
            self.lost, self.since_ns = why, None
            return False
        if self.since_ns is None:
            self.since_ns = now_ns
        if now_ns - self.since_ns < (_BACK_NS if why is None else _LOST_NS):
            return False
        self.lost, self.since_ns = why, None
        return True


class Sight:
    """Looks once a second. A zone that never gave a value is not missed."""

    def __init__(self, quiet: Quiet, on_event: Callable[[Event], None]) -> None:
        """Has seen nothing yet.

        Args:
            quiet: Who logs.
            on_event: Takes the events.
        """
        self._quiet = quiet
        self._on_event = on_event
        self._whole = _Seen()
        self._zones: dict[str, _Seen] = {}

    @property
    def lost(self) -> dict[str, str]:
        """Why zones that were believed are not, by name."""
        return {name: seen.lost for name, seen in self._zones.items() if seen.lost is not None}

    def look(self, felt: Felt, now_ns: int) -> None:
        """Tells what has changed.

        Args:
            felt: What was felt last.
            now_ns: Monotonic nanoseconds.
        """
        reading = felt.reading
        blind = reading.blind if reading.has_sensors else None
        if self._whole.turns(blind, now_ns):
            self._tell_of_all(blind)
        if blind is not None:
            # That says it for each of them.
            for seen in self._zones.values():
                seen.since_ns = None
            return
        temperatures_c = felt.temperatures_c
        for name, value_c in temperatures_c.items():
            if value_c is not None and len(self._zones) < _MOST_ZONES:
                self._zones.setdefault(name, _Seen())
        for name, seen in self._zones.items():
            why = None if temperatures_c.get(name) is not None else _why(felt, name)
            if seen.turns(why, now_ns):
                self._tell_of(name, why)

    def _tell_of(self, name: str, why: str | None) -> None:
        if why is None:
            self._on_event(Event("sensor-back", {"zone": name}))
            self._quiet.say(_log, logging.INFO, f"back {name}", f"{name} is believed again")
            return
        self._on_event(Event("sensor-lost", {"zone": name, "reason": why}))
        words = f"{name} is not believed: {why}"
        self._quiet.say(_log, logging.WARNING, f"lost {name}", words)

    def _tell_of_all(self, why: str | None) -> None:
        if why is None:
            self._on_event(Event("seeing"))
            words = "there is a temperature to go by again"
            self._quiet.say(_log, logging.INFO, f"back {_ALL}", words)
            return
        self._on_event(Event("blind", {"reason": why}))
        words = f"no temperature is believed: {why}"
        self._quiet.say(_log, logging.WARNING, f"lost {_ALL}", words)


def _why(felt: Felt, name: str) -> str:
    zone = felt.survey.zones.get(name)
    said = None if zone is None else zone.temperature_c.reason
    return felt.doubts.get(name) or said or "gone"
