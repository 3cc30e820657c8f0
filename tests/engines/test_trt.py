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


@pytest.mark.parametrize("file", ["test_runtime_contract.py", "trt_over_fake_cuda.py"])
def test_over_a_fake_driver(file, tmp_path):
    path = [str(tools.pycuda()), str(tools.ROOT), os.environ.get("PYTHONPATH", "")]
    command = [sys.executable, "-m", "pytest", str(HERE / file), "-q", "-p", "no:cacheprovider"]
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
