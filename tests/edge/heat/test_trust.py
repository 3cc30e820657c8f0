"""Trust: what is read, believed, drawn and throttled in a single look and the next."""

from __future__ import annotations

import math

import pytest

from faceguard.edge.heat.reading import Reading, Sensed, Survey, Zone
from faceguard.edge.heat.settings import GovernorSettings
from tests.edge.heat.looks import BUSY, Looks


def doubt_of(value: float | Sensed) -> str | None:
    return Looks().look({"cpu": value}).doubts.get("cpu")


def test_a_first_value_is_believed_with_its_limit():
    judged = Looks().look({"cpu": 61.5})
    assert judged.doubts == {}
    assert judged.reading == Reading("cpu", 61.5, 75.0, has_sensors=True, blind=None)
    assert judged.reading.excess_c == -13.5


@pytest.mark.parametrize("value", [-40.0, 0.0, 150.0])
def test_what_can_be_true_is_believed(value):
    assert doubt_of(value) is None


@pytest.mark.parametrize(
    ("value", "doubt"),
    [
        (-40.001, "absurd (-40.001)"),
        (-274.0, "absurd (-274)"),
        (150.5, "absurd (150.5)"),
        (math.nan, "absurd (nan)"),
        (math.inf, "absurd (inf)"),
    ],
)
def test_what_cannot_be_true_is_absurd(value, doubt):
    assert doubt_of(value) == doubt


def test_a_zone_without_value_is_doubted_for_its_reason():
    assert doubt_of(BUSY) == "busy (EAGAIN)"
    assert doubt_of(Sensed()) == "no value"


def test_an_absurd_value_between_two_true_ones_changes_nothing():
    looks = Looks()
    looks.look({"cpu": 74.0})
    assert looks.look({"cpu": -274.0}).reading.blind == "cpu: absurd (-274)"
    assert looks.look({"cpu": 73.5}).reading.temperature_c == 73.5


def test_the_zone_nearest_to_its_own_limit_is_read():
    reading = (
        Looks().look({"cpu": 70.0, "gpu": Zone(Sensed(68.0), trip_c=70.0), "soc": 69.0}).reading
    )
    assert (reading.zone, reading.temperature_c, reading.limit_c) == ("gpu", 68.0, 65.0)
    assert reading.excess_c == 3.0


def test_of_two_equally_near_the_first_by_name_is_read():
    assert Looks().look({"soc": 70.0, "cpu": 70.0, "gpu": 70.0}).reading.zone == "cpu"


@pytest.mark.parametrize(
    ("trip_c", "limit_c"),
    [
        (None, 75.0),
        (99.0, 75.0),
        (80.0, 75.0),
        (79.0, 74.0),
        (40.0, 35.0),
        (39.9, 75.0),
        (0.0, 75.0),
        (-273.0, 75.0),
        (math.nan, 75.0),
        (math.inf, 75.0),
    ],
)
def test_a_limit_is_below_a_trip_point_that_can_be_meant(trip_c, limit_c):
    assert Looks().look({"cpu": Zone(Sensed(30.0), trip_c)}).reading.limit_c == limit_c


def test_the_configured_limit_and_margin_count():
    cool = GovernorSettings(limit_c=60.0, trip_margin_c=10.0)
    assert Looks(cool).look({"cpu": 30.0}).reading.limit_c == 60.0
    assert Looks(cool).look({"cpu": Zone(Sensed(30.0), 65.0)}).reading.limit_c == 55.0


# Blindness.


def test_a_machine_without_zones_has_no_sensor():
    judged = Looks().survey(Survey())
    assert judged.reading == Reading(blind="no temperature sensor")
    assert judged.doubts == {}


def test_a_blind_look_says_why_of_each_zone():
    judged = Looks().look({"tj-thermal": Sensed(reason="empty"), "cpu-thermal": BUSY})
    assert judged.reading.blind == "cpu-thermal: busy (EAGAIN); tj-thermal: empty"


