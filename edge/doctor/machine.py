"""The machine itself: system, Python, processor, memory, disk, clock."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import time
from importlib.metadata import version
from pathlib import Path

from faceguard.edge.doctor.finding import Finding, State
from faceguard.edge.doctor.jetson import Jetson
from faceguard.engines import cgroup

NEWEST_PYTHON = (3, 13)
_LEAST_MEMORY = 500e6
_LEAST_DISK = 1e9
_FIRST_SANE_YEAR = 2024

# Arm's processors name themselves by number only (MIDR_EL1 part numbers of Arm's manuals).
_ARM_CORES = {
    "0xd03": "Cortex-A53",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse-N1",
    "0xd42": "Cortex-A78AE",
    "0xd4f": "Neoverse-V2",
    "0xd83": "Neoverse-V3AE",
}
_VENV_MEND = "python3 -m venv --system-site-packages .venv, and install faceguard there again"


def check_system(root: Path = Path("/")) -> list[Finding]:
    """The version of faceguard, the distribution, the kernel."""
    text = (root / "etc/os-release").read_text(encoding="utf-8", errors="replace")
    named = re.search(r'^PRETTY_NAME="?([^"\n]*)', text, re.MULTILINE)
    # What follows the number in a kernel's release is whatever its builder wrote there.
    kernel = re.match(r"[\d.]+", platform.release())
    return [
        Finding("faceguard", State.OK, version("faceguard-edge")),
        Finding(
            "system",
            State.OK,
            f"{named.group(1) if named else 'Linux'}, "
            f"kernel {kernel.group().rstrip('.') if kernel else 'unknown'}, {platform.machine()}",
        ),
    ]


def check_python(jetson: Jetson | None, prefix: Path | None = None) -> list[Finding]:
    """Python's version, and whether this environment sees JetPack's modules.

    Args:
        jetson: The Jetson that this is; None for any other machine.
        prefix: The virtual environment's folder; None takes the one that runs.

    Returns:
        One finding.
    """
    running = sys.version_info[:2]
    detail = platform.python_version()
    if prefix is None and sys.prefix != sys.base_prefix:
        prefix = Path(sys.prefix)
    sees_system = prefix is None or _sees_system(prefix)
    if prefix is None:
        detail += ", no virtual environment"
    else:
        detail += f", virtual environment {'with' if sees_system else 'without'} system packages"
    if running > NEWEST_PYTHON:
        detail += f"; not tested beyond {_dotted(NEWEST_PYTHON)}"
        return [Finding("Python", State.NOTE, detail)]
    if jetson is not None and jetson.python not in (None, running):
        wanted = _dotted(jetson.python or running)
        detail += f"; JetPack's TensorRT and OpenCV are made for Python {wanted}"
        return [
            Finding("Python", State.NOTE, detail, _VENV_MEND.replace("python3", f"python{wanted}"))
        ]
    if jetson is not None and not sees_system:
        detail += "; JetPack's TensorRT and OpenCV cannot be seen from it"
        return [Finding("Python", State.NOTE, detail, _VENV_MEND)]
    return [Finding("Python", State.OK, detail)]


def check_cpu(root: Path = Path("/")) -> list[Finding]:
    """Which processor, and how much of it this process may use."""
    allowed: float = len(os.sched_getaffinity(0))
    quota = cgroup.cpu_quota(root)
    usable = allowed if quota is None else min(allowed, quota)
    detail = f"{cpu_model(root)}, {usable:g} of {os.cpu_count()} cores usable"
    if quota is not None and quota < allowed:
        detail += " (limited by its control group)"
    return [Finding("CPU", State.OK, detail)]


def cpu_model(root: Path) -> str:
    """The processor's name from `proc/cpuinfo`."""
    text = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    fields = dict(re.findall(r"^([^\t:\n]+?)\s*:[ \t]*(.*)$", text, re.MULTILINE))
    # First the number: where Arm has a name as well, it is "ARMv8 Processor rev 1".
    core = _ARM_CORES.get(fields.get("CPU part", ""))
    return core or fields.get("model name") or f"unnamed {platform.machine()} processor"


def check_memory(root: Path, jetson: Jetson | None) -> list[Finding]:
    """How much memory there is, and is free."""
    text = (root / "proc/meminfo").read_text(encoding="utf-8")
    lines = re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE)
    fields = {key: int(kib) * 1024 for key, kib in lines}
    total, free = fields["MemTotal"], fields["MemAvailable"]
    limit = cgroup.memory_limit(root)
    limited = limit is not None and limit < total
    if limit is not None and limited:
        total, free = limit, min(free, limit)
    detail = f"{gigabytes(free)} of {gigabytes(total)} free"
    if limited:
        detail += " (limited by its control group)"
    if jetson is not None:
        detail += ", shared by CPU and GPU"
    if free < _LEAST_MEMORY:
        mend = f"close other programs; redacting wants {gigabytes(_LEAST_MEMORY)}"
        return [Finding("memory", State.NOTE, detail, mend)]
    return [Finding("memory", State.OK, detail)]


def disk_space(name: str, folder: Path) -> Finding:
    """How much of a folder's disk is free.

    Args:
        name: The finding's name.
        folder: Need not exist yet; the nearest folder above it counts.

    Returns:
        The finding.

    Raises:
        OSError: The disk does not say.
    """
    usage = shutil.disk_usage(nearest(folder))
    detail = f"{gigabytes(usage.free)} of {gigabytes(usage.total)} free"
    if usage.free < _LEAST_DISK:
        return Finding(name, State.NOTE, detail, "free some space on this disk")
    return Finding(name, State.OK, detail)


def check_clock(now_s: float | None = None) -> list[Finding]:
    """Whether the system's time can be true; boards without a battery start in the past.

    Args:
        now_s: Seconds since 1970; None asks the system.

    Returns:
        One finding.
    """
    now = time.gmtime(now_s)
    detail = time.strftime("%Y-%m-%d %H:%M UTC", now)
    if now.tm_year < _FIRST_SANE_YEAR:
        detail += "; downloads fail and recordings get wrong times"
        return [Finding("clock", State.NOTE, detail, "sudo timedatectl set-ntp true")]
    return [Finding("clock", State.OK, detail)]


def nearest(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    return next((place for place in (folder, *folder.parents) if place.is_dir()), Path("/"))


def gigabytes(count: float) -> str:
    """Bytes for people, in powers of ten."""
    return f"{count / 1e9:.1f} GB"


def _sees_system(prefix: Path) -> bool:
    text = (prefix / "pyvenv.cfg").read_text(encoding="utf-8", errors="replace")
    said = re.search(r"^include-system-site-packages\s*=\s*(\w+)", text, re.MULTILINE)
    return said is not None and said.group(1).lower() == "true"


def _dotted(numbers: tuple[int, int]) -> str:
    return ".".join(map(str, numbers))
