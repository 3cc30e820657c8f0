"""Discrete GPUs, through NVIDIA's management library, where it and its Python package are there."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

from faceguard.edge.heat.reading import Sensed, Survey, Zone
from faceguard.edge.heat.sensing.source import Kept, believable, joined, lowest_trip, without_values
from faceguard.engines.sysfs import GONE

_TRY_AGAIN_NS = 30_000_000_000
_TRIPS_EVERY_NS = 60_000_000_000
_FULL_LOAD = 100.0

# The library's own numbers, which do not change: nvmlReturn_t, nvmlTemperatureSensors_t,
# nvmlTemperatureThresholds_t.
_NOT_SUPPORTED, _DRIVER_NOT_LOADED, _LIBRARY_NOT_FOUND = 3, 9, 12
_FUNCTION_NOT_FOUND, _GPU_IS_LOST = 13, 15
_ON_THE_CHIP = 0
_SLOWDOWN = 1


class NvmlSource:
    """All GPUs that the library offers: temperature, power and load.

    The package is imported and the library begun at the first reading, since either may hang. A
    machine without them, without a driver or with a GPU that has no such sensors, has no zone.
    """

    def __init__(self, clock_ns: Callable[[], int]) -> None:
        """Imports nothing yet.

        Args:
            clock_ns: Monotonic nanoseconds.
        """
        self._clock_ns = clock_ns
        self._library: ModuleType | None = None
        self._devices: list[_Device] = []
        self._begun = False
        # Looking for what is not there costs more than all the rest, so it is done now and then.
        self._looked = Kept(self._begin, _TRY_AGAIN_NS, clock_ns)

    @property
    def unread(self) -> Survey:
        """One GPU without a temperature: where the library hangs at once, there likely is one."""
        return Survey(zones={"nvml 0": Zone(Sensed(None, "not read yet"))})

    def read(self) -> Survey:
        """What the GPUs say now."""
        if not self._begun:
            failed = self._looked.get()
            if not self._begun:
                return failed
        return joined(device.read() for device in self._devices)

    def end(self) -> None:
        """Lets the driver go; may hang."""
        if self._begun and self._library is not None:
            self._begun = False
            self._devices = []
            self._looked.forget()
            _ask(self._library, "nvmlShutdown")

    def _begin(self) -> Survey:
        """Looks for GPUs; returns what is to be said where it cannot."""
        try:
            library = self._library = importlib.import_module("pynvml")
        except ImportError:
            return Survey()
        _, code = _ask(library, "nvmlInit")
        if code in (_LIBRARY_NOT_FOUND, _DRIVER_NOT_LOADED):
            return Survey()
        if code is None:
            count, code = _ask(library, "nvmlDeviceGetCount")
            if code is None:
                self._devices = [_Device(library, index, self._clock_ns) for index in range(count)]
                self._begun = True
                return Survey()
            _ask(library, "nvmlShutdown")
        # There are a library and a driver, and so most likely a GPU; blind is not cold.
        return without_values(self.unread, _reason(code))


class _Device:
    """One GPU."""

    def __init__(self, library: ModuleType, index: int, clock_ns: Callable[[], int]) -> None:
        self._library = library
        self._name = f"nvml {index}"
        self._index = index
        self._handle: Any = None
        self._trip_c = Kept(self._read_trip_c, _TRIPS_EVERY_NS, clock_ns)
        # What this GPU has no sensor for; it will never have one.
        self._lacks: set[str] = set()

    def read(self) -> Survey:
        """Its part of the survey."""
        if self._handle is None:
            self._handle, code = _ask(self._library, "nvmlDeviceGetHandleByIndex", self._index)
            if code is not None:
                return Survey(zones={self._name: Zone(Sensed(None, _reason(code)))})
        degrees = self._sensed("nvmlDeviceGetTemperature", float, _ON_THE_CHIP)
        power_w = self._sensed("nvmlDeviceGetPowerUsage", lambda milliwatts: milliwatts / 1000)
        load = self._sensed("nvmlDeviceGetUtilizationRates", lambda rates: rates.gpu / _FULL_LOAD)
        if degrees is not None and degrees.value is not None:
            degrees = believable(degrees.value)
        return Survey(
            zones={} if degrees is None else {self._name: Zone(degrees, self._trip_c.get())},
            rails_w={} if power_w is None else {self._name: power_w},
            gpu_load=Sensed() if load is None else load,
        )

    def _sensed(self, what: str, convert: Callable[[Any], float], *arguments: int) -> Sensed | None:
        """One value; None where this GPU has none of the kind."""
        if what in self._lacks:
            return None
        value, code = _ask(self._library, what, self._handle, *arguments)
        if code in (_NOT_SUPPORTED, _FUNCTION_NOT_FOUND):
            self._lacks.add(what)
            return None
        return Sensed(convert(value)) if code is None else Sensed(None, _reason(code))

    def _read_trip_c(self) -> float | None:
        """Where the GPU slows itself down; None where it does not say."""
        value, code = _ask(
            self._library, "nvmlDeviceGetTemperatureThreshold", self._handle, _SLOWDOWN
        )
        return lowest_trip([float(value)]) if code is None else None


def _ask(library: ModuleType, function: str, *arguments: object) -> tuple[Any, int | None]:
    """What a function of the library returns, and None; or None and the number of its error."""
    try:
        return getattr(library, function)(*arguments), None
    except library.NVMLError as error:
        return None, int(error.value)


def _reason(code: int | None) -> str:
    return GONE if code == _GPU_IS_LOST else f"failed (NVML {code})"
