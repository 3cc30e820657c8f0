"""Builds that are stopped, killed, too slow, or crash: one clear end, and nothing stays."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest

from faceguard.convert.build.builder import build_engine
from faceguard.convert.build.progress import Silence
from faceguard.convert.build.request import BuildRequest
from faceguard.engines.errors import BuildFailed, NotEnoughMemory
from tests.convert.builds.conftest import (
    PATIENCE_S,
    Recorder,
    marked,
    rtx_request,
    wait_until,
    zombies,
)

PARENT = """
import signal, sys
from pathlib import Path
from faceguard.convert.build.builder import build_engine
from faceguard.convert.build.progress import Silence
from faceguard.convert.build.request import BuildRequest

class Terminated(KeyboardInterrupt):
    pass

def terminate(*_):
    raise Terminated

signal.signal(signal.SIGTERM, terminate)
request = BuildRequest(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], targets=("sm86",))
try:
    print("ready", flush=True)
    while True:
        build_engine(request, progress=Silence())
        request.out.unlink()
except Terminated:
    sys.exit(143)
except KeyboardInterrupt:
    sys.exit(130)
"""
HANGS = "import time; time.sleep(600)"
# PyDLL keeps the interpreter to itself: no other thread of the child can run.
HANGS_HARD = "import ctypes; ctypes.PyDLL(None).sleep(600)"
CRASHES = """
import os, sys
print("choosing kernels")
sys.stdout.flush()
os.write(2, b"an assertion failed\\nin kernel.cpp\\x1b[0m\\n")
os.abort()
"""


# The other process keeps the pipes of the one that is killed or crashes, and never ends by itself.
LEAVES_ANOTHER = """
import os, time
if os.fork() == 0:
    os.setsid()
    time.sleep(600)
