"""What every sensor has in common: it gives its part of a survey, or says why it cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from faceguard.edge.heat.reading import COLDEST_C, HOTTEST_C, LEAST_TRIP_C, Sensed, Survey, Zone
from faceguard.engines.sysfs import GONE, Number, ask, ask_number, names_in

T = TypeVar("T")


class Source(Protocol):
    """One sensor, or several behind one driver. Whoever reads it has one thread in it at a time."""

    @property
    def unread(self) -> Survey:
        """Its part before the first answer: the names of what it will give."""
        ...

    def read(self) -> Survey:
        """Its part now; may hang."""
        ...


@dataclass(frozen=True)
class Found:
    """A sensor that a look around has found.

    Attributes:
        key: Tells it from all others; the same at each look as long as it is the same sensor.
        name: What it should be called; another one may have that name already.
        make: Makes its source, given a name that no other one has.
    """

    key: str
    name: str
    make: Callable[[str], Source]


class Kept(Generic[T]):
    """A value that changes rarely, made anew after a while."""

    def __init__(self, make: Callable[[], T], period_ns: int, clock_ns: Callable[[], int]) -> None:
        """Makes nothing yet.

        Args:
            make: Makes the value.
            period_ns: After so long it is made anew.
            clock_ns: Monotonic nanoseconds.
        """
        self._make = make
        self._period_ns = period_ns
        self._clock_ns = clock_ns
        self._kept: tuple[T, int] | None = None

    def get(self) -> T:
        """The value."""
        now_ns = self._clock_ns()
        if self._kept is None or now_ns - self._kept[1] >= self._period_ns:
            self._kept = (self._make(), now_ns)
        return self._kept[0]

    def forget(self) -> None:
        """Has it made anew at the next call; any thread may say so."""
        self._kept = None


class Known:
    """What files said; where one fails to answer, what it said last. Only an absent one is none.

    Attributes:
        lacks: Whether some file failed that never answered before; to be set to False before.
    """

    def __init__(self) -> None:
        """Knows nothing yet."""
        self.lacks = False
        self._texts: dict[Path, str] = {}
        self._numbers: dict[Path, float] = {}
        self._names: dict[Path, list[str]] = {}

    def text(self, path: Path) -> str | None:
        """The text of a short file; None where it is absent, or never answered."""
        text, reason = ask(path)
        return self._last(self._texts, path, text, reason)

    def number(self, path: Path) -> Number:
        """The whole number in a short file; a reason where it is absent, or never gave one."""
        value, reason = ask_number(path)
        return Number(self._last(self._numbers, path, value, reason), reason)

    def names(self, folder: Path) -> list[str]:
        """What stands in a folder."""
        names = names_in(folder)
        return self._last(self._names, folder, names, None) or []

    def _last(
        self, known: dict[Path, T], path: Path, value: T | None, reason: str | None
    ) -> T | None:
        if value is not None:
            known[path] = value
        elif reason == GONE:
            known.pop(path, None)
        elif path not in known:
            self.lacks = True
        return known.get(path)


def celsius(millidegrees: Number) -> Sensed:
    """A temperature from a number of the kernel's, or why it is none."""
    if millidegrees.value is None:
        return Sensed(None, millidegrees.reason)
    return believable(millidegrees.value / 1000)


def believable(value_c: float) -> Sensed:
    """A temperature that electronics can have; else the reason "absurd (-274)"."""
    if COLDEST_C <= value_c <= HOTTEST_C:
        return Sensed(value_c)
    return Sensed(None, f"absurd ({value_c:g})")


def lowest_trip(trips_c: Iterable[float | None]) -> float | None:
    """The lowest of some trip points that can be meant; None where there is none."""
    meant = [c for c in trips_c if c is not None and LEAST_TRIP_C <= c <= HOTTEST_C]
    return min(meant, default=None)


def joined(parts: Iterable[Survey]) -> Survey:
    """One survey of many parts; where two say the same, the first one counts."""
    zones: dict[str, Zone] = {}
    rails_w: dict[str, Sensed] = {}
    throttling: set[str] = set()
    whole = Survey()
    for part in parts:
        for name, zone in part.zones.items():
            zones.setdefault(name, zone)
        for name, power in part.rails_w.items():
            rails_w.setdefault(name, power)
        throttling.update(part.throttling)
        whole = Survey(
            gpu_load=_first(whole.gpu_load, part.gpu_load),
            fan=_first(whole.fan, part.fan),
            over_current=_first(whole.over_current, part.over_current),
            mode=part.mode if whole.mode is None else whole.mode,
        )
    return replace(whole, zones=zones, rails_w=rails_w, throttling=tuple(sorted(throttling)))


def without_values(part: Survey, reason: str) -> Survey:
    """The same things, none of which has a value, for one reason."""
    nothing = Sensed(None, reason)

    def blank(sensed: Sensed) -> Sensed:
        return nothing if _is_there(sensed) else sensed

    return Survey(
        zones=_each(part.zones, lambda zone: replace(zone, temperature_c=nothing)),
        rails_w=_each(part.rails_w, lambda _: nothing),
        gpu_load=blank(part.gpu_load),
        fan=blank(part.fan),
        over_current=blank(part.over_current),
    )


def _first(one: Sensed, other: Sensed) -> Sensed:
    return one if _is_there(one) else other


def _is_there(sensed: Sensed) -> bool:
    """Whether the machine has such a sensor at all."""
    return sensed.value is not None or sensed.reason is not None


def _each(things: Mapping[str, T], change: Callable[[T], T]) -> dict[str, T]:
    return {name: change(thing) for name, thing in things.items()}
