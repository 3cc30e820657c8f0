"""Two builds at once do the work once; a build that is killed leaves nothing that counts."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from faceguard.convert.engine.make import find_made, make_engine
from faceguard.engines.engine_store import engine_file
from faceguard.engines.errors import BuildFailed, OutputError, OutputExists
from faceguard.engines.manifest import MANIFEST_NAME, check_whole
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
_MAKE_FILE = """
import sys
from pathlib import Path
from faceguard.convert.engine.make import make_engine
from faceguard.engines.errors import OutputExists
from tests.convert.engine.asking import ask
small, out, precision = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
say = lambda line: print(line, file=sys.stderr, flush=True)
try:
    print(make_engine(ask(small, precision=precision, out=out), say=say, quiet=True).fresh)
except OutputExists:
    print("refused")
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


@pytest.mark.parametrize(
    "precisions", [["fp32", "fp32", "fp32"], ["fp32", "fp16", "fp16"], ["fp32", "fp32", "fp16"]]
)
def test_of_builds_to_one_file_at_once_none_replaces_another_s(
    store: Path, small: Path, tmp_path: Path, precisions: list[str]
) -> None:
    out = tmp_path / "own" / "mine.onnx"
    out.parent.mkdir()
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _MAKE_FILE, str(small), str(out), precision],
            stdout=subprocess.PIPE,
            text=True,
            stderr=subprocess.DEVNULL,
        )
        for precision in precisions
    ]
    ends = [child.communicate(timeout=120)[0].strip() for child in children]
    first = ends.index("True")
    built = precisions.pop(first)
    assert [*ends[:first], *ends[first + 1 :]] == [
        "False" if precision == built else "refused" for precision in precisions
    ]
    assert check_whole(out).precision == built
    assert names(out.parent) == {"mine.onnx", "mine.onnx.json"}


def _a_letter(out: Path) -> None:
    out.write_text("a letter")


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("appears", "error"),
    [(_a_letter, OutputExists), (os.mkfifo, OutputError), (Path.mkdir, OutputError)],
)
def test_what_appears_during_the_build_is_seen_at_its_end(
    small: Path, tmp_path: Path, appears: Callable[[Path], None], error: type, force: bool
) -> None:
    out = tmp_path / "own" / "mine.onnx"
    out.parent.mkdir()

    def say(line: str) -> None:
        if "comparing" in line:
            appears(out)

    request = ask(small, out=out, force=force)
    if force and error is OutputExists:
        assert make_engine(request, say=say, quiet=True).fresh
        assert check_whole(out).key == request.key
        return
    with pytest.raises(error) as told:
        make_engine(request, say=say, quiet=True)
    assert type(told.value) is error
    assert names(out.parent) == {"mine.onnx"}
    assert not out.is_file() or out.read_text() == "a letter"


def test_whoever_waits_says_so_and_gives_up_in_time(store: Path, small: Path) -> None:
    """The other build is stopped, and so holds its lock for ever."""
    child = start(small, "onnx")
    try:
        wait_until(lambda: drafts(store), "the other build's draft")
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


def drafts(store: Path) -> list[Path]:
    return [path for path in store.glob(".faceguard-drafts/*") if path.is_dir()]


@pytest.mark.parametrize("backend", BACKENDS)
def test_killed_at_any_moment(store: Path, small: Path, backend: str) -> None:
    """With SIGKILL, which nothing can answer, between its start and its end."""
    begun = time.monotonic()
    out, error = start(small, backend).communicate(timeout=60)
    assert out.startswith("True "), error
    whole_s = time.monotonic() - begun
    chance = random.Random(7)
    force = ask(small, precision="fp16", **(RTX if backend == "tensorrt-rtx" else {}))
    left = 0
    for turn in range(6):
        for folder in store.glob("small-*"):
            shutil.rmtree(folder)
        mark = f"{store}-{turn}"
        child = start(small, backend, mark)
        if turn % 2:
            # The parts that count lie behind the start of Python.
            wait_until(lambda: drafts(store), "a draft")
            time.sleep(chance.uniform(0, whole_s / 2))
        else:
            time.sleep(chance.uniform(0, whole_s))
        child.kill()
        child.communicate()
        wait_until(lambda: not marked(mark), "its child process goes with it")  # noqa: B023
        left += bool(drafts(store))
        # Whatever has an engine's name is an engine; what was cut off lies among the drafts.
        for folder in store.iterdir():
            if folder.name != ".faceguard-drafts":
                assert folder.name == force.folder_name
                assert names(folder) == {engine_file(force.backend), MANIFEST_NAME}
                assert check_whole(folder / engine_file(force.backend)).key == force.key
    assert left > 0
    make(force)
    assert names(store) == {
        force.folder_name,
        f"{force.folder_name}/{engine_file(force.backend)}",
        f"{force.folder_name}/{MANIFEST_NAME}",
    }
    check_whole(find_made(force).engine)
