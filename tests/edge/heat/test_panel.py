"""One look at a time: what comes, goes, comes back, and what is looked at now and then only."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

from faceguard.edge.heat.reading import Sensed, Survey, Zone
from faceguard.edge.heat.sensing.panel import Panel
from tests.edge.heat.sys_tree import cooler, orin_nano, write, zone

GONE = Sensed(None, "gone")


class Looker:
    """A panel and its time, a step at a time."""

    def __init__(self, root: Path) -> None:
        self._now_ns = 0
        self._panel = Panel(root, threading.Event(), lambda: self._now_ns, nvml=False)

    def after(self, seconds: float) -> Survey:
        """What it sees, so much later."""
        self._now_ns += int(seconds * 1e9)
        self._panel.look(20)
        return self._panel.survey()


def temperatures(survey: Survey) -> dict[str, float | str | None]:
    """Values, or reasons."""
    all_zones = {name: each.temperature_c for name, each in survey.zones.items()}
    return {name: each.reason or each.value for name, each in all_zones.items()}


def test_what_goes_is_gone_for_a_minute(tmp_path: Path):
    zone(tmp_path, 0, "cpu-thermal", "40000")
    lost = zone(tmp_path, 1, "gpu-thermal", "30000", ("critical", "105000"))
    looker = Looker(tmp_path)
    assert temperatures(looker.after(0)) == {"cpu-thermal": 40.0, "gpu-thermal": 30.0}
    shutil.rmtree(lost)
    # The read says so at once, and the kernel's list a second later.
    for _ in range(60):
        survey = looker.after(1)
        assert survey.zones["gpu-thermal"] == Zone(GONE, 105.0)
        assert temperatures(survey)["cpu-thermal"] == 40.0
    looker.after(1)
    for _ in range(5):
        survey = looker.after(1)
    assert temperatures(survey) == {"cpu-thermal": 40.0}


def test_what_comes_back_has_its_name_again_whatever_its_number(tmp_path: Path):
    lost = zone(tmp_path, 1, "gpu-thermal", "30000")
    looker = Looker(tmp_path)
    looker.after(0)
    shutil.rmtree(lost)
    assert temperatures(looker.after(1)) == {"gpu-thermal": "gone"}
    assert temperatures(looker.after(1)) == {"gpu-thermal": "gone"}
    zone(tmp_path, 1, "gpu-thermal", "31000")
    assert temperatures(looker.after(5)) == {"gpu-thermal": 31.0}
    shutil.rmtree(lost)
    assert temperatures(looker.after(1)) == {"gpu-thermal": "gone"}
    zone(tmp_path, 7, "gpu-thermal", "32000")
    assert temperatures(looker.after(5)) == {"gpu-thermal": 32.0}


def test_names_stay_where_one_of_two_goes(tmp_path: Path):
    first = zone(tmp_path, 0, "acpitz", "40000")
    zone(tmp_path, 1, "acpitz", "50000")
    looker = Looker(tmp_path)
    looker.after(0)
    shutil.rmtree(first)
    looker.after(1)
    assert temperatures(looker.after(5)) == {"acpitz": "gone", "acpitz-2": 50.0}
    assert temperatures(looker.after(61)) == {"acpitz-2": 50.0}
    zone(tmp_path, 2, "acpitz", "60000")
    assert temperatures(looker.after(5)) == {"acpitz-2": 50.0, "acpitz": 60.0}


def test_another_zone_under_the_same_number_is_another_zone(tmp_path: Path):
    folder = zone(tmp_path, 0, "cpu-thermal", "40000")
    looker = Looker(tmp_path)
    assert temperatures(looker.after(0)) == {"cpu-thermal": 40.0}
    write(folder / "type", "board-thermal")
    assert temperatures(looker.after(5)) == {"cpu-thermal": "gone", "board-thermal": 40.0}


def test_all_kinds_are_found_later_and_may_all_go(tmp_path: Path):
    looker = Looker(tmp_path)
    assert looker.after(0) == Survey()
    orin_nano(tmp_path)
    survey = looker.after(10)
    assert survey.rails_w["VDD_IN"] == Sensed(7.4)
    assert (survey.fan, survey.over_current, survey.mode) == (Sensed(0.2), Sensed(5.0), "25W")
    for folder in ("thermal", "hwmon"):
        shutil.rmtree(tmp_path / "sys/class" / folder)
    for wait_s in (1, 1, 50):
        survey = looker.after(wait_s)
        assert set(survey.rails_w.values()) == {GONE}
        assert (survey.fan, survey.over_current) == (GONE, GONE)
        assert set(temperatures(survey).values()) == {"gone"}
    assert looker.after(61) == Survey(gpu_load=Sensed(0.372), mode="25W")


def test_a_folder_that_cannot_be_listed_leaves_what_is_known(tmp_path: Path):
    """As where the process has no file descriptor left: it is not the zones that are gone."""
    folder = zone(tmp_path, 0, "cpu-thermal", "40000")
    looker = Looker(tmp_path)
    looker.after(0)
    top = folder.parent
    top.rename(top.with_name("aside"))
    top.symlink_to(top)  # ELOOP
    for _ in range(3):
        assert temperatures(looker.after(40)) == {"cpu-thermal": "failed (ELOOP)"}
    top.unlink()
    top.with_name("aside").rename(top)
    assert temperatures(looker.after(5)) == {"cpu-thermal": 40.0}


def test_trip_points_are_read_each_minute_and_when_zones_change(tmp_path: Path):
    folder = zone(tmp_path, 0, "cpu-thermal", "40000", ("passive", "90000"))
    looker = Looker(tmp_path)
    assert looker.after(0).zones["cpu-thermal"].trip_c == 90.0
    write(folder / "trip_point_0_temp", "80000")
    assert looker.after(59).zones["cpu-thermal"].trip_c == 90.0
    assert looker.after(1).zones["cpu-thermal"].trip_c == 80.0
    write(folder / "trip_point_0_temp", "70000")
    other = zone(tmp_path, 1, "gpu-thermal", "30000")
    assert looker.after(5).zones["cpu-thermal"].trip_c == 70.0
    write(folder / "trip_point_0_temp", "60000")
    assert looker.after(5).zones["cpu-thermal"].trip_c == 70.0
    shutil.rmtree(other)
    looker.after(1)
    assert looker.after(1).zones["cpu-thermal"].trip_c == 60.0


def test_cooling_devices_that_come_later_are_found(tmp_path: Path):
    looker = Looker(tmp_path)
    looker.after(0)
    cooler(tmp_path, 0, "gpu-throttle-alert", "1")
    assert looker.after(10).throttling == ("gpu-throttle-alert",)
