"""What was felt: each sensor's value or why there is none, and what is believed of it all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

COLDEST_C, HOTTEST_C = -40.0, 150.0
"""A temperature outside of these cannot be true."""
LEAST_TRIP_C = 40.0
"""A trip point below this stands for none: PCs report 0 or -274 there, and 20 for "unused"."""
NOT_LISTED = frozenset({"thermal zones", "hardware monitors"})
"""Names that stand in a survey for all zones there may be, where they could not be listed."""


@dataclass(frozen=True)
class Sensed:
    """One sensor's answer: a value, or why there is none. Missing is not 0.

    Attributes:
        value: In the unit that its place says; None where there is none.
        reason: Why there is none, in a few words: "busy (EAGAIN)", "empty", "no number",
            "absurd (-274)", "slow", "gone", "old"; None where there is a value.
    """

    value: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Zone:
    """A place whose temperature is measured.

    Attributes:
        temperature_c: Degrees Celsius.
        trip_c: The lowest temperature at which the kernel would act on its own (trip points of the
            types passive, hot and critical; those called active only turn a fan on); None where
            it reports none that can be meant.
    """

    temperature_c: Sensed
    trip_c: float | None = None


@dataclass(frozen=True)
class Survey:
    """Everything that was read in one second.

    Attributes:
        zones: By name: the type of a thermal zone ("gpu-thermal"; a second of one type gets "-2"),
            "coretemp Package id 0" for hwmon, "nvml 0" for a discrete GPU. Empty where the machine
            has none.
        rails_w: Power by rail ("VDD_IN"), watts.
        gpu_load: Share of the GPU that is busy, 0 to 1.
        fan: Share of the fan's full speed that is asked for, 0 to 1.
        throttling: Names of the throttles of kernel and hardware that are at work.
        over_current: How often the board was throttled for over-current since it was started.
        mode: Name of the power mode ("15W"); None where the machine has none.
    """

    zones: Mapping[str, Zone] = field(default_factory=dict)
    rails_w: Mapping[str, Sensed] = field(default_factory=dict)
    gpu_load: Sensed = Sensed()
    fan: Sensed = Sensed()
    throttling: tuple[str, ...] = ()
    over_current: Sensed = Sensed()
    mode: str | None = None


@dataclass(frozen=True)
class Reading:
    """What is believed, and all that the governor knows of the world.

    Attributes:
        zone: The zone that is nearest to its limit; None where no zone is believed.
        temperature_c: Its temperature.
        limit_c: Its limit: the configured one, or less where the kernel has a trip point near.
        power_w: What the board draws; None where that is not known.
        throttled: What throttles now, or has since the last reading, in words: "over-current",
            "gpu-throttle-alert"; None while nothing does.
        has_sensors: Whether this machine ever had a zone at all, even one that never answered; or
            whether it has one cannot be told now.
        blind: Why no zone is believed; None while one is.
    """

    zone: str | None = None
    temperature_c: float | None = None
    limit_c: float | None = None
    power_w: float | None = None
    throttled: str | None = None
    has_sensors: bool = False
    blind: str | None = "not read yet"

    @property
    def excess_c(self) -> float | None:
        """Degrees above the limit, negative below; None while blind."""
        if self.temperature_c is None or self.limit_c is None:
            return None
        return self.temperature_c - self.limit_c

    @property
    def words(self) -> str:
        """The zone, its temperature and its limit, for people."""
        if self.temperature_c is None:
            return "no temperature"
        return f"{self.zone} at {self.temperature_c:.1f} of {self.limit_c:g} C"
