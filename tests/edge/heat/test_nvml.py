"""Discrete GPUs: NVIDIA's own Python package over a library that a C file here makes."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from faceguard.edge.heat.reading import Survey
from faceguard.edge.heat.sensing.nvml import NvmlSource
from faceguard.edge.heat.sensing.sensors import read_once
from tests.edge.heat.sys_tree import until, write, zone
from tests.engines.tools import NATIVE, ROOT, compile_library

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("pynvml") is None, reason="nvidia-ml-py is not installed"
)


class Camera:
    """The process, the files of its machine, and what the library is told."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._told = root / "told"
        self.tell()

    def tell(self, **words: str | int) -> None:
        """Tells the library values, faults and hangs; all at once, and in place of those before."""
        draft = self._told.with_suffix(".draft")
        draft.write_text("".join(f"{word} {value}\n" for word, value in words.items()))
        draft.rename(self._told)

    @contextmanager
    def running(self) -> Iterator[Callable[[], Mapping[str, Any]]]:
        """Runs it; gives what asks for its survey. Afterwards nothing may be left."""
        library = compile_library(NATIVE / "fake_nvml.c", "libnvidia-ml.so.1")
        settings = {"LD_LIBRARY_PATH": str(library.parent), "FAKE_NVML": str(self._told)}
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.edge.heat.nvml_process", str(self.root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **settings},
        )
        assert process.stdin is not None
        assert process.stdout is not None
        with process:
            try:
                yield lambda: self._asked(process)
                process.stdin.close()
                self.end = json.loads(process.stdout.readline())
                assert process.wait(30) == 0
                assert not self.end["early"]
            finally:
                process.kill()

    @staticmethod
    def _asked(process: subprocess.Popen[str]) -> Mapping[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        survey: Mapping[str, Any] = json.loads(process.stdout.readline())
        return survey


@pytest.fixture
def camera(tmp_path: Path) -> Camera:
    return Camera(tmp_path)


def at(value: float | None, trip_c: float | None = None, reason: str | None = None) -> object:
    return {"temperature_c": sensed(value, reason), "trip_c": trip_c}


def sensed(value: float | None, reason: str | None = None) -> object:
    return {"value": value, "reason": reason}


@needs_package
def test_two_gpus(camera: Camera):
    camera.tell(gpus=2)
    zone(camera.root, 0, "acpitz", "40000")
    with camera.running() as ask:
        until(lambda: "nvml 1" in ask()["zones"])
        survey = ask()
        assert survey["zones"] == {
            "acpitz": at(40.0),
            "nvml 0": at(61.0, 90.0),
            "nvml 1": at(71.0, 90.0),
        }
        assert survey["rails_w"] == {"nvml 0": sensed(95.5), "nvml 1": sensed(95.5)}
        assert survey["gpu_load"] == sensed(0.37)
        camera.tell(gpus=2, temperature=80, power=20000, load=100)
        until(lambda: ask()["zones"]["nvml 1"] == at(90.0, 90.0))
        until(lambda: ask()["gpu_load"] == sensed(1.0))
        # A Jetson's own load counts before this one.
        write(camera.root / "sys/devices/platform/gpu.0/load", "500")
        until(lambda: ask()["gpu_load"] == sensed(0.5))
    assert camera.end["begun"] == 0
    assert camera.end["threads"] == []


@needs_package
def test_errors_are_reasons(camera: Camera):
    with camera.running() as ask:
        until(lambda: ask()["zones"] == {"nvml 0": at(61.0, 90.0)})
        camera.tell(nvmlDeviceGetTemperature=999, nvmlDeviceGetPowerUsage=4)
        until(lambda: ask()["zones"] == {"nvml 0": at(None, 90.0, "failed (NVML 999)")})
        until(lambda: ask()["rails_w"] == {"nvml 0": sensed(None, "failed (NVML 4)")})
        assert ask()["gpu_load"] == sensed(0.37)
        camera.tell(nvmlDeviceGetTemperature=15)
        until(lambda: ask()["zones"] == {"nvml 0": at(None, 90.0, "gone")})
        camera.tell(temperature=200)
        until(lambda: ask()["zones"] == {"nvml 0": at(None, 90.0, "absurd (200)")})
        camera.tell()
        until(lambda: ask()["zones"] == {"nvml 0": at(61.0, 90.0)})
        until(lambda: ask()["rails_w"] == {"nvml 0": sensed(95.5)})


@needs_package
def test_a_gpu_without_sensors_is_no_zone(camera: Camera):
    """A Jetson's library lists the GPU and then knows nothing of it."""
    names = ("Temperature", "PowerUsage", "UtilizationRates")
    camera.tell(**{f"nvmlDeviceGet{name}": 3 for name in names})
    zone(camera.root, 0, "gpu-thermal", "40000")
    with camera.running() as ask:
        until(lambda: ask()["zones"] == {"gpu-thermal": at(40.0)})
        camera.tell(slowdown=20)
        for _ in range(20):
            survey = ask()
            assert survey["zones"] == {"gpu-thermal": at(40.0)}
            assert survey["rails_w"] == {}
            assert survey["gpu_load"] == sensed(None)


@needs_package
@pytest.mark.parametrize(
    ("told", "zones"),
    [
        ({"nvmlInitWithFlags": 9}, {}),
        ({"gpus": 0}, {}),
        ({"nvmlInitWithFlags": 18}, {"nvml 0": at(None, None, "failed (NVML 18)")}),
        ({"nvmlDeviceGetCount_v2": 999}, {"nvml 0": at(None, None, "failed (NVML 999)")}),
        ({"nvmlDeviceGetHandleByIndex_v2": 4}, {"nvml 0": at(None, None, "failed (NVML 4)")}),
        ({"slowdown": 20}, {"nvml 0": at(61.0)}),
        ({"nvmlDeviceGetTemperatureThreshold": 3}, {"nvml 0": at(61.0)}),
    ],
)
def test_a_beginning(camera: Camera, told: dict[str, int], zones: dict[str, object]):
    camera.tell(**told)
    zone(camera.root, 0, "acpitz", "40000")
    with camera.running() as ask:
        until(lambda: ask()["zones"] == {"acpitz": at(40.0), **zones})
    assert camera.end["begun"] == 0


@needs_package
def test_a_library_that_hangs_at_once_is_slow_until_it_comes_back(camera: Camera):
    camera.tell(nvmlInitWithFlags="hang")
    folder = zone(camera.root, 0, "acpitz", "40000")
    with camera.running() as ask:
        slow = at(None, None, "slow")
        until(lambda: ask()["zones"] == {"acpitz": at(40.0), "nvml 0": slow})
        for value in (41, 42):
            write(folder / "temp", f"{value}000")
            until(lambda c=value: ask()["zones"] == {"acpitz": at(c), "nvml 0": slow})
        camera.tell()
        until(lambda: ask()["zones"] == {"acpitz": at(42.0), "nvml 0": at(61.0, 90.0)})
        camera.tell(nvmlDeviceGetPowerUsage="hang")
        until(lambda: ask()["zones"]["nvml 0"] == at(None, 90.0, "slow"))
        until(lambda: ask()["rails_w"] == {"nvml 0": sensed(None, "slow")})
    # It is left behind, and so the library is not ended under it.
    assert camera.end["begun"] == 1
    assert camera.end["threads"] == ["sensors reader"]


@needs_package
def test_an_end_that_hangs_is_left_behind(camera: Camera):
    with camera.running() as ask:
        until(lambda: "nvml 0" in ask()["zones"])
        camera.tell(nvmlShutdown="hang")
    assert camera.end["begun"] == 1
    assert camera.end["threads"] == ["sensors reader"]


def test_no_package_is_no_error_and_no_zone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)  # importing it fails
    source = NvmlSource(lambda: 0)
    assert source.read() == Survey()
    source.end()


@needs_package
def test_no_library_is_no_error_and_no_zone(tmp_path: Path):
    """The real package; this machine has no such library, or a real one with real GPUs."""
    survey = read_once(tmp_path, 20, nvml=True)
    assert all(name.startswith("nvml ") for name in survey.zones)


def test_a_folder_is_not_asked_for_the_machines_gpus(tmp_path: Path):
    assert read_once(tmp_path, 20) == Survey()


def test_nothing_is_imported_before_it_is_needed():
    code = "import sys, faceguard.edge.heat.sensing.sensors; print('pynvml' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "False\n"
