"""Two builds at once do the work once; a build that is killed leaves nothing that counts."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from faceguard.convert.engine.make import find_made
from faceguard.engines.errors import BuildFailed
from faceguard.engines.manifest import check_whole
from tests.convert.builds.conftest import marked, wait_until
from tests.convert.engine.asking import RTX, ask, make, names, needs_rtx

_MAKE = """
import sys
from pathlib import Path
from faceguard.convert.engine.make import make_engine
from tests.convert.engine.asking import RTX, ask
more = RTX if sys.argv[2] == "tensorrt-rtx" else {}
say = lambda line: print(line, file=sys.stderr, flush=True)
made = make_engine(ask(Path(sys.argv[1]), precision="fp16", **more), say=say, quiet=True)
print(made.fresh, made.engine)
"""
BACKENDS = ["onnx", pytest.param("tensorrt-rtx", marks=needs_rtx)]


def start(small: Path, backend: str, mark: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _MAKE, str(small), backend],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "FACEGUARD_TEST_MARK": mark},
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_of_builds_at_once_one_builds_and_the_others_use_it(
    store: Path, small: Path, backend: str
) -> None:
    children = [start(small, backend) for _ in range(3)]
    told = []
    said = ""
    for child in children:
        out, error = child.communicate(timeout=120)
        assert child.returncode == 0, error
        told.append(out.split())
        said += error
    assert sorted(fresh for fresh, _ in told) == ["False", "False", "True"]
    assert len({engine for _, engine in told}) == 1
    assert said.count("preparing the fp16 graph") == 1
    check_whole(Path(told[0][1]))
    assert {name.partition("/")[0] for name in names(store)} == {Path(told[0][1]).parent.name}


def test_whoever_waits_says_so_and_gives_up_in_time(store: Path, small: Path) -> None:
    """The other build is stopped, and so holds its lock for ever."""
    child = start(small, "onnx")
    try:
        wait_until(lambda: any(store.glob(".faceguard-drafts/*")), "the other build's draft")
        child.send_signal(signal.SIGSTOP)
        assert find_made(ask(small, precision="fp16")) is None
        command = [sys.executable, "-m", "faceguard.edge.cli", "convert-engine"]
        command += ["--onnx", str(small), "--backend", "onnx", "--timeout", "0.5"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == BuildFailed.exit_code
        waits, failed = ended.stderr.splitlines()
        assert "is at work; waiting for it (0 s)" in waits
        assert "was not done after 0.5 s; see what it does, or give --timeout more" in failed
        child.send_signal(signal.SIGCONT)
        out, error = child.communicate(timeout=60)
        assert out.startswith("True "), error
    finally:
        child.kill()
        child.communicate()


@pytest.mark.parametrize("backend", BACKENDS)
def test_killed_at_any_moment(store: Path, small: Path, backend: str) -> None:
    """With SIGKILL, which nothing can answer, between its start and its end."""
    begun = time.monotonic()
    out, error = start(small, backend).communicate(timeout=60)
    assert out.startswith("True "), error
    whole_s = time.monotonic() - begun
    chance = random.Random(7)
    force = ask(small, precision="fp16", **(RTX if backend == "tensorrt-rtx" else {}))
    drafts = 0
    for turn in range(6):
        for engine in store.glob("small-*/*"):
            engine.unlink()
        mark = f"{store}-{turn}"
        child = start(small, backend, mark)
        if turn % 2:
            # The parts that count lie behind the start of Python.
            wait_until(lambda: any(store.glob(".faceguard-drafts/*")), "a draft")
            time.sleep(chance.uniform(0, whole_s / 2))
        else:
            time.sleep(chance.uniform(0, whole_s))
        child.kill()
        child.communicate()
        wait_until(lambda: not marked(mark), "its child process goes with it")  # noqa: B023
        drafts += any(store.glob(".faceguard-drafts/*"))
        found = find_made(force)
        if found is not None:
            check_whole(found.engine)
    assert drafts > 0
    make(force)
    assert {name.partition("/")[0] for name in names(store)} == {force.folder_name}
    check_whole(find_made(force).engine)
