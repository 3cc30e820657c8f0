"""What an engine depends on: the GPU, its driver, TensorRT and Jetson Linux.

Quick enough for a command that then finds nothing to do: no library is loaded here. The driver is
asked by a child process, and versions are read from the metadata of installed packages.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from faceguard.engines.child import ChildFailed, run_limited
from faceguard.engines.l4t import parse_l4t, release_text

# The first call after a start, on a PC whose driver was asleep, takes some seconds.
_PROBE_LIMIT_S = 10.0
_PROBE = Path(__file__).with_name("cuda_probe.py")

# Bindings first: their version is TensorRT's own, also where a package around them differs.
# JetPack's python3-libnvinfer registers itself as `tensorrt`.
_TENSORRT = (
    "tensorrt-cu13-bindings",
    "tensorrt-cu12-bindings",
    "tensorrt-cu13",
    "tensorrt-cu12",
    "tensorrt",
)
_TENSORRT_RTX = (
    "tensorrt-rtx-cu13-bindings",
    "tensorrt-rtx-cu12-bindings",
    "tensorrt-rtx-cu13",
    "tensorrt-rtx-cu12",
    "tensorrt-rtx",
)
_LIBRARY_FOLDERS = ("usr/lib/aarch64-linux-gnu", "usr/lib/x86_64-linux-gnu")


@dataclass(frozen=True)
class Gpu:
    """The first GPU.

    Attributes:
        name: As the driver calls it.
        compute_capability: Major and minor, such as (8, 7).
        memory_bytes: All of its memory; on an integrated GPU, the machine's.
        integrated: Whether it shares the memory of the CPU.
    """

    name: str
    compute_capability: tuple[int, int]
    memory_bytes: int
    integrated: bool


@dataclass(frozen=True)
class Machine:
    """What an engine depends on; None for what is not here.

    Attributes:
        gpu: The first GPU that the driver offers.
        no_gpu: Why there is none, in one line.
        cuda: The newest CUDA that the driver knows, such as 13.0.
        tensorrt: TensorRT's version.
        tensorrt_rtx: The version of TensorRT for RTX.
        l4t: Jetson Linux, such as 36.4.3.
    """

    gpu: Gpu | None = None
    no_gpu: str | None = None
    cuda: str | None = None
    tensorrt: str | None = None
    tensorrt_rtx: str | None = None
    l4t: str | None = None


def read_machine(
    root: Path = Path("/"),
    *,
    packages: Sequence[str] | None = None,
    limit_s: float = _PROBE_LIMIT_S,
) -> Machine:
    """Looks at this machine; never hangs, never raises, loads no library.

    Args:
        root: Where `etc` and `usr` are.
        packages: Folders of installed packages; None takes Python's own path.
        limit_s: How long the driver may take to answer.
    """
    told = _ask_driver(limit_s)
    l4t = parse_l4t(release_text(root))
    return Machine(
        gpu=_gpu(told["gpu"]) if "gpu" in told else None,
        no_gpu=told.get("error"),
        cuda=told.get("cuda"),
        tensorrt=_package(_TENSORRT, packages) or _library("nvinfer", root),
        tensorrt_rtx=_package(_TENSORRT_RTX, packages) or _library("tensorrt_rtx", root),
        l4t=".".join(map(str, l4t)) if l4t else None,
    )


def _ask_driver(limit_s: float) -> dict[str, Any]:
    command = [sys.executable, "-I", "-S", str(_PROBE)]
    try:
        answer = run_limited(command, limit_s=limit_s)
    except ChildFailed as error:
        return {"error": f"the CUDA driver gave {error}"}
    except OSError as error:
        return {"error": f"the CUDA driver was not asked: {error}"}
    if answer.crash is not None:
        return {"error": f"the CUDA driver crashed ({answer.crash})"}
    for line in reversed(answer.out.splitlines()):
        try:
            told = json.loads(line)
        except ValueError:  # drivers print too
            continue
        if isinstance(told, dict):
            return told
    last = (answer.err.strip().splitlines() or ["it said nothing"])[-1]
    return {"error": f"asking the CUDA driver ended with exit code {answer.code}: {last}"}


def _gpu(told: dict[str, Any]) -> Gpu:
    major, minor = told["compute_capability"]
    return Gpu(told["name"], (major, minor), told["memory_bytes"], told["integrated"])


def _package(names: Sequence[str], folders: Sequence[str] | None) -> str | None:
    """The version of the first of these packages that is installed."""
    path = list(sys.path if folders is None else folders)
    for name in names:
        for distribution in distributions(name=name, path=path):
            return distribution.version
    return None


def _library(name: str, root: Path) -> str | None:
    """The version in the name of a library: libnvinfer.so.10.3.0 says 10.3.0."""
    pattern = re.compile(rf"lib{name}\.so\.(\d+)\.(\d+)\.(\d+)")
    found = [
        tuple(map(int, match.groups()))
        for folder in _LIBRARY_FOLDERS
        for path in (root / folder).glob(f"lib{name}.so.*")
        if (match := pattern.fullmatch(path.name))
    ]
    return ".".join(map(str, max(found))) if found else None
