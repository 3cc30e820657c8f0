"""What tests of the GPU's side make for themselves, once, under build/test-tools.

A fake CUDA driver and dummy TensorRT libraries are compiled; pycuda is built; TensorRT's bindings
are fetched. What cannot be had on a machine is a skip that says why.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
NATIVE = ROOT / "tests/native"
TOOLS = ROOT / "build/test-tools"
PYCUDA = "2026.1"
CUDA_HEADERS = "nvidia-cuda-runtime-cu12==12.6.77"
_PYTHON = f"cp{sys.version_info.major}{sys.version_info.minor}-{platform.machine()}"


def compile_library(source: Path, soname: str, *options: str) -> Path:
    """Compiles a C file into a shared library, in a folder of its own."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler on this machine")
    content = source.read_bytes() + " ".join((soname, *options)).encode()
    name = f"{source.stem}-{platform.machine()}-{hashlib.sha256(content).hexdigest()[:12]}"

    def make(folder: Path) -> None:
        command = [compiler, "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread"]
        command += [f"-Wl,-soname,{soname}", *options, "-o", str(folder / soname), str(source)]
        _run(command)

    return _once(name, make) / soname


def fake_cuda() -> Path:
    """The fake `libcuda.so.1`."""
    return compile_library(NATIVE / "fake_cuda.c", "libcuda.so.1")


def pycuda() -> Path:
    """A folder with the real pycuda in it; building takes about 100 s, once."""
    if shutil.which("g++") is None:
        pytest.skip("no C++ compiler on this machine, so pycuda cannot be built")
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
        pytest.skip("Python's headers are not on this machine, so pycuda cannot be built")
    library = fake_cuda()
    major = np.__version__.split(".")[0]

    def make(folder: Path) -> None:
        with tempfile.TemporaryDirectory() as home:
            stub = Path(home, "stub")
            stub.mkdir()
            # The name it is linked under; its soname, libcuda.so.1, is what pycuda then asks for.
            shutil.copy(library, stub / "libcuda.so")
            Path(home, ".aksetup-defaults.py").write_text(
                f"CUDA_ROOT = {home!r}\nCUDA_INC_DIR = [{str(_cuda_headers())!r}]\n"
                f"CUDADRV_LIB_DIR = [{str(stub)!r}]\n"
                "CUDA_ENABLE_CURAND = False\nCUDA_ENABLE_GL = False\n"
            )
            # Its build reads settings from the home folder; pip's own stay where they are.
            user = Path.home()
            settings = os.environ.get("XDG_CONFIG_HOME", str(user / ".config"))
            cache = os.environ.get("PIP_CACHE_DIR", str(user / ".cache/pip"))
            environment = {"HOME": home, "XDG_CONFIG_HOME": settings, "PIP_CACHE_DIR": cache}
            _pip("install", f"pycuda=={PYCUDA}", "--target", str(folder), environment=environment)

    return _once(f"pycuda-{PYCUDA}-numpy{major}-{_PYTHON}", make)


def wheel(requirement: str) -> Path:
    """A package's wheel, unpacked; nothing of it is installed."""

    def make(folder: Path) -> None:
        with tempfile.TemporaryDirectory() as here:
            _pip("download", requirement, "--only-binary", ":all:", "-d", here)
            with zipfile.ZipFile(next(Path(here).glob("*.whl"))) as archive:
                archive.extractall(folder)

    return _once(f"{requirement.replace('==', '-')}-{_PYTHON}", make)


def _cuda_headers() -> Path:
    installed = Path("/usr/local/cuda/include")
    if (installed / "cuda.h").is_file():
        return installed
    return wheel(CUDA_HEADERS) / "nvidia/cuda_runtime/include"


def _pip(verb: str, *arguments: str, environment: dict[str, str] | None = None) -> None:
    command = [sys.executable, "-m", "pip", verb, "--no-deps", "--quiet", *arguments]
    done = subprocess.run(
        [*command, "--disable-pip-version-check"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if "ERROR" in line or "rror:" in line]
        pytest.skip(f"pip {verb} {arguments[0]}: {(errors or ['failed'])[-1].strip()}")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _once(name: str, make: Callable[[Path], None]) -> Path:
    """Makes a folder, unless it is there: whole or not at all, and by one process at a time."""
    folder = TOOLS / name
    if folder.is_dir():
        return folder
    TOOLS.mkdir(parents=True, exist_ok=True)
    with (TOOLS / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=TOOLS) as beside:
                made = Path(beside, "made")
                made.mkdir()
                make(made)
                made.rename(folder)
    return folder
