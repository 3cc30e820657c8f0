"""`thermal:`, how hot the camera may get, and what it does about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, field_validator

from faceguard.edge.config.part import STDOUT, Part
from faceguard.edge.heat.felt import Told
from faceguard.edge.heat.settings import GovernorSettings, WithoutSensors

if TYPE_CHECKING:
    from faceguard.edge.config.model import Config
    from faceguard.edge.pipeline import Plan

# An Orin throttles itself from 99 C on; the zones are read once a second, and lag behind the chip.
_LEAST_C, _MOST_C = 40.0, 95.0


class ThermalConfig(Part):
    """Heat and power: what goes when it gets too hot. Redaction never does."""

    limit_c: Annotated[float, Field(ge=_LEAST_C, le=_MOST_C)] = GovernorSettings.limit_c
    """What every zone is kept near or below, degrees Celsius: those of the kernel, of hwmon and of
    discrete GPUs. It is a target; some seconds above it are possible."""
    trip_margin_c: Annotated[float, Field(ge=0, le=30)] = GovernorSettings.trip_margin_c
    """Where the kernel would throttle or shut down by itself, the limit is so far below that."""
    emergency_c: Annotated[float, Field(ge=1, le=20)] = GovernorSettings.emergency_c
    """So far above the limit output pauses at once."""
    least_share: Annotated[float, Field(ge=0.05, le=0.9)] = GovernorSettings.least_share
    """The smallest part of the camera's frames before output pauses. tracking.look_ahead counts
    frames, so with a quarter of them each one waits four times as long."""
    step: Annotated[float, Field(ge=0.5, le=0.99)] = GovernorSettings.step
    """Part of the frames that one level leaves of the level before."""
    most_every: Annotated[int, Field(ge=1, le=60)] = GovernorSettings.most_every
    """When frames are as few as they may be, the detector looks at every n-th frame of the camera
    at most, as far as look_ahead covers it."""
    hold_s: Annotated[float, Field(ge=1, le=3600)] = GovernorSettings.hold_s
    """After less was done for heat, power or throttling, so long nothing more is, unless it became
    much cooler."""
    blind_after_s: Annotated[float, Field(ge=1, le=300)] = GovernorSettings.blind_after_s
    """So long without a temperature that can be believed counts as a hiccup; then it slows down."""
    without_sensors: WithoutSensors = GovernorSettings.without_sensors
    """Where the machine has no temperature sensor at all: slow does the least that runs, unlimited
    does all. Sensors that fail are no such machine."""
    power_limit_w: Annotated[float, Field(ge=1, le=2000)] | None = GovernorSettings.power_limit_w
    """What the board may draw, watts; null: no limit. Where it draws more without any frame, output
    pauses for good."""
    trace: Path | None = None
    """CSV of readings and decisions, for `faceguard thermal replay`; null: none."""
    trace_mb: Annotated[float, Field(ge=0.01, le=1_000_000)] = 50.0
    """Beyond this the trace is put aside as FILE.1, and the one before goes."""

    @field_validator("limit_c", mode="before")
    @classmethod
    def _sensible(cls, value: object) -> object:
        if isinstance(value, (int, float)) and not _LEAST_C <= value <= _MOST_C:
            raise ValueError(
                f"must be {_LEAST_C:g} to {_MOST_C:g} degrees Celsius: an Orin throttles itself "
                "from 99 C on, and faceguard has to act before that"
            )
        return value

    @field_validator("trace")
    @classmethod
    def _a_file(cls, value: Path | None) -> Path | None:
        if value == STDOUT:
            raise ValueError("must be a file; - is none here")
        return value


def governor_settings(config: Config) -> GovernorSettings:
    """What the governor is told by a configuration.

    Args:
        config: The whole of it.
    """
    part = config.thermal
    return GovernorSettings(
        limit_c=part.limit_c,
        trip_margin_c=part.trip_margin_c,
        emergency_c=part.emergency_c,
        least_share=part.least_share,
        step=part.step,
        most_every=part.most_every,
        hold_s=part.hold_s,
        blind_after_s=part.blind_after_s,
        without_sensors=part.without_sensors,
        power_limit_w=part.power_limit_w,
    )


def for_watch(config: Config, plan: Plan) -> Told:
    """What the watch over heat is told by a configuration.

    Args:
        config: The whole of it.
        plan: How frames are judged and covered, made of it.
    """
    return Told(
        governor_settings(config),
        plan.detect_every,
        plan.look_ahead,
        config.thermal.trace,
        config.thermal.trace_mb,
        upscales=config.upscale.stream is not None,
    )
