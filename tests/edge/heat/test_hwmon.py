"""Monitors: processors of PCs with their limits, rails, fan, and counters of over-current."""

from __future__ import annotations

from pathlib import Path

import pytest

from faceguard.edge.heat.reading import Sensed, Survey, Zone
from faceguard.edge.heat.sensing.hwmon import find_monitors
from faceguard.edge.heat.sensing.sensors import read_once
from tests.edge.heat.sys_tree import monitor, write, zone


def survey(root: Path) -> Survey:
    return read_once(root, 20)


def test_a_processor_of_a_pc(tmp_path: Path):
    monitor(
        tmp_path,
        2,
        "coretemp",
        temp1_label="Package id 0",
        temp1_input="61000",
        temp1_max="80000",
        temp1_crit="100000",
        temp1_crit_alarm="0",
        temp2_label="Core 0",
        temp2_input="58000",
        temp2_crit="100000",
        temp10_label="Core 8",
        temp10_input="",
        in0_input="1200",
    )
    # Limits that stand for none; no label.
    monitor(tmp_path, 10, "k10temp", temp1_input="45125", temp1_max="0", temp1_crit="-274000")
    # No processor: a disk and a network card have limits of their own.
    monitor(tmp_path, 3, "nvme", temp1_label="Composite", temp1_input="88000")
    monitor(tmp_path, 4, "")
    assert survey(tmp_path) == Survey(
        zones={
            "coretemp Package id 0": Zone(Sensed(61.0), 80.0),
            "coretemp Core 0": Zone(Sensed(58.0), 100.0),
            "coretemp Core 8": Zone(Sensed(None, "empty")),
            "k10temp temp1": Zone(Sensed(45.125)),
        }
    )


def test_two_of_the_same_name(tmp_path: Path):
    for number in (0, 1):
        monitor(tmp_path, number, "coretemp", temp2_label="Core 0", temp2_input=f"6{number}000")
    zones = survey(tmp_path).zones
    assert {name: each.temperature_c.value for name, each in zones.items()} == {
        "coretemp Core 0": 60.0,
        "coretemp Core 0-2": 61.0,
    }


def test_a_monitor_that_shows_a_zone_is_left_out(tmp_path: Path):
    zone(tmp_path, 0, "cpu-thermal", "50000")
    monitor(tmp_path, 0, "cpu_thermal", temp1_input="50000")
    assert list(survey(tmp_path).zones) == ["cpu-thermal"]
    # Where the kernel was built without that zone, the monitor is all that there is.
    write(tmp_path / "sys/class/thermal/thermal_zone0/type", "gpu-thermal")
    assert list(survey(tmp_path).zones) == ["gpu-thermal", "cpu_thermal temp1"]


def test_rails(tmp_path: Path):
    monitor(
        tmp_path,
        1,
        "ina3221",
        in1_label="VDD_IN",
        in1_input="5000",
        curr1_input="1480",
        in2_label="VDD_CPU_GPU_CV",
        in2_input="",
        curr2_input="400",
        in3_label="VDD_SOC",
        in3_input="5000",
        curr3_input="-20",
        in4_input="7",
        in7_label="sum of shunt voltages",
        in7_input="1",
    )
    monitor(tmp_path, 2, "ina3221", in1_label="NC", in1_input="0", curr1_input="0")
    assert survey(tmp_path).rails_w == {
        "VDD_IN": Sensed(7.4),
        "VDD_CPU_GPU_CV": Sensed(None, "empty"),
        "VDD_SOC": Sensed(None, "absurd (-0.1)"),
    }


@pytest.mark.parametrize(
    ("text", "fan"),
    [
        ("0", Sensed(0.0)),
        ("51", Sensed(0.2)),
        ("255", Sensed(1.0)),
        ("256", Sensed(None, "absurd (256)")),
        ("-1", Sensed(None, "absurd (-1)")),
        ("", Sensed(None, "empty")),
    ],
)
def test_the_fan(tmp_path: Path, text: str, fan: Sensed):
    monitor(tmp_path, 0, "pwmfan", pwm1=text)
    assert survey(tmp_path) == Survey(fan=fan)


def test_over_current_is_the_sum_or_nothing(tmp_path: Path):
    chip = monitor(
        tmp_path, 3, "soctherm_oc", oc1_event_cnt="1", oc2_event_cnt="15", oc3_event_cnt="37"
    )
    write(chip / "oc1_throt_en", "1")
    assert survey(tmp_path) == Survey(over_current=Sensed(53.0))
    (chip / "oc2_event_cnt").unlink()
    (chip / "oc2_event_cnt").mkdir()
    assert survey(tmp_path) == Survey(over_current=Sensed(None, "failed (EISDIR)"))


def test_a_limit_that_fails_is_the_last_known(tmp_path: Path):
    chip = monitor(
        tmp_path, 0, "coretemp", temp1_input="61000", temp1_max="80000", temp1_crit="100000"
    )
    now_ns = [0]
    (found,) = find_monitors(tmp_path, lambda: now_ns[0]) or []
    source = found.make("cpu")
    assert source.read().zones["cpu"].trip_c == 80
    write(chip / "temp1_max", "")
    now_ns[0] = 61_000_000_000
    assert source.read().zones["cpu"].trip_c == 80
    (chip / "temp1_max").unlink()
    now_ns[0] = 122_000_000_000
    assert source.read().zones["cpu"].trip_c == 100
