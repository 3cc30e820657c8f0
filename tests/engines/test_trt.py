"""The TensorRT runtime without a GPU: the real pycuda over a driver made here.

The runtime's own tests and the contract of all runtimes run in a process of their own, since the
fake driver takes the place of a real one in whatever process loads it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines import tools

HERE = Path(__file__).resolve().parent


@pytest.mark.parametrize(
    ("file", "options"),
    [
        ("test_runtime_contract.py", []),
        ("trt_over_fake_cuda.py", ["-p", "tests.engines.fake_gpu"]),
        ("trt_faults_over_fake_cuda.py", ["-p", "tests.engines.fake_gpu"]),
    ],
)
def test_over_a_fake_driver(file, options, tmp_path):
    path = [str(tools.pycuda()), str(tools.ROOT), os.environ.get("PYTHONPATH", "")]
    command = [sys.executable, "-m", "pytest", str(HERE / file), "-q", "-p", "no:cacheprovider"]
    command += options
    command += ["-o", "markers=leaves: the GPU is lost in this test, with what it holds"]
    command += ["--basetemp", str(tmp_path / "child")]
    done = subprocess.run(
        [*command, "-c", str(tools.ROOT / "pyproject.toml"), "--rootdir", str(tools.ROOT)],
        check=False,
        capture_output=True,
        text=True,
        cwd=tools.ROOT,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, path)),
            "FACEGUARD_TEST_FAKE_CUDA": str(tools.fake_cuda()),
        },
    )
    if done.returncode != 0:
        pytest.fail(f"{file} over a fake driver:\n{done.stdout}\n{done.stderr}", pytrace=False)
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


def test_pycuda_without_a_driver_is_one_line(tmp_path):
    (tmp_path / "libcuda.so.1").write_bytes(b"")  # so that a real one is not found either
    script = (
        "from faceguard.engines.errors import MissingPackage\n"
        "from faceguard.engines.trt import TensorRtRuntime\n"
        "try:\n"
        "    TensorRtRuntime(b'')\n"
        "except MissingPackage as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=False,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": str(tools.pycuda()),
            "LD_LIBRARY_PATH": str(tmp_path),
        },
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("pycuda cannot be loaded: ")
    assert "install NVIDIA's driver" in done.stdout
    assert done.stdout.count("\n") == 1
