"""What a board tells besides heat: how busy its GPU is, what throttles, and its power mode."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from faceguard.edge.heat.modes.power_mode import read_mode
from faceguard.edge.heat.reading import Sensed, Survey
from faceguard.edge.heat.sensing.source import Kept
from faceguard.edge.heat.sensing.zones import NOTICES, THERMAL
from faceguard.engines.sysfs import GONE, ask, ask_number, names_in

# One GPU under the names that L4T 35 to 39 give it; most have several of them.
_GPU_LOADS = (
    "sys/devices/platform/gpu.0/load",
    "sys/devices/platform/bus@0/17000000.gpu/load",
    "sys/devices/platform/17000000.gpu/load",
    "sys/devices/gpu.0/load",
)
_FULL_LOAD = 1000.0
_ALERT = "-throttle-alert"
_THROTTLES = ("thermal-cpufreq-", "thermal-devfreq-", "cpufreq-", "devfreq-")
_LIST_EVERY_NS = 10_000_000_000
_MODE_EVERY_NS = 10_000_000_000


class GpuLoadSource:
    """How busy a Jetson's GPU is; nothing at all where there is none."""

    unread = Survey()

    def __init__(self, root: Path) -> None:
        """Reads nothing yet.

        Args:
            root: Where `sys` is.
        """
        self._paths = [root / path for path in _GPU_LOADS]
        self._was_there = False

    def read(self) -> Survey:
        """Its load, which the kernel gives in thousandths."""
        for path in self._paths:
            value, reason = ask_number(path)
            if reason == GONE:
                continue
            self._was_there = True
            if value is None:
                return Survey(gpu_load=Sensed(None, reason))
            if not 0 <= value <= _FULL_LOAD:
                return Survey(gpu_load=Sensed(None, f"absurd ({value:g})"))
            return Survey(gpu_load=Sensed(value / _FULL_LOAD))
        return Survey(gpu_load=Sensed(None, GONE)) if self._was_there else Survey()


class ThrottleSource:
    """Which of the kernel's cooling devices slow the board down at the moment."""

    unread = Survey()

    def __init__(self, root: Path, clock_ns: Callable[[], int]) -> None:
        """Reads nothing yet.

        Args:
            root: Where `sys` is.
            clock_ns: Monotonic nanoseconds.
        """
        self._devices = Kept(partial(_throttles, root / THERMAL), _LIST_EVERY_NS, clock_ns)

    def read(self) -> Survey:
        """The types of those that do."""
        at_work = set()
        for kind, path in self._devices.get():
            state, _ = ask_number(path)
            if state is not None and state > 0:
                at_work.add(kind)
        return Survey(throttling=tuple(sorted(at_work)))


class ModeSource:
    """The power mode."""

    unread = Survey()

    def __init__(self, root: Path, clock_ns: Callable[[], int]) -> None:
        """Reads nothing yet.

        Args:
            root: Where `etc` and `var` are.
            clock_ns: Monotonic nanoseconds.
        """
        self._mode = Kept(partial(read_mode, root), _MODE_EVERY_NS, clock_ns)

    def read(self) -> Survey:
        """Its name."""
        mode = self._mode.get()
        return Survey(mode=None if mode is None else mode.name)


def _throttles(top: Path) -> list[tuple[str, Path]]:
    """Type and state of all cooling devices that take speed away; fans and notices do not."""
    found = []
    for name in names_in(top) or []:
        if not name.startswith("cooling_device"):
            continue
        kind = ask(top / name / "type").text or ""
        slows = kind.endswith(_ALERT) or kind.startswith(_THROTTLES)
        if slows and kind not in NOTICES:
            found.append((kind, top / name / "cur_state"))
    return found
