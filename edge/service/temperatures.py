"""Temperatures as the kernel gives them; what cannot be read is None, never a number.

On Orin Nano the zones cv0 to cv2 always answer EAGAIN, and tj may be empty.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from faceguard.engines.closing import Closing

_THERMAL = Path("/sys/class/thermal")
_ZONE = "thermal_zone"
_COLDEST_C = -40.0
_HOTTEST_C = 150.0
_PERIOD_S = 1.0
_LET_GO_S = 0.2
_TOO_OLD_NS = 10_000_000_000
_LONGEST_READING = 64


def read_temperatures(root: Path = _THERMAL) -> dict[str, float | None]:
    """All zones by their type, in degrees Celsius.

    Args:
        root: Folder of the zones.

    Returns:
        The type of each zone ("cpu-thermal"; a second of one type gets "-2") and its temperature;
        None where it cannot be read, says nothing, or cannot be true.
    """
    return {name: _celsius(zone / "temp") for name, zone in _zones(root).items()}


class Thermometer(Closing):
    """Reads all zones once a second in a thread of its own: a read may hang and nobody waits."""

    def __init__(
        self, root: Path = _THERMAL, *, clock_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """Sets up; `start` lets it read.

        Args:
            root: Folder of the zones.
            clock_ns: Monotonic nanoseconds; for tests.
        """
        self._root = root
        self._clock_ns = clock_ns
        self._end = threading.Event()
        # Replaced whole and never changed, so that no lock is needed.
        self._read: dict[str, tuple[float | None, int]] = {}
        self._thread = threading.Thread(target=self._work, name="thermometer", daemon=True)

    def start(self) -> None:
        """Lets it begin."""
        self._thread.start()

    @property
    def latest(self) -> dict[str, float | None]:
        """All zones as of the last seconds; None where the last reading is over 10 s old."""
        oldest_ns = self._clock_ns() - _TOO_OLD_NS
        return {
            name: value if read_ns >= oldest_ns else None
            for name, (value, read_ns) in self._read.items()
        }

    def close(self) -> None:
        """Ends the thread; one that hangs in a read is left behind and dies with the process."""
        self._end.set()
        if self._thread.ident is not None:
            self._thread.join(_LET_GO_S)

    def _work(self) -> None:
        while not self._end.is_set():
            zones = _zones(self._root)
            self._read = {name: read for name, read in self._read.items() if name in zones}
            for name, zone in zones.items():
                value = _celsius(zone / "temp")
                self._read = {**self._read, name: (value, self._clock_ns())}
            self._end.wait(_PERIOD_S)


def _zones(root: Path) -> dict[str, Path]:
    """The zones' folders by unique names, in the order of their numbers."""
    try:
        found = [path for path in root.iterdir() if path.name.startswith(_ZONE)]
    except OSError:
        return {}
    found.sort(key=lambda path: (len(path.name), path.name))
    named: dict[str, Path] = {}
    for path in found:
        kind = _text(path / "type") or path.name
        name, count = kind, 1
        while name in named:
            count += 1
            name = f"{kind}-{count}"
        named[name] = path
    return named


def _celsius(path: Path) -> float | None:
    try:
        value_c = int(_text(path) or "") / 1000
    except ValueError:
        return None
    return value_c if _COLDEST_C <= value_c <= _HOTTEST_C else None


def _text(path: Path) -> str | None:
    """A short file's content, or None where it cannot be read."""
    # Not open().read(): where the kernel answers EAGAIN, that raises a TypeError.
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(handle, _LONGEST_READING).decode("utf-8", "replace").strip()
    except OSError:
        return None
    finally:
        os.close(handle)
