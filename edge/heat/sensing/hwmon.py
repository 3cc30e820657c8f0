"""The kernel's hardware monitors: processors of PCs, fan, power, and throttling for current."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from faceguard.edge.heat.reading import Sensed, Survey
from faceguard.edge.heat.sensing.source import Found, Known, Source, celsius, lowest_trip
from faceguard.edge.heat.sensing.zones import TemperatureSource
from faceguard.engines.power import Rail, monitor_rails
from faceguard.engines.sysfs import ask, ask_number, names_in

_HWMON = Path("sys/class/hwmon")
_PROCESSORS = frozenset({"coretemp", "k10temp", "zenpower", "cpu_thermal"})
_FAN = "pwmfan"
_FULL_SPEED = 255.0
_OVER_CURRENT = "soctherm_oc"


class RailSource:
    """The power of one rail."""

    def __init__(self, name: str, rail: Rail) -> None:
        """Reads nothing yet.

        Args:
            name: Of the rail, in the survey.
            rail: What to read.
        """
        self._name = name
        self._rail = rail

    @property
    def unread(self) -> Survey:
        """The rail without a power."""
        return Survey(rails_w={self._name: Sensed(None, "not read yet")})

    def read(self) -> Survey:
        """Its power."""
        return Survey(rails_w={self._name: Sensed(*self._rail.watts())})


class FanSource:
    """What is asked of the fan: `pwm1`, 0 to 255."""

    unread = Survey(fan=Sensed(None, "not read yet"))

    def __init__(self, folder: Path) -> None:
        """Reads nothing yet.

        Args:
            folder: Of the monitor.
        """
        self._path = folder / "pwm1"

    def read(self) -> Survey:
        """Its speed."""
        value, reason = ask_number(self._path)
        if value is None:
            return Survey(fan=Sensed(None, reason))
        if not 0 <= value <= _FULL_SPEED:
            return Survey(fan=Sensed(None, f"absurd ({value:g})"))
        return Survey(fan=Sensed(value / _FULL_SPEED))


class OverCurrentSource:
    """How often the board was throttled: too little voltage, too much current, too much at once."""

    unread = Survey(over_current=Sensed(None, "not read yet"))

    def __init__(self, counters: list[Path]) -> None:
        """Reads nothing yet.

        Args:
            counters: The files to be added up.
        """
        self._counters = counters

    def read(self) -> Survey:
        """The sum of all counters."""
        total = 0.0
        for path in self._counters:
            value, reason = ask_number(path)
            # A sum that leaves one out would look as if fewer had happened.
            if value is None:
                return Survey(over_current=Sensed(None, reason))
            total += value
        return Survey(over_current=Sensed(total))


def find_monitors(
    root: Path, clock_ns: Callable[[], int], zones: Collection[str] = ()
) -> list[Found] | None:
    """All that the monitors tell and that is wanted; None where they could not be listed.

    Args:
        root: Where `sys` is.
        clock_ns: Monotonic nanoseconds.
        zones: Types of the thermal zones: the kernel shows some of them as monitors once more.
    """
    top = root / _HWMON
    names = names_in(top)
    if names is None:
        return None
    # The kernel makes such a monitor's name from the zone's type, with _ for -.
    wanted = _PROCESSORS - {kind.replace("-", "_") for kind in zones}
    found: list[Found] = []
    for folder in (top / name for name in names if name.startswith("hwmon")):
        kind = ask(folder / "name").text
        if kind in wanted:
            found += _temperatures(folder, kind, clock_ns)
        elif kind == _FAN:
            found.append(_one(folder, "fan", FanSource(folder)))
        elif kind == _OVER_CURRENT:
            found.append(_one(folder, "over-current", OverCurrentSource(_counters(folder))))
        else:
            found += [
                Found(f"{folder.name} {rail.name}", rail.name, partial(RailSource, rail=rail))
                for rail in monitor_rails(folder)
            ]
    return found


def _one(folder: Path, what: str, source: Source) -> Found:
    """What there is one of: a second one would say the same of something else."""
    return Found(f"{folder.name} {what}", what, lambda _name: source)


def _temperatures(folder: Path, chip: str, clock_ns: Callable[[], int]) -> list[Found]:
    found = []
    for file in names_in(folder) or []:
        channel = file.removesuffix("_input")
        if channel == file or not channel.startswith("temp"):
            continue
        label = ask(folder / f"{channel}_label").text or channel
        make = partial(
            TemperatureSource,
            path=folder / file,
            read_trip_c=partial(_lowest_limit_c, folder, channel),
            clock_ns=clock_ns,
        )
        found.append(Found(f"{folder.name} {chip} {channel}", f"{chip} {label}", make))
    return found


def _lowest_limit_c(folder: Path, channel: str, known: Known) -> float | None:
    """Where the chip itself would act; a value of the sort that means "none" is left out."""
    paths = [folder / f"{channel}_{limit}" for limit in ("max", "crit")]
    return lowest_trip(celsius(known.number(path)).value for path in paths)


def _counters(folder: Path) -> list[Path]:
    names = names_in(folder) or []
    return [
        folder / name for name in names if name.startswith("oc") and name.endswith("_event_cnt")
    ]