"""


class Interrupter(Silence):
    """Sends itself a signal when a phase or stage begins."""

    def __init__(self, number: signal.Signals, at: str) -> None:
        self._number = number
        self._at = at

    def stage(self, name: str) -> None:
        if name.startswith(self._at):
            signal.raise_signal(self._number)

    def phase_start(self, name: str, parent: str | None, steps: int) -> None:
        self.stage(name)


@pytest.fixture
def backend(tmp_path, monkeypatch):
    """Puts a module in the place of TensorRT; the child finds it as it finds the real one."""

    def put(text: str) -> None:
        folder = tmp_path / "library"
        folder.mkdir()
        (folder / "tensorrt.py").write_text(text)
        monkeypatch.syspath_prepend(folder)

    return put


@pytest.fixture
def out(tmp_path):
    """A name in a folder that must be empty in the end."""
    folder = tmp_path / "out"
    folder.mkdir()
    yield folder / "a.engine"
    assert list(folder.iterdir()) == []
    assert not zombies()


@pytest.mark.usefixtures("rtx")
@pytest.mark.parametrize("at", ["loading", "reading", "Building engine"])
def test_ctrl_c_stops_the_build(at, long_graph, out):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        build_engine(rtx_request(long_graph, out), progress=Interrupter(signal.SIGINT, at))
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("rtx")
def test_what_the_handler_of_a_signal_raises_comes_out(long_graph, out):
    class Mine(KeyboardInterrupt):
        pass

    def handle(*_):
        raise Mine

    before = signal.signal(signal.SIGTERM, handle)
    try:
        with pytest.raises(Mine):
            build_engine(
                rtx_request(long_graph, out),
                progress=Interrupter(signal.SIGTERM, "Building engine"),
            )
        assert signal.getsignal(signal.SIGTERM) is handle
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("rtx")
def test_a_handler_that_raises_nothing_stops_nothing(small_graph, tmp_path):
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    try:
        request = rtx_request(small_graph, tmp_path / "small.engine")
        build_engine(request, progress=Interrupter(signal.SIGTERM, "reading"))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM]
    assert request.out.exists()


@pytest.mark.usefixtures("rtx")
def test_a_thread_may_build(small_graph, tmp_path):
    request = rtx_request(small_graph, tmp_path / "small.engine")
    thread = threading.Thread(target=build_engine, args=(request,), kwargs={"progress": Silence()})
    thread.start()
    thread.join()
    assert request.out.exists()


@pytest.mark.parametrize("library", [HANGS, HANGS_HARD], ids=["lets python run", "does not"])
def test_ctrl_c_ends_a_library_that_hangs(library, backend, small_graph, out):
    backend(library)
    with pytest.raises(KeyboardInterrupt):
        build_engine(
            BuildRequest(small_graph, out, "tensorrt"),
            progress=Interrupter(signal.SIGINT, "loading"),
        )


@pytest.mark.parametrize("end", ["os.abort()", "time.sleep(600)"], ids=["crashes", "hangs"])
def test_pipes_that_stay_open_hold_nobody_up(end, backend, small_graph, out, monkeypatch):
    mark = f"MARK{uuid.uuid4().hex}"
    monkeypatch.setenv("FACEGUARD_TEST_MARK", mark)
    backend(LEAVES_ANOTHER + end)
    recorder = Recorder()
    try:
        with pytest.raises(BuildFailed, match=r"crashed .SIGABRT|not built within 0\.5 s"):
            build_engine(
                BuildRequest(small_graph, out, "tensorrt"), timeout_s=0.5, progress=recorder
            )
        assert len(marked(mark)) == 1
    finally:
        for left in marked(mark):
            os.kill(left, signal.SIGKILL)
    assert recorder.ticks < 200  # it does not spin while it waits


@pytest.mark.usefixtures("rtx")
def test_an_error_of_the_progress_stops_the_build(long_graph, out):
    class Broken(Silence):
        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        build_engine(rtx_request(long_graph, out), progress=Broken())


@pytest.mark.usefixtures("rtx")
@pytest.mark.parametrize("timeout_s", [0.0, 0.4])
def test_a_time_limit_is_kept(timeout_s, long_graph, out):
    recorder = Recorder()
    with pytest.raises(BuildFailed, match=f"not built within {timeout_s:g} s.*--timeout") as caught:
        build_engine(rtx_request(long_graph, out), timeout_s=timeout_s, progress=recorder)
    assert "\n" not in str(caught.value)
    assert "stopping" in recorder.stages


def test_a_crash_is_told_with_its_last_words(backend, small_graph, out):
    backend(CRASHES)
    with pytest.raises(BuildFailed) as caught:
        build_engine(BuildRequest(small_graph, out, "tensorrt"), progress=Silence())
    line = str(caught.value)
    assert "tensorrt crashed (SIGABRT)" in line
    assert line.endswith("choosing kernels | an assertion failed | in kernel.cpp [0m")
    assert line.isprintable()


def test_an_error_of_the_library_is_told_with_its_last_words(backend, small_graph, out):
    backend("raise RuntimeError('no such thing')")
    with pytest.raises(BuildFailed, match=r"exit code 1 .*RuntimeError: no such thing$"):
        build_engine(BuildRequest(small_graph, out, "tensorrt"), progress=Silence())


class Killer(Silence):
    """Kills the child when it loads its library, as the kernel does when memory runs out."""

    def __init__(self, mark: str, number: signal.Signals) -> None:
        self._mark = mark
        self._number = number

    def stage(self, name: str) -> None:
        for child in marked(self._mark):
            os.kill(child, self._number)


def test_a_kill_from_outside_is_told_as_want_of_memory(backend, small_graph, out, monkeypatch):
    mark = f"MARK{uuid.uuid4().hex}"
    monkeypatch.setenv("FACEGUARD_TEST_MARK", mark)
    backend(HANGS)
    with pytest.raises(NotEnoughMemory, match=r"was killed .* memory ran out.*--memory-limit"):
        build_engine(
            BuildRequest(small_graph, out, "tensorrt"), progress=Killer(mark, signal.SIGKILL)
        )


def test_the_kernel_takes_the_build_before_the_camera(backend, small_graph, out, monkeypatch):
    mark = f"MARK{uuid.uuid4().hex}"
    monkeypatch.setenv("FACEGUARD_TEST_MARK", mark)
    backend(HANGS)
    scores = []

    class Looker(Silence):
        def stage(self, name: str) -> None:
            scores.extend(Path(f"/proc/{pid}/oom_score_adj").read_text() for pid in marked(mark))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_engine(BuildRequest(small_graph, out, "tensorrt"), progress=Looker())
    assert set(map(int, scores)) == {800}


@pytest.mark.usefixtures("rtx")
def test_a_child_that_is_told_to_end_ends_in_order(long_graph, out, monkeypatch):
    mark = f"MARK{uuid.uuid4().hex}"
    monkeypatch.setenv("FACEGUARD_TEST_MARK", mark)
    with pytest.raises(BuildFailed, match="stopped from outside"):
        build_engine(rtx_request(long_graph, out), progress=Killer(mark, signal.SIGTERM))


def start_parent(graph, out, backend_name, path=""):
    """A process that builds again and again; its mark stands on it and on its child."""
    mark = f"MARK{uuid.uuid4().hex}"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(graph), str(out), backend_name],
        stdout=subprocess.PIPE,
        env={**os.environ, "FACEGUARD_TEST_MARK": mark, "PYTHONPATH": str(path)},
    )
    assert parent.stdout is not None
    with parent.stdout:
        assert parent.stdout.readline() == b"ready\n"
    return parent, mark


@pytest.mark.usefixtures("rtx")
@pytest.mark.parametrize("moment", range(4))
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)],
    ids=["SIGINT", "SIGTERM", "SIGKILL"],
)
def test_the_end_of_the_parent_is_the_end_of_the_child(number, code, moment, small_graph, out):
    parent, mark = start_parent(small_graph, out, "tensorrt-rtx")
    time.sleep(random.uniform(0, 0.8))
    parent.send_signal(number)
    assert parent.wait(PATIENCE_S) == code
    if number == signal.SIGKILL:
        wait_until(lambda: not marked(mark), "the child of a killed parent")
    else:
        assert marked(mark) == []
    # Ended after the end of a build and before its own unlink: then it is whole.
    if out.exists():
        assert out.read_bytes()[:4] == b"vtrt"
        out.unlink()


def test_a_child_that_hangs_hard_dies_with_its_parent(tmp_path, small_graph, out):
    (tmp_path / "tensorrt.py").write_text(HANGS_HARD)
    parent, mark = start_parent(small_graph, out, "tensorrt", path=tmp_path)
    wait_until(lambda: len(marked(mark)) == 2, "the child's start")
    time.sleep(0.3)  # it is well within the library then; dying sooner is as good
    parent.kill()
    parent.wait(PATIENCE_S)
    wait_until(lambda: not marked(mark), "the child of a killed parent")
