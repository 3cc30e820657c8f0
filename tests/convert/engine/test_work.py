"""The work is done in a process of its own: it may crash, last or be stopped, in whichever step."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

from faceguard.convert.build import progress as progressing
from faceguard.convert.child.watch import Watch
from faceguard.convert.engine import work as working
from faceguard.convert.engine.make import Made, make_engine
from faceguard.convert.engine.request import Request
from faceguard.engines.errors import BuildFailed, NotEnoughMemory
from tests.convert import graphs
from tests.convert.builds.conftest import marked, wait_until, zombies
from tests.convert.builds.test_build_stopped import Interrupter
from tests.convert.engine.asking import RTX, ask, make, names, needs_rtx, save

STEPS = ["preparing the fp32 graph", "comparing with the FP32 graph"]


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So much to compute that each step takes a second or more."""
    rng = np.random.default_rng(3)
    nodes, weights, before, channels = [], [], "x", 3
    for layer in range(12):
        after, wider = (f"c{layer}", 32) if layer < 11 else ("y", 3)
        made, more = graphs.conv(f"conv{layer}", before, after, rng, (wider, channels, 3, 3))
        nodes.append(made)
        weights += more
        before, channels = after, wider
    ends = [graphs.value(name, [1, 3, 256, 256]) for name in ("x", "y")]
    folder = tmp_path_factory.mktemp("slow")
    return save(folder, graphs.graph(nodes, ends[:1], ends[1:], weights), "slow")


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Stands on each process that is started here; in the end there must be none."""
    text = f"MARK{uuid.uuid4().hex}"
    monkeypatch.setenv("FACEGUARD_TEST_MARK", text)
    yield text
    wait_until(lambda: not marked(text), "processes that stay")
    assert not zombies()


class At:
    """Does something when a step begins, and keeps what is said."""

    def __init__(self, step: str, do: object) -> None:
        self.said: list[str] = []
        self._step = step
        self._do = do

    def __call__(self, line: str) -> None:
        self.said.append(line)
        if line.endswith(self._step):
            self._do()


def make_saying(request: Request, say: object) -> Made:
    return make_engine(request, say=say, quiet=True)


@pytest.mark.usefixtures("mark")
@pytest.mark.parametrize("step", STEPS)
def test_a_signal_ends_each_step(store: Path, slow: Path, step: str) -> None:
    say = At(step, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        make_saying(ask(slow), say)
    assert say.said[-1].endswith(step)
    assert names(store) == set()


@needs_rtx
@pytest.mark.usefixtures("mark")
@pytest.mark.parametrize("at", ["loading", "reading", "Building engine"])
def test_a_signal_ends_the_build(
    store: Path, small: Path, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopper = Interrupter(signal.SIGINT, at)
    monkeypatch.setattr(progressing, "open_progress", lambda *_, **__: stopper)
    with pytest.raises(KeyboardInterrupt):
        make(ask(small, precision="fp16", **RTX))
    assert names(store) == set()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
@pytest.mark.parametrize("step", STEPS)
def test_a_command_that_is_ended_leaves_no_process(
    store: Path, slow: Path, mark: str, step: str, number: int, code: int
) -> None:
    command = [sys.executable, "-m", "faceguard.edge.cli", "convert-engine", "--onnx", str(slow)]
    child = subprocess.Popen(
        [*command, "--backend", "onnx", "--fp32"], stderr=subprocess.PIPE, text=True
    )
    try:
        assert child.stderr is not None
        while step not in (line := child.stderr.readline()):
            assert line.startswith("faceguard: "), line
        wait_until(lambda: len(marked(mark)) == 2, "the process that works")
        child.send_signal(number)
        _, error = child.communicate(timeout=30)
    finally:
        child.kill()
        child.communicate()
    assert child.returncode == code
    # It is over before the work is: nothing more was begun.
    assert "comparing" not in error
    if number != signal.SIGKILL:
        assert error.count("\n") == 1
        assert names(store) == set()


@pytest.mark.usefixtures("mark")
@pytest.mark.parametrize("step", STEPS)
def test_the_time_limit_holds_in_each_step(
    store: Path, slow: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The limit is over just when the step begins, however fast this machine is.
    say = At(step, lambda: monkeypatch.setattr(Watch, "_deadline_s", lambda _: 0.0))
    with pytest.raises(BuildFailed, match=r"^slow: not built within 60 s, .*--timeout SECONDS$"):
        make_saying(ask(slow, timeout_s=60), say)
    assert say.said[-1].endswith(step)
    assert names(store) == set()


def test_a_time_limit_counts_from_the_start(store: Path, slow: Path) -> None:
    with pytest.raises(BuildFailed, match=r"^slow: not built within 0\.2 s"):
        make(ask(slow, timeout_s=0.2))
    assert names(store) == set()


def test_while_a_step_lasts_it_is_said(
    store: Path, slow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "BEAT_S", 0.1)
    said: list[str] = []
    make_saying(ask(slow), said.append)
    order = [line for place, line in enumerate(said) if line not in said[:place]]
    for step in STEPS:
        assert order[0] == f"slow: {step}"
        assert order[1].startswith(f"slow: still {step}, ")
        assert order[1].endswith(" s so far")
        order = [line for line in order if step not in line]
    assert order == []


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """The least whole number modulo -1, which no processor can divide."""
    cast = [
        graphs.node("Cast", ["x"], ["whole"], to=onnx.TensorProto.INT32),
        graphs.node("Cast", ["rest"], ["y"], to=onnx.TensorProto.FLOAT),
    ]
    nodes = [
        cast[0],
        graphs.node("Sub", ["whole", "whole"], ["nothing"]),
        graphs.node("Add", ["nothing", "least"], ["a"]),
        graphs.node("Add", ["nothing", "minus"], ["b"]),
        graphs.node("Mod", ["a", "b"], ["rest"]),
        cast[1],
    ]
    numbers = [
        graphs.weight("least", -(2**31), np.int32),
        graphs.weight("minus", -1, np.int32),
    ]
    ends = [graphs.value(name, [1, 3, 16, 16]) for name in ("x", "y")]
    path = save(tmp_path, graphs.graph(nodes, ends[:1], ends[1:], numbers), "hostile")
    run = "import sys, numpy, onnxruntime as o; o.InferenceSession(sys.argv[1]).run(None, "
    run += "{'x': numpy.zeros((1, 3, 16, 16), numpy.float32)})"
    tried = subprocess.run([sys.executable, "-c", run, str(path)], capture_output=True, check=False)
    if tried.returncode != -signal.SIGFPE:
        pytest.skip("this version of ONNX Runtime divides everything")
    return path


def test_a_crash_is_told_with_its_step(store: Path, hostile: Path) -> None:
    with pytest.raises(BuildFailed) as caught:
        make(ask(hostile))
    told = str(caught.value)
    assert told.startswith("hostile: preparing the fp32 graph crashed (SIGFPE) after ")
    assert "look whether the model is damaged; its last words: " in told
    assert told.isprintable()
    assert names(store) == set()
    assert not zombies()


def test_a_kill_from_outside_is_told_as_want_of_memory(store: Path, slow: Path, mark: str) -> None:
    def kill() -> None:
        for child in marked(mark):
            os.kill(child, signal.SIGKILL)

    with pytest.raises(NotEnoughMemory, match=r"^slow: the build was killed .*--memory-limit"):
        make_saying(ask(slow), At(STEPS[1], kill))
    assert names(store) == set()


def test_the_kernel_takes_the_work_before_the_camera(store: Path, slow: Path, mark: str) -> None:
    scores: list[int] = []

    def look() -> None:
        paths = [Path(f"/proc/{child}/oom_score_adj") for child in marked(mark)]
        scores.extend(int(path.read_text()) for path in paths)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_saying(ask(slow), At(STEPS[1], look))
    assert scores == [800]


def test_a_thread_may_make_engines(store: Path, small: Path) -> None:
    made: list[Made] = []
    thread = threading.Thread(target=lambda: made.append(make(ask(small))))
    thread.start()
    thread.join()
    assert made[0].fresh


@pytest.mark.parametrize("program", ["", "/usr/bin/some-program"])
def test_a_program_with_python_built_in_may_make_engines(
    store: Path, small: Path, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", program)
    assert make(ask(small)).fresh


_NO_FILES = """
import resource, sys
from pathlib import Path
from faceguard.convert.engine.make import make_engine
from faceguard.engines.errors import BuildFailed
from tests.convert.engine.asking import ask
def say(line):
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
try:
    make_engine(ask(Path(sys.argv[1])), say=say)
except BuildFailed as error:
    print(error)
"""


def test_a_process_that_cannot_be_started_is_not_the_folder_s_fault(
    store: Path, small: Path
) -> None:
    command = [sys.executable, "-c", _NO_FILES, str(small)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout == (
        "no process can be started for the build (Too many open files); see `ulimit -a`\n"
    )


def test_a_large_model_comes_over_whole(store: Path, tmp_path: Path) -> None:
    """More than a pipe holds at once."""
    table = graphs.weight("table", np.zeros((1, 3, 1024, 1024)))
    ends = [graphs.value(name, [1, 3, 1024, 1024]) for name in ("x", "y")]
    add = graphs.node("Add", ["x", "table"], ["y"])
    source = save(tmp_path, graphs.graph([add], ends[:1], ends[1:], [table]), "large")
    assert make(ask(source)).manifest.source["sha256"] == ask(source).source.sha256


def test_a_child_that_never_starts_is_ended(
    store: Path, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads nothing of a request that is larger than its pipe."""
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    large = tmp_path / "large.onnx"
    large.write_bytes(bytes(1 << 20))
    with pytest.raises(BuildFailed, match=r"not built within 0\.5 s"):
        make(ask(large, timeout_s=0.5))
    assert names(store) == set()
