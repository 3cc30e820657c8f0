"""The kernel's thermal zones, by what they are and never by their number, and their trip points."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from faceguard.edge.heat.reading import Sensed, Survey, Zone
from faceguard.edge.heat.sensing.source import Found, Kept, Known, celsius, lowest_trip
from faceguard.engines.sysfs import GONE, ask, ask_number, names_in

THERMAL = Path("sys/class/thermal")
"""Where the kernel lists zones and cooling devices, below the root."""

NOTICES = frozenset({"hot-surface-alert"})
"""Cooling devices that cool nothing and only tell: the case is too hot to be touched."""

_TRIPS_EVERY_NS = 60_000_000_000
_ACTIVE_TRIPS = ("passive", "hot", "critical")
_UNBOUND = -1


class TemperatureSource:
    """One file with millidegrees, and the trip points that belong to it."""

    def __init__(
        self,
        name: str,
        path: Path,
        read_trip_c: Callable[[Known], float | None],
        clock_ns: Callable[[], int],
    ) -> None:
        """Reads nothing yet.

        Args:
            name: Of the zone, in the survey.
            path: The file with its temperature.
            read_trip_c: Reads its lowest trip point; called once a minute, and with each
                temperature while files fail that never answered.
            clock_ns: Monotonic nanoseconds.
        """
        self._name = name
        self._path = path
        self._known = Known()
        self._trip_c = Kept(partial(read_trip_c, self._known), _TRIPS_EVERY_NS, clock_ns)

    @property
    def unread(self) -> Survey:
        """The zone without a temperature."""
        return Survey(zones={self._name: Zone(Sensed(None, "not read yet"))})

    def read(self) -> Survey:
        """Its temperature."""
        trip_c = self._trip_c.get()
        if self._known.lacks:
            self._known.lacks = False
            self._trip_c.forget()
        return Survey(zones={self._name: Zone(celsius(ask_number(self._path)), trip_c)})

    def forget_trips(self) -> None:
        """Has the trip points read again with the next temperature."""
        self._trip_c.forget()


def find_zones(root: Path, clock_ns: Callable[[], int]) -> list[Found] | None:
    """All thermal zones; None where they could not be listed.

    Args:
        root: Where `sys` is.
        clock_ns: Monotonic nanoseconds.
    """
    top = root / THERMAL
    names = names_in(top)
    if names is None:
        return None
    found = []
    for folder in (top / name for name in names if name.startswith("thermal_zone")):
        kind = ask(folder / "type")
        if kind.reason == GONE:
            continue
        name = kind.text or folder.name
        make = partial(_make, folder=folder, clock_ns=clock_ns)
        found.append(Found(f"{folder.name} {name}", name, make))
    return found


def lowest_trip_c(zone: Path, known: Known | None = None) -> float | None:
    """The temperature at which the kernel begins to act on a zone; None where it never does.

    A passive trip point to which only a notice is bound counts for nothing: on Orin boards that is
    the one at 70 degrees, while throttling begins at 99.

    Args:
        zone: The folder of the zone.
        known: What its files said before, for those that fail now.
    """
    known = known or Known()
    names = known.names(zone)
    bound = _bound(zone, names, known)
    trips_c = []
    for name in names:
        number = name.removeprefix("trip_point_").removesuffix("_type")
        if name != f"trip_point_{number}_type" or not number.isdecimal():
            continue
        kind = known.text(zone / name)
        # The drivers of some PCs call a type by more than one word.
        if kind not in _ACTIVE_TRIPS:
            continue
        cooling = bound.get(int(number))
        if kind == "passive" and cooling and cooling <= NOTICES:
            continue
        trips_c.append(celsius(known.number(zone / f"trip_point_{number}_temp")).value)
    return lowest_trip(trips_c)


def _bound(zone: Path, names: list[str], known: Known) -> dict[int, set[str]]:
    """The types of the cooling devices that the kernel uses at each trip point."""
    found: dict[int, set[str]] = {}
    for name in names:
        device = name.removesuffix("_trip_point")
        if device == name or not device.startswith("cdev"):
            continue
        trip = known.number(zone / name).value
        if trip is not None and trip != _UNBOUND:
            kind = known.text(zone / device / "type")
            found.setdefault(int(trip), set()).add(kind or "unknown")
    return found


def _make(name: str, folder: Path, clock_ns: Callable[[], int]) -> TemperatureSource:
    return TemperatureSource(name, folder / "temp", partial(lowest_trip_c, folder), clock_ns)