def test_a_long_reason_is_cut_and_one_line():
    zones = {f"cv{index}-thermal": Sensed(reason="busy\n(EAGAIN)") for index in range(50)}
    blind = Looks().look(zones).reading.blind
    assert blind is not None
    assert len(blind) == 120
    assert blind.startswith("cv0-thermal: busy (EAGAIN); ")
    assert blind.endswith("...")
    assert "\n" not in blind


@pytest.mark.parametrize("told", [BUSY, 999.0, 50.0])
def test_a_machine_that_had_a_zone_once_has_sensors_for_ever(told):
    looks = Looks()
    assert not looks.survey(Survey()).reading.has_sensors
    assert looks.look({"cpu": told}).reading.has_sensors
    judged = looks.survey(Survey(), after_s=90_000)
    assert judged.reading.has_sensors
    assert judged.reading.blind == "no temperature sensor"
    assert looks.memory.zones == {}


@pytest.mark.parametrize("name", ["thermal zones", "hardware monitors"])
def test_a_list_that_hung_once_is_no_sensor_for_ever(name):
    looks = Looks()
    assert looks.look({name: Sensed(reason="slow")}).reading.has_sensors
    assert not looks.survey(Survey()).reading.has_sensors


# Power and throttles.


@pytest.mark.parametrize(
    ("rails", "power_w"),
    [
        ({}, None),
        ({"VDD_IN": 7.5, "VDD_CPU_GPU_CV": 3.0}, 7.5),
        ({"VDD_IN": 0.0}, 0.0),
        ({"VDD_IN": 1000.0}, 1000.0),
        ({"VDD_IN": 1000.1}, None),
        ({"VDD_IN": -0.1}, None),
        ({"VDD_IN": math.nan}, None),
        ({"VDD_IN": None}, None),
        ({"VDD_IN": None, "nvml 0": 70.0}, None),
        ({"VDD_IN": 5000.0, "nvml 0": 70.0}, None),
        ({"VDD_IN": 7.5, "nvml 0": 70.0}, 7.5),
        ({"VDD_CPU_GPU_CV": 3.0}, None),
        ({"nvml 1": 20.5, "nvml 0": 70.0, "VDD_SOC": 3.0, "nvml": 1.0}, 90.5),
        ({"nvml 0": 700.0, "nvml 1": 700.0}, 1400.0),
        ({"nvml 0": None, "nvml 1": 70.0}, 70.0),
        ({"nvml 0": -3.0, "nvml 1": 70.0}, 70.0),
        ({"nvml 0": None}, None),
    ],
)
def test_power_is_the_boards_else_the_cards(rails, power_w):
    survey = Survey(rails_w={name: Sensed(value) for name, value in rails.items()})
    assert Looks().survey(survey).reading.power_w == power_w


def throttled(looks: Looks, count: float | None, *names: str) -> str | None:
    reading = looks.survey(Survey(over_current=Sensed(count), throttling=names)).reading
    return reading.throttled


def test_the_first_throttle_is_named_even_in_the_first_look():
    looks = Looks()
    assert throttled(looks, None, "gpu-throttle-alert", "cpu") == "gpu-throttle-alert"
    assert throttled(looks, None) is None


def test_over_current_is_told_when_its_count_rises():
    looks = Looks()
    assert throttled(looks, 7) is None
    assert throttled(looks, 7) is None
    assert throttled(looks, 9) == "over-current"
    assert throttled(looks, 9) is None
    # Another device, or the same after a new start.
    assert throttled(looks, 0) is None
    assert throttled(looks, 1) == "over-current"


def test_over_current_is_not_lost_where_its_count_fails_for_a_while():
    looks = Looks()
    assert throttled(looks, None) is None
    assert throttled(looks, 3) is None
    for missing in (None, math.nan, -1.0, math.inf):
        assert throttled(looks, missing) is None
    assert throttled(looks, 4) == "over-current"


def test_a_named_throttle_goes_before_over_current():
    looks = Looks()
    throttled(looks, 1)
    assert throttled(looks, 2, "cpu-throttle-alert") == "cpu-throttle-alert"
    assert throttled(looks, 2) is None
