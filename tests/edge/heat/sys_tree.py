"""Files as the kernel lays them out, in a folder; and waiting for what threads will do."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def zone(root: Path, number: int, kind: str, temp: str | None, *trips: tuple[str, str]) -> Path:
    """A thermal zone; trips are types and millidegrees."""
    folder = root / f"sys/class/thermal/thermal_zone{number}"
    write(folder / "type", kind)
    if temp is not None:
        write(folder / "temp", temp)
    for index, (trip_kind, trip_temp) in enumerate(trips):
        write(folder / f"trip_point_{index}_type", trip_kind)
        write(folder / f"trip_point_{index}_temp", trip_temp)
    return folder


def cooler(root: Path, number: int, kind: str, state: str = "0") -> Path:
    """A cooling device."""
    folder = root / f"sys/class/thermal/cooling_device{number}"
    write(folder / "type", kind)
    write(folder / "cur_state", state)
    return folder


def bind(zone_folder: Path, number: int, device: Path, trip: int) -> None:
    """Says that the kernel uses a cooling device at a trip point."""
    (zone_folder / f"cdev{number}").symlink_to(device)
    write(zone_folder / f"cdev{number}_trip_point", str(trip))


def monitor(root: Path, number: int, name: str, **files: str) -> Path:
    """A hardware monitor."""
    folder = root / f"sys/class/hwmon/hwmon{number}"
    write(folder / "name", name)
    for file, text in files.items():
        write(folder / file, text)
    return folder


def orin_nano(root: Path) -> None:
    """All that an Orin Nano has, while nothing is wrong; cv zones answer nothing here."""
    trips = (("passive", "99000"), ("critical", "104500"), ("passive", "70000"))
    for number, kind in enumerate(("cpu", "gpu", "cv0", "cv1", "cv2", "soc0", "soc1", "tj")):
        temp = "" if kind.startswith("cv") else str(45000 + 500 * number)
        zone(root, number, f"{kind}-thermal", temp, *trips)
    cooler(root, 0, "pwm-fan", "2")
    cooler(root, 1, "cpufreq-cpu0")
    cooler(root, 2, "cpu-throttle-alert")
    notice = cooler(root, 3, "hot-surface-alert", "1")
    for folder in root.glob("sys/class/thermal/thermal_zone*"):
        bind(folder, 0, notice, 2)
        bind(folder, 1, root / "sys/class/thermal/cooling_device1", 0)
        bind(folder, 2, root / "sys/class/thermal/cooling_device2", 0)
    rails = {"1": ("VDD_IN", "5000", "1480"), "2": ("VDD_CPU_GPU_CV", "5000", "400")}
    rails["3"] = ("VDD_SOC", "5000", "300")
    files = {}
    for channel, (label, millivolts, milliamperes) in rails.items():
        files[f"in{channel}_label"] = label
        files[f"in{channel}_input"] = millivolts
        files[f"curr{channel}_input"] = milliamperes
    # What stands above the three rails: voltages over the shunts, and their sum.
    files.update(in4_input="0", in7_label="sum of shunt voltages", in7_input="1")
    monitor(root, 0, "pwmfan", pwm1="51")
    monitor(root, 1, "ina3221", **files)
    monitor(root, 2, "soctherm_oc", oc1_event_cnt="1", oc2_event_cnt="0", oc3_event_cnt="4")
    write(root / "sys/devices/platform/gpu.0/load", "372")
    write(
        root / "etc/nvpmodel.conf", "< POWER_MODEL ID=0 NAME=15W >\n< POWER_MODEL ID=1 NAME=25W >"
    )
    write(root / "var/lib/nvpmodel/status", "pmode:0001")


def until(condition: Callable[[], bool]) -> None:
    """Waits for what must come."""
    deadline_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline_s
        threading.Event().wait(0.01)


def readers() -> list[threading.Thread]:
    """The threads of sensors that are alive."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("sensors")]


class Hang:
    """A file whose opening hangs from now on, as a driver's would."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.unlink(missing_ok=True)
        os.mkfifo(path)

    def release(self, text: str) -> None:
        """Puts a file in its place, and lets those who wait read the same."""
        aside = self._path.with_name(f"{self._path.name}.aside")
        self._path.rename(aside)
        write(self._path, text)
        # To read and write, since that never waits; whoever waits has its end of the pipe already.
        handle = os.open(aside, os.O_RDWR)
        os.write(handle, f"{text}\n".encode())
        os.close(handle)


def open_files() -> int:
    """How many file descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


@contextmanager
def no_leftovers() -> Iterator[None]:
    """No thread of the sensors and no file descriptor stays."""
    before = open_files()
    yield
    until(lambda: not readers())
    assert open_files() <= before
