"""The part `thermal:`: the governor's own defaults, its ranges, and that all of it is live."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from pydantic import ValidationError

from faceguard.edge.config.model import Config
from faceguard.edge.config.read import read_config
from faceguard.edge.config.reload import compare, merged
from faceguard.edge.config.thermal import ThermalConfig, governor_settings
from faceguard.edge.heat.governing.ladder import ladder
from faceguard.edge.heat.settings import GovernorSettings, WithoutSensors
from tests.conftest import ROOT
from tests.edge.config.configs import configs

OTHER = {
    "limit_c": 60,
    "trip_margin_c": 3,
    "emergency_c": 7,
    "least_share": 0.3,
    "step": 0.8,
    "most_every": 2,
    "hold_s": 100,
    "blind_after_s": 5,
    "without_sensors": "unlimited",
    "power_limit_w": 12.5,
    "trace": "/var/t.csv",
    "trace_mb": 3,
}


def config(**thermal: object) -> Config:
    return Config.model_validate({"camera": {"kind": "synthetic"}, "thermal": thermal})


def test_what_is_left_out_is_as_the_governor_has_it() -> None:
    assert governor_settings(config()) == GovernorSettings()


def test_each_setting_reaches_the_governor() -> None:
    made = governor_settings(config(**OTHER))
    for field in fields(GovernorSettings):
        assert getattr(made, field.name) == OTHER[field.name] != field.default, field.name
    assert set(ThermalConfig.model_fields) == set(OTHER)


def test_all_of_it_is_live() -> None:
    old, new = config(), config(**OTHER)
    changes = compare(old, new)
    assert changes.live == [f"thermal.{key}" for key in ThermalConfig.model_fields]
    assert changes.restart == []
    assert merged(old, new) == new


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("limit_c", 39),
        ("limit_c", 96),
        ("trip_margin_c", -1),
        ("emergency_c", 0),
        ("least_share", 0),
        ("step", 1),
        ("most_every", 0),
        ("hold_s", 0),
        ("blind_after_s", 0),
        ("without_sensors", "fast"),
        ("power_limit_w", 0),
        ("trace", "-"),
        ("trace_mb", 0),
    ],
)
def test_what_makes_no_sense_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        config(**{key: value})
    assert caught.value.errors()[0]["loc"] == ("thermal", key)


@given(configs)
def test_whatever_is_valid_has_levels_from_all_to_nothing(made: Config) -> None:
    settings = governor_settings(made)
    look_ahead = max(made.tracking.look_ahead, made.detector.every - 1)
    upscales = made.upscale.stream is not None
    rungs = ladder(settings, every=made.detector.every, look_ahead=look_ahead, upscales=upscales)
    assert (rungs[0].share, rungs[-1].share) == (1, 0)
    assert [rung.upscale for rung in rungs[1:]] == [not upscales] * (len(rungs) - 1)
    assert len(rungs) >= 3
    # No frame may leave before the look that follows it.
    assert all(rung.every <= look_ahead + 1 for rung in rungs)


def test_what_ships_is_for_its_machine() -> None:
    orin, desktop = (
        governor_settings(read_config(ROOT / "configs" / f"{name}.yaml"))
        for name in ("orin-nano", "desktop")
    )
    assert orin == GovernorSettings()
    assert (desktop.limit_c, desktop.without_sensors) == (85, WithoutSensors.UNLIMITED)
