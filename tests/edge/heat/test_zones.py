"""Thermal zones by their types, and the trip points that mean something."""

from __future__ import annotations

from pathlib import Path

import pytest

from faceguard.edge.heat.reading import Sensed, Zone
from faceguard.edge.heat.sensing.sensors import read_once
from faceguard.edge.heat.sensing.source import Known
from faceguard.edge.heat.sensing.zones import TemperatureSource, lowest_trip_c
from tests.edge.heat.sys_tree import bind, cooler, write, zone


def zones(root: Path) -> dict[str, Zone]:
    return dict(read_once(root, 20).zones)


def test_zones_by_type_and_not_by_number(tmp_path: Path):
    zone(tmp_path, 10, "gpu-thermal", "50000")
    zone(tmp_path, 2, "cpu-thermal", "48500")
    zone(tmp_path, 3, "cpu-thermal", "-3250")
    zone(tmp_path, 4, "", "41000")
    cooler(tmp_path, 0, "pwm-fan")
    found = zones(tmp_path)
    assert {name: each.temperature_c.value for name, each in found.items()} == {
        "cpu-thermal": 48.5,
        "cpu-thermal-2": -3.25,
        "thermal_zone4": 41.0,
        "gpu-thermal": 50.0,
    }
    assert list(found) == ["cpu-thermal", "cpu-thermal-2", "thermal_zone4", "gpu-thermal"]


@pytest.mark.parametrize(
    ("content", "sensed"),
    [
        ("", Sensed(None, "empty")),
        ("hot", Sensed(None, "no number")),
        ("48.5", Sensed(None, "no number")),
        ("150001", Sensed(None, "absurd (150.001)")),
        ("-40001", Sensed(None, "absurd (-40.001)")),
        ("-274000", Sensed(None, "absurd (-274)")),
        ("-256000", Sensed(None, "absurd (-256)")),
        ("9" * 60, Sensed(None, "absurd (1e+57)")),
        ("9" * 5000, Sensed(None, "too long")),
        (None, Sensed(None, "gone")),
        ("150000", Sensed(150.0)),
        ("-40000", Sensed(-40.0)),
        ("0", Sensed(0.0)),
    ],
)
def test_a_value_or_why_there_is_none(tmp_path: Path, content: str | None, sensed: Sensed):
    zone(tmp_path, 0, "tj-thermal", content)
    assert zones(tmp_path) == {"tj-thermal": Zone(sensed)}


def test_the_lowest_trip_point_that_can_be_meant(tmp_path: Path):
    """As PCs have them: 0 and -274 stand for none, active ones only turn a fan on."""
    folder = zone(
        tmp_path,
        0,
        "acpitz",
        "40000",
        ("critical", "119000"),
        ("active", "55000"),
        ("passive", "0"),
        ("passive", "-274000"),
        ("hot", "95000"),
        ("passive", "39999"),
        ("hot", "150001"),
    )
    assert lowest_trip_c(folder) == 95
    assert zones(tmp_path) == {"acpitz": Zone(Sensed(40.0), 95.0)}
    write(folder / "trip_point_10_type", "passive")
    write(folder / "trip_point_10_temp", "40000")
    assert lowest_trip_c(folder) == 40


def test_trip_points_that_cannot_be_read_count_for_nothing(tmp_path: Path):
    folder = zone(tmp_path, 0, "cpu-thermal", "40000", ("passive", ""), ("hot", "many"))
    write(folder / "trip_point_2_type", "passive")  # has no temperature
    write(folder / "trip_point_3_temp", "50000")  # has no type
    write(folder / "trip_point_x_type", "passive")
    write(folder / "trip_point_x_temp", "50000")
    assert lowest_trip_c(folder) is None
    assert lowest_trip_c(tmp_path / "missing") is None


def test_a_trip_point_that_only_gives_notice_is_none(tmp_path: Path):
    """An Orin's zones: 70 degrees for the hot case, throttling from 99 on."""
    trips = (("passive", "99000"), ("critical", "104500"), ("passive", "70000"))
    folder = zone(tmp_path, 0, "cpu-thermal", "50000", *trips)
    # As long as nobody says what is bound to it, it may be anything.
    assert lowest_trip_c(folder) == 70
    bind(folder, 0, cooler(tmp_path, 0, "cpu-throttle-alert"), 0)
    assert lowest_trip_c(folder) == 70
    bind(folder, 1, cooler(tmp_path, 1, "hot-surface-alert"), 2)
    assert lowest_trip_c(folder) == 99
    bind(folder, 2, cooler(tmp_path, 2, "pwm-fan"), -1)
    assert lowest_trip_c(folder) == 99
    # Something that does slow it down at the same point makes it count.
    bind(folder, 3, cooler(tmp_path, 3, "cpufreq-cpu0"), 2)
    assert lowest_trip_c(folder) == 70


def test_a_critical_trip_point_needs_no_device(tmp_path: Path):
    folder = zone(tmp_path, 0, "tj-thermal", "50000", ("critical", "90000"))
    bind(folder, 0, cooler(tmp_path, 0, "hot-surface-alert"), 0)
    assert lowest_trip_c(folder) == 90


@pytest.mark.parametrize("lost", ["trip_point_0_temp", "trip_point_0_type"])
@pytest.mark.parametrize("content", ["", "many"])
def test_a_trip_point_that_fails_is_the_last_known_and_only_an_absent_one_is_none(
    tmp_path: Path, lost: str, content: str
):
    folder = zone(tmp_path, 0, "cpu-thermal", "40000", ("passive", "70000"), ("hot", "95000"))
    known = Known()
    assert lowest_trip_c(folder, known) == 70
    kept = (folder / lost).read_text()
    is_type = lost.endswith("type")
    write(folder / lost, "" if is_type else content)
    assert lowest_trip_c(folder, known) == 70
    write(folder / lost, kept.strip().replace("70000", "80000"))
    assert lowest_trip_c(folder, known) == (70 if is_type else 80)
    (folder / lost).unlink()
    assert lowest_trip_c(folder, known) == 95


def test_a_trip_point_that_failed_at_first_is_read_again_with_each_temperature(tmp_path: Path):
    folder = zone(tmp_path, 0, "cpu-thermal", "40000", ("passive", ""))
    now_ns = [0]
    source = TemperatureSource(
        "cpu", folder / "temp", lambda known: lowest_trip_c(folder, known), lambda: now_ns[0]
    )

    def trip_c() -> float | None:
        now_ns[0] += 1_000_000_000
        return source.read().zones["cpu"].trip_c

    assert trip_c() is None
    write(folder / "trip_point_0_temp", "70000")
    assert trip_c() == 70
    # From then on once a minute, and no failure takes it away.
    write(folder / "trip_point_0_temp", "")
    assert {trip_c() for _ in range(130)} == {70.0}
    write(folder / "trip_point_0_temp", "80000")
    assert [trip_c() for _ in range(61)][-1] == 80
