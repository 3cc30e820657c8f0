"""The GPU, and what it takes to compute on it. None of it is needed to redact on the CPU."""

from __future__ import annotations

import shutil
from pathlib import Path

from faceguard.edge.doctor.child import ask
from faceguard.edge.doctor.finding import Finding, State
from faceguard.edge.doctor.jetson import Jetson
from faceguard.engines.backends import INSTALL_PYCUDA
from faceguard.engines.child import ChildFailed, run_limited
from faceguard.engines.machine import read_machine

_NVIDIA = "0x10de"
_DISPLAY_CLASS = "0x03"
_QUERY = "--query-gpu=name,driver_version,memory.total"


def check_gpu(root: Path, jetson: Jetson | None) -> list[Finding]:
    """Whether there is an NVIDIA GPU, with a driver that answers."""
    if jetson is not None:
        if (root / "sys/devices/platform/gpu.0").exists():
            return [Finding("GPU", State.OK, "integrated, of the Jetson")]
        return [
            Finding(
                "GPU",
                State.NOTE,
                "/sys/devices/platform/gpu.0 is not there",
                "in a container, give it --runtime nvidia; else see `sudo dmesg | grep nvgpu`",
            )
        ]
    tool = shutil.which("nvidia-smi")
    if tool is not None:
        return ask_nvidia_smi([tool])
    if _has_card(root):
        mend = "install NVIDIA's driver, on Ubuntu: sudo ubuntu-drivers install"
        return [Finding("GPU", State.NOTE, "an NVIDIA GPU without its driver", mend)]
    return [Finding("GPU", State.NOTE, "no NVIDIA GPU; the CPU does the work")]


def ask_nvidia_smi(command: list[str], *, limit_s: float = 10.0) -> list[Finding]:
    """Asks NVIDIA's tool for name, driver and memory, and for nothing that tells one card.

    Args:
        command: How to start it.
        limit_s: How long to wait; a broken driver may never answer.

    Returns:
        A finding for each GPU, or one that says why there is none.
    """
    mend = "update or install NVIDIA's driver again, then restart the machine"
    try:
        answer = run_limited([*command, _QUERY, "--format=csv,noheader,nounits"], limit_s=limit_s)
    except (ChildFailed, OSError) as error:
        return [Finding("GPU", State.NOTE, f"nvidia-smi: {error}", mend)]
    if answer.code != 0:
        why = (answer.out + answer.err).strip() or f"exit code {answer.code}"
        return [Finding("GPU", State.NOTE, f"nvidia-smi: {why}", mend)]
    found = []
    for line in answer.out.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == 3:
            memory = f"{int(cells[2]) / 1024:.0f} GiB" if cells[2].isdigit() else "shared memory"
            found.append(Finding("GPU", State.OK, f"{cells[0]}, {memory}, driver {cells[1]}"))
    return found or [Finding("GPU", State.NOTE, "nvidia-smi knows of no GPU", mend)]


def check_tensorrt(root: Path, jetson: Jetson | None) -> list[Finding]:
    """Whether Python can load TensorRT, and which."""
    on_pc = "pip install tensorrt" if _has_card(root) else None
    mend = "sudo apt install python3-libnvinfer" if jetson is not None else on_pc
    return [_module("TensorRT", "tensorrt", mend), *_tensorrt_rtx()]


def _tensorrt_rtx() -> list[Finding]:
    """TensorRT for RTX where it is installed; it is large, so its version is read, not loaded."""
    version = read_machine().tensorrt_rtx
    return [Finding("TensorRT for RTX", State.OK, version)] if version else []


def check_pycuda(root: Path, jetson: Jetson | None) -> list[Finding]:
    """Whether Python can load pycuda with the CUDA driver's library, and which."""
    useful = jetson is not None or _has_card(root)
    return [_module("pycuda", "pycuda", INSTALL_PYCUDA if useful else None)]


def _module(name: str, probe: str, mend: str | None) -> Finding:
    told = ask(probe)
    if "absent" in told:
        return Finding(name, State.NOTE, "not installed; only a GPU needs it", mend)
    if "error" in told:
        detail = f"installed but cannot be loaded: {told['error']}"
        return Finding(name, State.NOTE, detail, mend)
    return Finding(name, State.OK, told["version"])


def _has_card(root: Path) -> bool:
    """Whether a display controller of NVIDIA is on the PCI bus."""
    for device in (root / "sys/bus/pci/devices").glob("*"):
        try:
            vendor = (device / "vendor").read_text(encoding="ascii").strip()
            kind = (device / "class").read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if vendor == _NVIDIA and kind.startswith(_DISPLAY_CLASS):
            return True
    return False
