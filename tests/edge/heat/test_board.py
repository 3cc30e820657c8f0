"""GPU load, throttles and power mode, from the files of a board."""

from __future__ import annotations

from pathlib import Path

import pytest

from faceguard.edge.heat.reading import Sensed, Survey
from faceguard.edge.heat.sensing.board import GpuLoadSource, ModeSource, ThrottleSource
from tests.edge.heat.sys_tree import cooler, write

SECOND_NS = 1_000_000_000


@pytest.mark.parametrize(
    "path",
    ["platform/gpu.0/load", "platform/bus@0/17000000.gpu/load", "platform/17000000.gpu/load"],
)
def test_gpu_load(tmp_path: Path, path: str):
    load = GpuLoadSource(tmp_path)
    assert load.read() == Survey()
    file = tmp_path / "sys/devices" / path
    for text, sensed in (
        ("0", Sensed(0.0)),
        ("372", Sensed(0.372)),
        ("1000", Sensed(1.0)),
        ("1001", Sensed(None, "absurd (1001)")),
        ("-1", Sensed(None, "absurd (-1)")),
        ("", Sensed(None, "empty")),
    ):
        write(file, text)
        assert load.read() == Survey(gpu_load=sensed)
    file.unlink()
    assert load.read() == Survey(gpu_load=Sensed(None, "gone"))


def test_what_throttles(tmp_path: Path):
    now_ns = [0]
    throttles = ThrottleSource(tmp_path, lambda: now_ns[0])
    assert throttles.read() == Survey()
    kinds = (
        "pwm-fan",
        "hot-surface-alert",
        "LCD",
        "cpu-throttle-alert",
        "gpu-throttle-alert",
        "cpufreq-cpu0",
        "cpufreq-cpu4",
        "devfreq-17000000.gpu",
        "thermal-cpufreq-0",
        "thermal-devfreq-0",
        "Processor",
    )
    devices = {kind: cooler(tmp_path, number, kind) for number, kind in enumerate(kinds)}
    now_ns[0] += 10 * SECOND_NS  # listed again
    assert throttles.read() == Survey()
    for kind, folder in devices.items():
        write(folder / "cur_state", "1")
        slows = kind not in ("pwm-fan", "hot-surface-alert", "LCD", "Processor")
        assert throttles.read() == Survey(throttling=(kind,) if slows else ())
        write(folder / "cur_state", "0")
    write(devices["gpu-throttle-alert"] / "cur_state", "2")
    write(devices["cpu-throttle-alert"] / "cur_state", "1")
    write(devices["cpufreq-cpu0"] / "cur_state", "")
    write(devices["cpufreq-cpu4"] / "cur_state", "-1")
    assert throttles.read().throttling == ("cpu-throttle-alert", "gpu-throttle-alert")


def test_the_power_mode_is_read_now_and_then(tmp_path: Path):
    now_ns = [0]
    mode = ModeSource(tmp_path, lambda: now_ns[0])
    write(tmp_path / "etc/nvpmodel.conf", "< POWER_MODEL ID=0 NAME=15W >")
    write(tmp_path / "var/lib/nvpmodel/status", "pmode:0000")
    assert mode.read() == Survey(mode="15W")
    (tmp_path / "var/lib/nvpmodel/status").unlink()
    assert mode.read() == Survey(mode="15W")
    now_ns[0] += 10 * SECOND_NS
    assert mode.read() == Survey()
