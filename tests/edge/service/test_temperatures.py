"""Temperatures from real files, from some that fail as the Jetson's do, and from one that hangs."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from faceguard.edge.service.temperatures import Thermometer, read_temperatures


def zone(root: Path, number: int, kind: str, temp: str | None) -> Path:
    folder = root / f"thermal_zone{number}"
    folder.mkdir(parents=True)
    (folder / "type").write_text(f"{kind}\n")
    if temp is not None:
        (folder / "temp").write_text(temp)
    return folder


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def test_zones_by_type(tmp_path):
    zone(tmp_path, 10, "gpu-thermal", "50000\n")
    zone(tmp_path, 2, "cpu-thermal", "48500\n")
    zone(tmp_path, 3, "cpu-thermal", "-3250")
    (tmp_path / "cooling_device0").mkdir()
    found = read_temperatures(tmp_path)
    assert found == {"cpu-thermal": 48.5, "cpu-thermal-2": -3.25, "gpu-thermal": 50.0}
    assert list(found) == ["cpu-thermal", "cpu-thermal-2", "gpu-thermal"]


@pytest.mark.parametrize(
    "content",
    ["", "\n", "hot", "48.5", "150001", "-40001", "-256000", "9" * 60, "9" * 5000, "0x10", None],
)
def test_what_cannot_be_true_is_none(tmp_path, content):
    zone(tmp_path, 0, "tj-thermal", content)
    assert read_temperatures(tmp_path) == {"tj-thermal": None}


@pytest.mark.parametrize(("content", "value"), [("150000", 150.0), ("-40000", -40.0), ("0", 0.0)])
def test_the_ends_of_the_range(tmp_path, content, value):
    zone(tmp_path, 0, "tj-thermal", content)
    assert read_temperatures(tmp_path) == {"tj-thermal": value}


def test_a_zone_that_fails_to_be_read(tmp_path):
    zone(tmp_path, 0, "cpu-thermal", "40000")
    failing = zone(tmp_path, 1, "cv0-thermal", None)
    (failing / "temp").mkdir()  # reading it is EISDIR
    nameless = zone(tmp_path, 2, "", "41000")
    assert nameless.name == "thermal_zone2"
    assert read_temperatures(tmp_path) == {
        "cpu-thermal": 40.0,
        "cv0-thermal": None,
        "thermal_zone2": 41.0,
    }


def test_a_zone_that_answers_eagain(tmp_path, monkeypatch):
    """The kernel's own EAGAIN: a FIFO without data, read by one that must not wait."""
    failing = zone(tmp_path, 0, "cv0-thermal", None)
    os.mkfifo(failing / "temp")
    keeper = os.open(failing / "temp", os.O_RDWR | os.O_NONBLOCK)
    with pytest.raises(BlockingIOError):
        os.read(keeper, 1)
    opened = os.open
    monkeypatch.setattr(os, "open", lambda path, flags: opened(path, flags | os.O_NONBLOCK))
    try:
        assert read_temperatures(tmp_path) == {"cv0-thermal": None}
        os.write(keeper, b"40000\n")
        assert read_temperatures(tmp_path) == {"cv0-thermal": 40.0}
    finally:
        os.close(keeper)


def test_no_zones_at_all(tmp_path):
    assert read_temperatures(tmp_path) == {}
    assert read_temperatures(tmp_path / "missing") == {}


def test_this_machines_own_zones_can_be_read():
    for value in read_temperatures().values():
        assert value is None or math.isfinite(value)


def test_the_thermometer_follows(tmp_path):
    hot = zone(tmp_path, 0, "cpu-thermal", "40000")
    zone(tmp_path, 1, "gpu-thermal", "30000")
    with Thermometer(tmp_path) as thermometer:
        assert thermometer.latest == {}
        thermometer.start()
        until(lambda: thermometer.latest.get("cpu-thermal") == 40.0)
        (hot / "temp").write_text("55000")
        until(lambda: thermometer.latest["cpu-thermal"] == 55.0)
        assert thermometer.latest == {"cpu-thermal": 55.0, "gpu-thermal": 30.0}
        (hot / "temp").write_text("")
        until(lambda: thermometer.latest["cpu-thermal"] is None)
        assert thermometer.latest["gpu-thermal"] == 30.0
        (hot / "temp").unlink()
        (hot / "type").unlink()
        hot.rmdir()
        until(lambda: "cpu-thermal" not in thermometer.latest)
    assert not any(thread.name == "thermometer" for thread in threading.enumerate())


def test_a_read_that_hangs_makes_nobody_wait_and_turns_to_none(tmp_path):
    zone(tmp_path, 0, "cpu-thermal", "40000")
    stuck = zone(tmp_path, 1, "gpu-thermal", "41000")
    now_ns = [0]
    thermometer = Thermometer(tmp_path, clock_ns=lambda: now_ns[0])
    thermometer.start()
    until(lambda: len(thermometer.latest) == 2)
    (stuck / "temp").unlink()
    os.mkfifo(stuck / "temp")  # opening it waits for a writer
    now_ns[0] = 9_000_000_000
    until(lambda: thermometer._read["cpu-thermal"][1] == 9_000_000_000)
    assert thermometer.latest == {"cpu-thermal": 40.0, "gpu-thermal": 41.0}
    now_ns[0] = 11_000_000_000
    assert thermometer.latest == {"cpu-thermal": 40.0, "gpu-thermal": None}
    now_ns[0] = 20_000_000_000
    assert thermometer.latest == {"cpu-thermal": None, "gpu-thermal": None}
    thermometer.close()
    (stuck / "temp").write_text("42000")  # lets it go
    until(lambda: not any(thread.name == "thermometer" for thread in threading.enumerate()))


def test_a_thermometer_that_never_started_can_be_closed(tmp_path):
    Thermometer(tmp_path).close()
