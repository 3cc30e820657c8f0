"""All sensors together: followed in the background, and never waited for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from faceguard.edge.heat.reading import Sensed, Survey, Zone
from faceguard.edge.heat.sensing import board, panel
from faceguard.edge.heat.sensing.sensors import Sensors, read_once
from tests.edge.heat.sys_tree import (
    Hang,
    cooler,
    monitor,
    no_leftovers,
    open_files,
    orin_nano,
    readers,
    until,
    write,
    zone,
)

SECOND_NS = 1_000_000_000


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns

    def go(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND_NS)


def quick(root: Path, clock: Clock) -> Sensors:
    """Sensors that look often and whose time stands still."""
    return Sensors(root, clock_ns=clock, period_s=0.02)


def temperature(survey: Survey, name: str) -> Sensed | None:
    found = survey.zones.get(name)
    return None if found is None else found.temperature_c


@pytest.fixture
def tidy() -> Iterator[None]:
    with no_leftovers():
        yield


def test_an_orin_nano(tmp_path: Path, tidy: None):
    orin_nano(tmp_path)
    empty = Zone(Sensed(None, "empty"), 99.0)
    expected = Survey(
        zones={
            "cpu-thermal": Zone(Sensed(45.0), 99.0),
            "gpu-thermal": Zone(Sensed(45.5), 99.0),
            "cv0-thermal": empty,
            "cv1-thermal": empty,
            "cv2-thermal": empty,
            "soc0-thermal": Zone(Sensed(47.5), 99.0),
            "soc1-thermal": Zone(Sensed(48.0), 99.0),
            "tj-thermal": Zone(Sensed(48.5), 99.0),
        },
        rails_w={"VDD_IN": Sensed(7.4), "VDD_CPU_GPU_CV": Sensed(2.0), "VDD_SOC": Sensed(1.5)},
        gpu_load=Sensed(0.372),
        fan=Sensed(0.2),
        over_current=Sensed(5.0),
        mode="25W",
    )
    assert read_once(tmp_path, 20) == expected
    with Sensors(tmp_path) as sensors:
        assert sensors.latest == Survey()
        sensors.start()
        until(lambda: sensors.latest == expected)
        write(tmp_path / "sys/class/thermal/cooling_device2/cur_state", "1")
        until(lambda: sensors.latest.throttling == ("cpu-throttle-alert",))


def test_a_machine_without_any(tmp_path: Path, tidy: None):
    assert read_once(tmp_path, 20) == Survey()
    assert read_once(tmp_path / "missing", 20) == Survey()


def test_this_machines_own(tidy: None):
    survey = read_once(limit_s=20)
    for each in survey.zones.values():
        assert (each.temperature_c.value is None) != (each.temperature_c.reason is None)


def test_it_follows(tmp_path: Path, tidy: None):
    hot = zone(tmp_path, 0, "cpu-thermal", "40000")
    zone(tmp_path, 1, "gpu-thermal", "30000")
    with quick(tmp_path, Clock()) as sensors:
        sensors.start()
        until(lambda: temperature(sensors.latest, "cpu-thermal") == Sensed(40.0))
        write(hot / "temp", "55000")
        until(lambda: temperature(sensors.latest, "cpu-thermal") == Sensed(55.0))
        write(hot / "temp", "")
        until(lambda: temperature(sensors.latest, "cpu-thermal") == Sensed(None, "empty"))
        assert temperature(sensors.latest, "gpu-thermal") == Sensed(30.0)


def test_a_read_that_hangs_is_slow_and_holds_up_nobody(tmp_path: Path):
    clock = Clock()
    good = zone(tmp_path, 0, "cpu-thermal", "40000")
    bad = zone(tmp_path, 1, "gpu-thermal", "41000", ("critical", "105000"))
    zone(tmp_path, 2, "tj-thermal", "42000")
    monitor(tmp_path, 0, "pwmfan", pwm1="51")
    with no_leftovers():
        with quick(tmp_path, clock) as sensors:
            sensors.start()
            until(lambda: temperature(sensors.latest, "gpu-thermal") == Sensed(41.0))
            hang = Hang(bad / "temp")
            slow = Zone(Sensed(None, "slow"), 105.0)
            until(lambda: sensors.latest.zones.get("gpu-thermal") == slow)
            for value in (50, 51, 52):
                write(good / "temp", f"{value}000")
                clock.go(5)  # lists again, too
                until(
                    lambda c=float(value): temperature(sensors.latest, "cpu-thermal") == Sensed(c)
                )
                until(lambda: temperature(sensors.latest, "tj-thermal") == Sensed(42.0))
                until(lambda: sensors.latest.fan == Sensed(0.2))
                # It stays slow, and does not grow old.
                until(lambda: sensors.latest.zones.get("gpu-thermal") == slow)
                until(lambda: len(readers()) == 2)  # what paces them, and the one that hangs
            hang.release("43000")
            until(lambda: temperature(sensors.latest, "gpu-thermal") == Sensed(43.0))
            again = Hang(bad / "temp")
            until(lambda: sensors.latest.zones.get("gpu-thermal") == slow)
        until(lambda: len(readers()) == 1)  # left behind
        again.release("0")


def test_many_that_hang_at_the_same_time(tmp_path: Path):
    zones = [zone(tmp_path, number, f"z{number}", "40000") for number in range(9)]
    with no_leftovers(), quick(tmp_path, Clock()) as sensors:
        sensors.start()
        until(lambda: len(sensors.latest.zones) == 9)
        hangs = [Hang(folder / "temp") for folder in zones[:8]]
        until(
            lambda: (
                [each.temperature_c.reason for each in sensors.latest.zones.values()]
                == ["slow"] * 8 + [None]
            )
        )
        write(zones[8] / "temp", "50000")
        until(lambda: temperature(sensors.latest, "z8") == Sensed(50.0))
        for hang in hangs:
            hang.release("45000")
        until(
            lambda: (
                [each.temperature_c.value for each in sensors.latest.zones.values()]
                == [45.0] * 8 + [50.0]
            )
        )


def test_a_trip_point_that_hangs_is_slow_too(tmp_path: Path):
    folder = zone(tmp_path, 0, "cpu-thermal", "40000", ("passive", "90000"))
    zone(tmp_path, 1, "gpu-thermal", "41000")
    hang = Hang(folder / "trip_point_0_temp")
    with no_leftovers():
        survey = read_once(tmp_path, 2)
        assert survey.zones["cpu-thermal"] == Zone(Sensed(None, "slow"))
        assert survey.zones["gpu-thermal"] == Zone(Sensed(41.0))
        hang.release("90000")


def test_not_to_know_whether_there_are_zones_is_not_to_have_none(tmp_path: Path):
    folder = zone(tmp_path, 0, "cpu-thermal", "40000")
    write(tmp_path / "sys/devices/platform/gpu.0/load", "500")
    hang = Hang(folder / "type")
    clock = Clock()
    with no_leftovers(), quick(tmp_path, clock) as sensors:
        sensors.start()
        unknown = {"thermal zones": Zone(Sensed(None, "slow"))}
        until(lambda: sensors.latest == Survey(zones=unknown, gpu_load=Sensed(0.5)))
        hang.release("cpu-thermal")
        clock.go(5)
        until(lambda: sensors.latest.zones == {"cpu-thermal": Zone(Sensed(40.0))})


def test_a_listing_that_hangs_leaves_what_is_known(tmp_path: Path):
    clock = Clock()
    folder = zone(tmp_path, 0, "cpu-thermal", "40000")
    with no_leftovers(), quick(tmp_path, clock) as sensors:
        sensors.start()
        until(lambda: temperature(sensors.latest, "cpu-thermal") == Sensed(40.0))
        hang = Hang(folder / "type")
        for value in (41, 42, 43):
            clock.go(5)
            write(folder / "temp", f"{value}000")
            until(lambda c=float(value): temperature(sensors.latest, "cpu-thermal") == Sensed(c))
        assert list(sensors.latest.zones) == ["cpu-thermal"]
        hang.release("cpu-thermal")


def test_what_is_too_old_has_no_value(tmp_path: Path, tidy: None):
    clock = Clock()
    orin_nano(tmp_path)
    cooler(tmp_path, 9, "gpu-throttle-alert", "1")
    with Sensors(tmp_path, clock_ns=clock, period_s=1000) as sensors:
        sensors.start()
        until(lambda: sensors.latest.throttling == ("gpu-throttle-alert",))
        fresh = sensors.latest
        clock.go(3)
        assert sensors.latest == fresh
        clock.now_ns += 1
        old = Sensed(None, "old")
        assert sensors.latest == Survey(
            zones={name: Zone(old, 99.0) for name in fresh.zones},
            rails_w=dict.fromkeys(fresh.rails_w, old),
            gpu_load=old,
            fan=old,
            over_current=old,
        )


def test_one_sensors_fault_does_not_blind_the_others(
    tmp_path: Path, tidy: None, monkeypatch: pytest.MonkeyPatch
):
    def fails(_root: Path) -> None:
        raise LookupError

    monkeypatch.setattr(board, "read_mode", fails)
    zone(tmp_path, 0, "cpu-thermal", "40000")
    write(tmp_path / "sys/devices/platform/gpu.0/load", "500")
    assert read_once(tmp_path, 20) == Survey(
        zones={"cpu-thermal": Zone(Sensed(40.0))}, gpu_load=Sensed(0.5)
    )


def test_sensors_that_never_started_can_be_closed_and_all_of_them_twice(tmp_path: Path, tidy: None):
    Sensors(tmp_path).close()
    sensors = Sensors(tmp_path)
    sensors.start()
    sensors.close()
    sensors.close()


def test_nothing_stays_open_while_it_looks(tmp_path: Path, tidy: None):
    orin_nano(tmp_path)
    clock = Clock()
    with quick(tmp_path, clock) as sensors:
        sensors.start()
        until(lambda: sensors.latest.mode == "25W")
        counts = []
        for _ in range(20):
            clock.go(5)
            until(lambda: sensors.latest.fan == Sensed(0.2))
            counts.append(open_files())
        assert max(counts) - min(counts) <= 3  # what is open for the moment


@pytest.mark.parametrize(
    ("finder", "name"),
    [("find_zones", "thermal zones"), ("find_monitors", "hardware monitors")],
)
def test_a_list_that_fails_says_so_and_is_made_again(
    tmp_path: Path, tidy: None, monkeypatch: pytest.MonkeyPatch, finder: str, name: str
):
    def fails(*_: object) -> None:
        raise LookupError

    write(tmp_path / "sys/devices/platform/gpu.0/load", "500")
    monitor(tmp_path, 0, "coretemp", temp1_input="61000")
    clock = Clock()
    with monkeypatch.context() as patched, quick(tmp_path, clock) as sensors:
        patched.setattr(panel, finder, fails)
        sensors.start()
        failed = Sensed(None, "failed (LookupError)")
        until(lambda: temperature(sensors.latest, name) == failed)
        until(lambda: sensors.latest.gpu_load == Sensed(0.5))
        patched.undo()
        clock.go(5)
        until(lambda: temperature(sensors.latest, "coretemp temp1") == Sensed(61.0))
        until(lambda: name not in sensors.latest.zones)


def test_a_look_that_fails_ends_nothing_and_is_the_reason_once_values_are_old(
    tmp_path: Path, tidy: None, monkeypatch: pytest.MonkeyPatch
):
    def fails(*_: object, **__: object) -> None:
        raise LookupError

    zone(tmp_path, 0, "cpu-thermal", "40000")
    clock, failed = Clock(), Sensed(None, "failed (LookupError)")
    with monkeypatch.context() as patched, quick(tmp_path, clock) as sensors:
        patched.setattr(panel.Turns, "go", fails)
        sensors.start()
        until(lambda: sensors.latest.zones == {"thermal zones": Zone(failed)})
        patched.undo()
        clock.go(5)
        until(lambda: temperature(sensors.latest, "cpu-thermal") == Sensed(40.0))
        patched.setattr(panel.Turns, "go", fails)
        clock.go(3.1)
        until(lambda: temperature(sensors.latest, "cpu-thermal") == failed)
