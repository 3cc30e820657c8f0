"""What the doctor reads of a machine, on trees laid out as on the real ones."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from faceguard.edge.doctor.cameras import check_cameras
from faceguard.edge.doctor.encoders import judge_encoder
from faceguard.edge.doctor.finding import Finding, State
from faceguard.edge.doctor.gpu import ask_nvidia_smi, check_gpu
from faceguard.edge.doctor.jetson import Jetson, check_jetson, read_jetson
from faceguard.edge.doctor.machine import (
    check_clock,
    check_cpu,
    check_memory,
    check_python,
    check_system,
)
from faceguard.engines import cgroup

NOBODY = 65534
RELEASE = (
    "# R{} (release), REVISION: {}, GCID: 38968081, BOARD: generic, EABI: aarch64, "
    "DATE: Wed Jan  8 01:49:37 UTC 2025\n"
    "# KERNEL_VARIANT: oot\n"
    "TARGET_USERSPACE_LIB_DIR=nvidia\n"
)
ORIN_NANO = Jetson("NVIDIA Jetson Orin Nano Engineering Reference Developer Kit", (36, 4, 3), "6.2")


def lay(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def orin_nano(tmp_path: Path) -> Path:
    cpu = (
        "processor\t: {}\nmodel name\t: ARMv8 Processor rev 1 (v8l)\nBogoMIPS\t: 62.50\n"
        "Features\t: fp asimd evtstrm aes\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
        "CPU variant\t: 0x0\nCPU part\t: 0xd42\nCPU revision\t: 1\n\n"
    )
    (tmp_path / "sys/devices/platform/gpu.0").mkdir(parents=True)
    return lay(
        tmp_path,
        {
            "proc/device-tree/model": "NVIDIA Jetson Orin Nano Engineering Reference Developer "
            "Kit Super\0",
            "proc/device-tree/compatible": "nvidia,p3768-0000+p3767-0005-super\0"
            "nvidia,p3767-0005\0nvidia,tegra234\0",
            "proc/device-tree/serial-number": "1421123000000\0",
            "proc/cpuinfo": "".join(cpu.format(core) for core in range(6)),
            "proc/meminfo": "MemTotal:        7802240 kB\nMemFree:         1203480 kB\n"
            "MemAvailable:    5120000 kB\nHugePages_Total:       0\n",
            "proc/self/cgroup": "0::/user.slice/user-1000.slice/session-3.scope\n",
            "etc/nv_tegra_release": RELEASE.format(36, "4.3"),
            "etc/os-release": 'PRETTY_NAME="Ubuntu 22.04.5 LTS"\nNAME="Ubuntu"\n',
        },
    )


def only(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


def test_orin_nano_is_known(orin_nano: Path) -> None:
    jetson = read_jetson(orin_nano)
    assert jetson is not None
    assert jetson.model == "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super"
    assert (jetson.l4t, jetson.jetpack) == ((36, 4, 3), "6.2")
    assert jetson.python == (3, 10)
    assert not jetson.has_nvenc
    board = only(check_jetson(orin_nano))
    assert board.state is State.OK
    assert board.detail.endswith("Kit Super, L4T 36.4.3 (JetPack 6.2)")
    assert only(check_gpu(orin_nano, jetson)).state is State.OK
    assert "Cortex-A78AE" in only(check_cpu(orin_nano)).detail
    memory = only(check_memory(orin_nano, jetson))
    assert (memory.state, memory.detail) == (
        State.OK,
        "5.2 GB of 8.0 GB free, shared by CPU and GPU",
    )
    assert check_system(orin_nano)[1].detail.startswith("Ubuntu 22.04.5 LTS, kernel ")


@pytest.mark.parametrize(
    ("release", "revision", "jetpack", "state"),
    [
        (36, "3.0", "6.0", State.NOTE),
        (36, "4.0", "6.1", State.OK),
        (36, "4.4", "6.2.1", State.OK),
        (36, "4.7", "6.2.1", State.OK),
        (36, "5.0", "6.2.2", State.OK),
        (38, "2.0", "7.0", State.OK),
        (39, "2.0", "7.2", State.OK),
        (39, "2.1", "7.2.1", State.OK),
        (40, "0.0", None, State.OK),
        (35, "6.1", None, State.NOTE),
    ],
)
def test_jetpack_follows_from_l4t(
    orin_nano: Path, release: int, revision: str, jetpack: str | None, state: State
) -> None:
    (orin_nano / "etc/nv_tegra_release").write_text(RELEASE.format(release, revision))
    jetson = read_jetson(orin_nano)
    assert jetson is not None
    assert jetson.jetpack == jetpack
    finding = only(check_jetson(orin_nano))
    assert finding.state is state
    assert (finding.mend is not None) == (state is State.NOTE)
    assert f"L4T {release}.{revision} (JetPack {jetpack or 'unknown'})" in finding.detail


def test_container_on_a_jetson_and_a_pc(orin_nano: Path) -> None:
    (orin_nano / "etc/nv_tegra_release").unlink()
    assert "L4T unknown" in only(check_jetson(orin_nano)).detail
    (orin_nano / "sys/devices/platform/gpu.0").rmdir()
    finding = only(check_gpu(orin_nano, read_jetson(orin_nano)))
    assert finding.state is State.NOTE
    assert "--runtime nvidia" in str(finding.mend)
    (orin_nano / "proc/device-tree/compatible").write_text("raspberrypi,5-model-b\0brcm,bcm2712\0")
    assert read_jetson(orin_nano) is None
    assert check_jetson(orin_nano) == []


def test_environment_must_see_jetpack(tmp_path: Path) -> None:
    running = sys.version_info[:2]
    jetpack = {(3, 10): "6.2", (3, 12): "7.2"}.get(running)
    same = Jetson("NVIDIA Jetson", (36, 4, 3), jetpack)
    lay(tmp_path, {"pyvenv.cfg": "home = /usr/bin\ninclude-system-site-packages = false\n"})
    finding = only(check_python(same, tmp_path))
    assert finding.state is State.NOTE
    assert str(finding.mend).startswith("python3 -m venv --system-site-packages ")
    assert only(check_python(None, tmp_path)).state is State.OK
    lay(tmp_path, {"pyvenv.cfg": "include-system-site-packages = true\n"})
    assert only(check_python(same, tmp_path)).state is State.OK
    other = "7.2" if running != (3, 12) else "6.2"
    finding = only(check_python(Jetson("NVIDIA Jetson", (39, 2, 0), other), tmp_path))
    assert finding.state is State.NOTE
    assert f"python3.{'12' if other == '7.2' else '10'} -m venv" in str(finding.mend)


def test_limits_of_control_groups(orin_nano: Path) -> None:
    assert cgroup.cpu_quota(orin_nano) is None
    assert cgroup.memory_limit(orin_nano) is None
    slice_ = "sys/fs/cgroup/user.slice"
    lay(
        orin_nano,
        {
            f"{slice_}/cpu.max": "50000 100000\n",
            f"{slice_}/user-1000.slice/cpu.max": "max 100000\n",
            f"{slice_}/user-1000.slice/memory.max": "400000000\n",
            f"{slice_}/user-1000.slice/session-3.scope/memory.max": "max\n",
        },
    )
    assert "0.5 of" in only(check_cpu(orin_nano)).detail
    finding = only(check_memory(orin_nano, None))
    assert finding.state is State.NOTE
    assert finding.detail == "0.4 GB of 0.4 GB free (limited by its control group)"


def test_limits_of_the_first_version_as_in_a_container(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/docker/0123abcd\n3:cpu,cpuacct:/docker/0123abcd\n0::/\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n",
        },
    )
    assert cgroup.cpu_quota(tmp_path) == 1.5
    assert cgroup.memory_limit(tmp_path) == 1 << 30
    (tmp_path / "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us").write_text("-1\n")
    assert cgroup.cpu_quota(tmp_path) is None


def test_pc_names_its_processor(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {"proc/cpuinfo": "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\n"},
    )
    assert only(check_cpu(tmp_path)).detail.startswith("AMD EPYC, ")


def test_card_without_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    device = "sys/bus/pci/devices/0000:01:00."
    lay(tmp_path, {f"{device}1/vendor": "0x10de\n", f"{device}1/class": "0x040300\n"})
    assert "no NVIDIA GPU" in only(check_gpu(tmp_path, None)).detail
    lay(tmp_path, {f"{device}0/vendor": "0x10de\n", f"{device}0/class": "0x030000\n"})
    finding = only(check_gpu(tmp_path, None))
    assert finding.detail == "an NVIDIA GPU without its driver"
    assert finding.mend


def program(folder: Path, script: str) -> list[str]:
    path = folder / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return [str(path)]


def test_nvidia_smi_answers_fails_or_hangs(tmp_path: Path) -> None:
    two = program(
        tmp_path,
        "echo 'NVIDIA H100 80GB HBM3, 550.54.15, 81559'; echo 'Orin (nvgpu), 540.4.0, [N/A]'",
    )
    assert [(f.state, f.detail) for f in ask_nvidia_smi(two)] == [
        (State.OK, "NVIDIA H100 80GB HBM3, 80 GiB, driver 550.54.15"),
        (State.OK, "Orin (nvgpu), shared memory, driver 540.4.0"),
    ]
    failing = program(tmp_path, "echo 'NVIDIA-SMI has failed'; exit 9")
    finding = only(ask_nvidia_smi(failing))
    assert (finding.state, finding.detail) == (State.NOTE, "nvidia-smi: NVIDIA-SMI has failed")
    # The second process keeps the pipe open, so that killing the first alone would not end it.
    hanging = program(tmp_path, "tail -f /dev/null & tail -f /dev/null")
    assert "no answer within 0.2 s" in only(ask_nvidia_smi(hanging, limit_s=0.2)).detail
    assert "No such file" in only(ask_nvidia_smi([str(tmp_path / "absent")])).detail


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may open everything, so a test of rights is no test as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_cameras_and_the_right_to_open_them() -> None:
    # Not tmp_path: only its owner may enter that.
    root = Path(tempfile.mkdtemp())
    try:
        root.chmod(0o755)
        assert only(check_cameras(root)).detail.startswith("no /dev/video*")
        lay(root, {"dev/video0": "", "dev/video10": "", "dev/video2": "", "dev/video-codec": ""})
        link = root / "sys/class/video4linux/video0/device/driver"
        link.parent.mkdir(parents=True)
        link.symlink_to("../../../../bus/usb/drivers/uvcvideo")
        for node in (root / "dev").iterdir():
            node.chmod(0o666)
        with as_nobody():
            finding = only(check_cameras(root))
        assert finding.state is State.OK
        assert finding.detail == (
            "/dev/video0 (uvcvideo), /dev/video2 (unknown driver), /dev/video10 (unknown driver)"
        )
        (root / "dev/video2").chmod(0o000)
        with as_nobody():
            finding = only(check_cameras(root))
        assert finding.state is State.NOTE
        assert finding.detail.endswith("this user may not open /dev/video2")
        assert str(finding.mend).startswith("sudo usermod -aG video ")
    finally:
        shutil.rmtree(root)


def test_clock_before_the_flood() -> None:
    assert only(check_clock()).state is State.OK
    finding = only(check_clock(0.0))
    assert (finding.state, finding.mend) == (State.NOTE, "sudo timedatectl set-ntp true")
    assert finding.detail.startswith("1970-01-01 00:00 UTC")


@pytest.mark.parametrize(
    ("name", "how", "state", "words"),
    [
        ("libx264", "opens", State.OK, "the default"),
        ("libx264", "absent", State.MISSING, "not in this FFmpeg"),
        ("libx265", "absent", State.NOTE, "not in this FFmpeg"),
        ("h264_nvenc", "opens", State.OK, "NVIDIA GPU"),
        ("h264_nvenc", "listed", State.NOTE, "this board has none, libx264 does it"),
        ("h264_v4l2m2m", "absent", State.NOTE, "this board has none"),
    ],
)
def test_encoders_on_an_orin_nano(name: str, how: str, state: State, words: str) -> None:
    finding = judge_encoder(name, how, ORIN_NANO)
    assert finding.state is state
    assert words in finding.detail
    assert "does not open here" in judge_encoder("h264_nvenc", "listed", None).detail
