"""What a machine is: the driver is asked in a child, versions are read and nothing is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from faceguard.engines import machine
from faceguard.engines.l4t import parse_l4t, release_text
from faceguard.engines.machine import Gpu, read_machine
from tests.engines import tools

RELEASE = "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n"
ORIN = Gpu("Fake Orin", (8, 7), 7990898688, integrated=False)


@pytest.fixture
def driver(monkeypatch):
    """Puts a fake driver in the way of child processes, and tells it how to be."""

    def install(mode="", **more):
        monkeypatch.setenv("LD_LIBRARY_PATH", str(tools.fake_cuda().parent))
        monkeypatch.setenv("FAKE_CUDA", mode)
        for name, value in more.items():
            monkeypatch.setenv(name, value)

    return install


@pytest.fixture
def no_driver(monkeypatch, tmp_path):
    """A driver library that is none comes first, so that a real one is not found either."""
    (tmp_path / "libcuda.so.1").write_bytes(b"")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))


def test_reads_the_gpu(driver):
    driver()
    found = read_machine()
    assert found.gpu == ORIN
    assert found.no_gpu is None
    assert found.cuda == "12.6"


def test_reads_an_integrated_gpu(driver):
    driver(FAKE_CUDA_INTEGRATED="1")
    gpu = read_machine().gpu
    assert gpu is not None
    assert gpu.integrated


@pytest.mark.usefixtures("no_driver")
def test_a_machine_without_a_driver():
    found = read_machine()
    assert (found.gpu, found.cuda) == (None, None)
    assert str(found.no_gpu).startswith("no CUDA driver: ")
    assert "\n" not in str(found.no_gpu)


def test_a_driver_without_a_gpu_still_tells_its_cuda(driver):
    driver("no-device")
    found = read_machine()
    assert (found.gpu, found.cuda) == (None, "12.6")
    assert found.no_gpu == "cuInit failed: no CUDA-capable device is detected (100)"


def test_a_driver_that_hangs_is_given_up(driver):
    driver("hang")
    found = read_machine(limit_s=0.5)
    assert found.gpu is None
    assert found.no_gpu == "the CUDA driver gave no answer within 0.5 s"


def test_a_driver_that_crashes(driver):
    driver("crash")
    found = read_machine()
    assert found.gpu is None
    assert found.no_gpu == "the CUDA driver crashed (SIGSEGV)"


@pytest.mark.parametrize("mode", ["noisy", "hang-at-exit"])
def test_a_driver_that_prints_or_never_leaves_is_heard(driver, mode):
    driver(mode)
    assert read_machine(limit_s=20).gpu == ORIN


def test_a_probe_that_cannot_start(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    found = read_machine()
    assert found.gpu is None
    assert str(found.no_gpu).startswith("the CUDA driver was not asked: ")


def test_a_probe_that_fails_is_told_with_its_last_line(monkeypatch, tmp_path):
    script = tmp_path / "probe.py"
    script.write_text("raise SystemExit('no ctypes')")
    monkeypatch.setattr(machine, "_PROBE", script)
    assert read_machine().no_gpu == "asking the CUDA driver ended with exit code 1: no ctypes"


@pytest.mark.parametrize(
    ("packages", "tensorrt", "rtx"),
    [
        ([], None, None),
        (["tensorrt-10.3.0"], "10.3.0", None),  # JetPack's python3-libnvinfer
        (["tensorrt_cu12_bindings-10.16.1.11", "tensorrt-10.16.1"], "10.16.1.11", None),
        (["tensorrt_cu13-11.4.0.106"], "11.4.0.106", None),
        (["tensorrt_rtx_cu13_bindings-1.7.1.116"], None, "1.7.1.116"),
        (["tensorrt_rtx-1.7.1", "tensorrt-10.3.0"], "10.3.0", "1.7.1"),
    ],
)
@pytest.mark.usefixtures("no_driver")
def test_reads_versions_from_packages(tmp_path, packages, tensorrt, rtx):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    for package in packages:
        name, _, version = package.rpartition("-")
        metadata = folder / f"{package}.dist-info/METADATA"
        metadata.parent.mkdir()
        metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    found = read_machine(tmp_path, packages=[str(folder)])
    assert (found.tensorrt, found.tensorrt_rtx) == (tensorrt, rtx)


@pytest.mark.parametrize("folder", ["aarch64-linux-gnu", "x86_64-linux-gnu"])
@pytest.mark.usefixtures("no_driver")
def test_reads_versions_from_the_names_of_libraries(tmp_path, folder):
    libraries = tmp_path / "usr/lib" / folder
    libraries.mkdir(parents=True)
    for name in (
        "libnvinfer.so",
        "libnvinfer.so.10",
        "libnvinfer.so.10.3.0",
        "libnvinfer.so.10.13.0",
        "libnvinfer_plugin.so.11.0.0",
        "libtensorrt_rtx.so.1.7.1",
    ):
        (libraries / name).touch()
    found = read_machine(tmp_path, packages=[])
    assert (found.tensorrt, found.tensorrt_rtx) == ("10.13.0", "1.7.1")


@pytest.mark.parametrize(
    ("text", "l4t"),
    [(RELEASE, "36.4.3"), ("# R38 (release), REVISION: 2.0, GCID: 1\n", "38.2.0"), ("?", None)],
)
@pytest.mark.usefixtures("no_driver")
def test_reads_l4t(tmp_path, text, l4t):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/nv_tegra_release").write_text(text)
    assert read_machine(tmp_path, packages=[]).l4t == l4t


def test_no_release_file_is_no_l4t(tmp_path):
    assert release_text(tmp_path) == ""
    assert parse_l4t("") is None


def test_loads_no_library():
    """Neither TensorRT nor anything heavy, so that a command with nothing to do stays quick."""
    script = (
        "import sys; from faceguard.engines.machine import read_machine; read_machine(); "
        "print(*(m for m in sys.modules if m.split('.')[0] in "
        "('tensorrt', 'tensorrt_rtx', 'tensorrt_rtx_bindings', 'pycuda', 'numpy', 'ctypes')))"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""


def test_the_probe_stands_alone():
    """It runs without site-packages, so it may import the standard library only."""
    probe = Path(machine.__file__).with_name("cuda_probe.py")
    assert "faceguard" not in probe.read_text(encoding="utf-8")


@pytest.mark.gpu
def test_the_gpu_of_this_machine():
    found = read_machine()
    if found.gpu is None:
        pytest.skip(f"no GPU: {found.no_gpu}")
    assert found.gpu.compute_capability >= (5, 0)
    assert found.gpu.memory_bytes > 1 << 30
    assert found.cuda is not None


@pytest.mark.jetson
def test_the_jetson_of_this_machine():
    found = read_machine()
    if found.l4t is None:
        pytest.skip("no Jetson")
    assert found.gpu is not None
    assert found.gpu.integrated
    assert found.tensorrt is not None
