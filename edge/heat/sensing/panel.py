"""All sensors that the machine has, looked at once, and what each of them said last."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from faceguard.edge.heat.reading import Sensed, Survey, Zone
from faceguard.edge.heat.sensing.board import GpuLoadSource, ModeSource, ThrottleSource
from faceguard.edge.heat.sensing.hwmon import find_monitors
from faceguard.edge.heat.sensing.nvml import NvmlSource
from faceguard.edge.heat.sensing.source import Found, Source, joined, without_values
from faceguard.edge.heat.sensing.turns import Turns, failed_as
from faceguard.edge.heat.sensing.zones import TemperatureSource, find_zones
from faceguard.engines.sysfs import GONE

_LIST_EVERY_NS = 5_000_000_000
_OLD_NS = 3_000_000_000
_FORGOTTEN_NS = 60_000_000_000
_THREADS = "sensors reader"
_ZONES, _MONITORS, _NVML = "list of zones", "list of monitors", "nvml"
_ALL_ZONES, _ALL_MONITORS = "thermal zones", "hardware monitors"
_SLOW, _NOT_LISTED = "slow", "cannot be listed"


class Panel:
    """Finds sensors and reads them. One thread looks; any thread may ask for the survey."""

    def __init__(
        self, root: Path, end: threading.Event, clock_ns: Callable[[], int], *, nvml: bool
    ) -> None:
        """Reads nothing yet.

        Args:
            root: Where `sys`, `etc` and `var` are.
            end: When it is set, a look ends early.
            clock_ns: Monotonic nanoseconds.
            nvml: Whether discrete GPUs are asked; they are the machine's, whatever the root is.
        """
        self._root = root
        self._clock_ns = clock_ns
        self._turns = Turns(_THREADS, end)
        self._nvml = NvmlSource(clock_ns) if nvml else None
        # A Jetson's own load comes before that of the library, since the first one counts.
        self._board: dict[str, Source] = {
            "GPU load": GpuLoadSource(root),
            "throttles": ThrottleSource(root, clock_ns),
            "mode": ModeSource(root, clock_ns),
        }
        if self._nvml is not None:
            self._board[_NVML] = self._nvml
        self._zones: list[Found] | None = None
        self._monitors: list[Found] | None = None
        self._list_at_ns: int | None = None
        self._named: dict[str, tuple[str, Source]] = {}
        self._gone_ns: dict[str, int] = {}
        # Replaced whole and never changed, so that no lock is needed.
        self._parts: dict[str, tuple[Survey, int]] = {}
        self._unlisted: dict[str, str] = {}
        self._trouble: str | None = None

    def look(self, limit_s: float, *, at_once: bool = False) -> None:
        """Reads everything; takes twice the limit where much hangs at the same time.

        Args:
            limit_s: What takes longer is slow, and is left out until it comes back.
            at_once: Everything in threads of its own, so that one limit is enough for all.
        """
        now_ns = self._clock_ns()
        if self._list_at_ns is None or now_ns >= self._list_at_ns:
            self._list_at_ns = now_ns + _LIST_EVERY_NS
            self._list(limit_s / 2, now_ns)
        sources = {key: source for key, (_, source) in self._named.items()} | self._board
        jobs = {
            key: partial(_read, source)
            for key, source in sources.items()
            if key not in self._gone_ns
        }
        done = self._turns.go(jobs, limit_s, at_once=at_once)
        hanging = self._turns.hanging
        parts: dict[str, tuple[Survey, int]] = {}
        # Not to know whether there are zones is not to have none.
        if self._zones is None:
            parts[_ZONES] = (_unknown(_ALL_ZONES, self._why_unlisted(_ZONES)), now_ns)
        elif self._monitors is None and not self._zones:
            parts[_MONITORS] = (_unknown(_ALL_MONITORS, self._why_unlisted(_MONITORS)), now_ns)
        for key, source in sources.items():
            before, read_ns = self._parts.get(key, (source.unread, now_ns))
            if key in self._gone_ns:
                parts[key] = (without_values(before, GONE), now_ns)
            elif key in done:
                parts[key] = (done[key], now_ns)
                if _says_gone(done[key]):
                    self._list_at_ns = now_ns
            elif key in hanging:
                parts[key] = (without_values(before, _SLOW), now_ns)
            elif key in self._parts:
                parts[key] = (before, read_ns)
        self._parts = parts
        self._trouble = None

    def fail(self, error: Exception) -> None:
        """Has the survey say that a look failed, once its values are old, until one succeeds."""
        self._trouble = failed_as(error)

    def survey(self) -> Survey:
        """What was read last; what is too old has no value."""
        oldest_ns, trouble, parts = self._clock_ns() - _OLD_NS, self._trouble, self._parts
        if trouble is not None and not parts:
            return _unknown(_ALL_ZONES, trouble)
        return joined(
            part if read_ns >= oldest_ns else without_values(part, trouble or "old")
            for part, read_ns in parts.values()
        )

    def end(self, limit_s: float) -> None:
        """Lets drivers go. What hangs is left behind.

        Args:
            limit_s: How long that may take.
        """
        self._turns.let_go(limit_s)
        if self._nvml is not None and _NVML not in self._turns.hanging:
            # Turns of their own: those of the looks have been told to end.
            Turns(_THREADS, threading.Event()).go({"end": self._nvml.end}, limit_s)

    def _list(self, limit_s: float, now_ns: int) -> None:
        # First the zones, since monitors that show zones once more are left out.
        zones = self._turns.go(
            {_ZONES: partial(find_zones, self._root, self._clock_ns)}, limit_s
        ).get(_ZONES)
        self._unlisted = dict(self._turns.failed)
        self._zones = self._zones if zones is None else zones
        kinds = {found.name for found in self._zones or []}
        monitors = self._turns.go(
            {_MONITORS: partial(find_monitors, self._root, self._clock_ns, kinds)}, limit_s
        ).get(_MONITORS)
        self._unlisted.update(self._turns.failed)
        self._monitors = self._monitors if monitors is None else monitors
        self._adopt([*(self._zones or []), *(self._monitors or [])], now_ns)

    def _why_unlisted(self, what: str) -> str:
        return _SLOW if what in self._turns.hanging else self._unlisted.get(what, _NOT_LISTED)

    def _adopt(self, found: list[Found], now_ns: int) -> None:
        """Takes in what is new and keeps what is gone for a while."""
        keys = {each.key for each in found}
        gone = {key: self._gone_ns.get(key, now_ns) for key in self._named if key not in keys}
        new = [each for each in found if each.key not in self._named]
        for each in new:
            name = _free(each.name, (name for key, (name, _) in self._named.items() if key in keys))
            # It came back as another one: it takes its place.
            gone = {key: since for key, since in gone.items() if self._named[key][0] != name}
            self._named[each.key] = (name, each.make(name))
        changed = bool(new) or gone.keys() != self._gone_ns.keys()
        self._gone_ns = {
            key: since for key, since in gone.items() if now_ns - since < _FORGOTTEN_NS
        }
        self._named = {
            key: named for key, named in self._named.items() if key in keys or key in self._gone_ns
        }
        if changed:
            for _, source in self._named.values():
                if isinstance(source, TemperatureSource):
                    source.forget_trips()


def _read(source: Source) -> Survey:
    try:
        return source.read()
    except Exception as error:  # noqa: BLE001 - one sensor's fault must not blind all others
        return without_values(source.unread, failed_as(error))


def _unknown(name: str, reason: str) -> Survey:
    return Survey(zones={name: Zone(Sensed(None, reason))})


def _free(wanted: str, taken: Iterable[str]) -> str:
    """The name, or the first of name-2, name-3 that no other one has."""
    names = set(taken)
    name, count = wanted, 1
    while name in names:
        count += 1
        name = f"{wanted}-{count}"
    return name


def _says_gone(part: Survey) -> bool:
    zones = (zone.temperature_c for zone in part.zones.values())
    return any(sensed.reason == GONE for sensed in (*zones, *part.rails_w.values()))
