"""The board of FUSE itself: plain reads, faults, and heat that follows what a status file says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from benchmarks.parts.plant import Board, Work
from tests.edge.heat.board_process import ROOT, BoardProcess, why_not
from tests.edge.heat.fuse_board import BLIND, COOLERS, MOUNTED, ZONES
from tests.edge.live.house import until

WARM_C = 50.0
# Idle, it stays as warm as it starts: what moves is moved by the tests.
EVEN = Board(ambient_c=WARM_C, sink_c_per_w=4.0, sink_s=100.0)
NO_WORK = Work(idle_w=0.0)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[BoardProcess]:
    with BoardProcess(tmp_path, board=EVEN, work=NO_WORK, speedup=200.0) as made:
        yield made


def celsius(board: BoardProcess, zone: str) -> float:
    return int((board.zone(zone) / "temp").read_text()) / 1000


def says(path: Path) -> str:
    """What a read gives, or the error's name."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError as error:
        return type(error).__name__
    try:
        return os.read(handle, 64).decode()
    except OSError as error:
        return type(error).__name__
    finally:
        os.close(handle)


def alive(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


class Says:
    """A status file as a daemon would write it that does this much, and whatever it claims."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "camera.json"
        self._seconds = 1_781_000_000.0
        self._frames = self._looks = 0.0

    def second(self, frames_per_s: float, looks_per_s: float) -> None:
        self._seconds += 1
        self._frames += frames_per_s
        self._looks += looks_per_s
        written = datetime.fromtimestamp(self._seconds, timezone.utc)
        said = {
            "pid": 1,
            "written": written.isoformat(timespec="milliseconds"),
            "frames": {"out": round(self._frames)},
            "detector": {"looks": round(self._looks)},
            "level": 3,
            "rate_out": 0.0,
        }
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps(said))
        beside.replace(self._path)

    def stop(self) -> None:
        self._path.unlink()


def test_it_looks_like_an_orin_nano(board):
    types = {(path / "type").read_text() for path in board.root.glob("thermal_zone*")}
    assert types == {f"{name}-thermal\n" for name in ZONES}
    for name in ZONES:
        zone = board.zone(name)
        trips = [
            (says(zone / f"trip_point_{n}_temp"), says(zone / f"trip_point_{n}_type"))
            for n in (0, 1)
        ]
        assert trips == [("99000\n", "passive\n"), ("104500\n", "critical\n")]
        if name in BLIND:
            assert says(zone / "temp") == "BlockingIOError"
        else:
            assert celsius(board, name) == pytest.approx(WARM_C - 0.75, abs=1.5)
    coolers = {
        says(path / "type"): says(path / "cur_state") for path in board.root.glob("cooling_device*")
    }
    assert set(coolers) == {f"{name}\n" for name in COOLERS}
    assert [name for name, state in coolers.items() if state != "0\n"] == ["pwm-fan\n"]


def test_the_trip_point_of_the_hot_surface_is_bound_to_a_notice(board):
    tj = board.zone("tj")
    assert says(tj / "trip_point_2_temp") == "70000\n"
    assert says(tj / "cdev0_trip_point") == "2\n"
    assert says(tj / "cdev0/type") == "hot-surface-alert\n"
    assert says(board.zone("gpu") / "cdev0/type") == "gpu-throttle-alert\n"


def test_a_zone_without_a_sensor_breaks_a_plain_read_as_on_the_board(board):
    with pytest.raises(TypeError), (board.zone("cv1") / "temp").open() as file:
        file.read()


def test_readings_are_noisy_and_each_zone_has_its_own_place(board):
    means = {}
    for name in ("cpu", "gpu", "soc0", "soc1", "soc2", "tj"):
        read = [celsius(board, name) for _ in range(40)]
        assert 3 < len(set(read)) < 40
        means[name] = sum(read) / len(read)
    assert max(means.values()) - min(means.values()) > 0.3
    assert means["tj"] == pytest.approx(max(means.values()), abs=0.1)


def test_each_fault_shows_and_goes_again(board):
    gpu = board.zone("gpu") / "temp"
    board.control(gpu={"text": ""}, cpu={"shows_c": 140}, soc0={"text": "what?\n"})
    assert says(gpu) == ""
    assert celsius(board, "cpu") == 140
    assert says(board.zone("soc0") / "temp") == "what?\n"
    board.control(cpu={"gone": True}, gpu={"frozen": True})
    assert not board.zone("cpu").exists()
    assert board.zone("cpu").name not in {path.name for path in board.root.iterdir()}
    assert len({says(gpu) for _ in range(20)}) == 1
    board.control(every={"busy": True})
    assert {says(board.zone(name) / "temp") for name in ZONES} == {"BlockingIOError"}
    board.control()
    assert len({says(gpu) for _ in range(20)}) > 3
    assert celsius(board, "cpu") < WARM_C + 2


def test_what_was_open_when_its_zone_vanished_says_so(board):
    handle = os.open(board.zone("cpu") / "temp", os.O_RDONLY)
    try:
        board.control(cpu={"gone": True})
        with pytest.raises(OSError, match="No such device"):
            os.read(handle, 64)
    finally:
        os.close(handle)


def test_a_slow_zone_holds_up_nobody_else(board):
    board.control(soc1={"slow_s": 2.0})
    began_s, ended_s = time.monotonic(), []

    def read() -> None:
        celsius(board, "soc1")
        ended_s.append(time.monotonic())

    thread = threading.Thread(target=read)
    thread.start()
    others = 0
    while thread.is_alive():
        celsius(board, "cpu")
        others += not ended_s
    thread.join()
    assert ended_s[0] - began_s >= 2
    # One at a time, each would have waited for the slow one.
    assert others > 1


def test_further_trips_are_those_asked_for(tmp_path):
    with BoardProcess(tmp_path, board=EVEN, trips={"tj": ((70_000, "active"),)}) as board:
        assert says(board.zone("tj") / "trip_point_3_type") == "active\n"
        assert not (board.zone("cpu") / "trip_point_2_type").exists()


def test_heat_follows_the_work_that_was_done(tmp_path):
    """1 W for each frame and look: 4.3 K more of it each, once settled, and none without work."""
    work = Work(idle_w=0.0, frame_j=1.0, look_j=1.0)
    with BoardProcess(tmp_path, board=EVEN, work=work, speedup=1000.0) as hot:
        daemon = Says(tmp_path)

        def works_until(frames: float, looks: float, true: Callable[[], bool]) -> None:
            def step() -> bool:
                daemon.second(frames, looks)
                threading.Event().wait(0.1)
                return true()

            until(step)

        def hottest_c() -> float:
            return hot.truth()[-1].hottest_c

        cold_c = hottest_c()
        works_until(4, 2, lambda: abs(hottest_c() - cold_c - 6 * 4.3) < 0.3)
        assert hot.truth()[-1].level == 3
        assert celsius(hot, "tj") == pytest.approx(cold_c + 6 * 4.3, abs=1)
        # It claims to work on, but no frame gets out.
        works_until(0, 0, lambda: abs(hottest_c() - cold_c) < 0.3)
        works_until(8, 4, lambda: hottest_c() > 99.5)
        throttles = [
            path for path in hot.root.glob("cooling_device*") if "throttle" in says(path / "type")
        ]
        assert {says(path / "cur_state") for path in throttles} == {"1\n"}
        daemon.stop()
        until(lambda: hot.truth()[-1].power_w == 0)
        until(lambda: hottest_c() < 60)
        assert {says(path / "cur_state") for path in throttles} == {"0\n"}


def test_a_status_that_stands_still_is_no_work(tmp_path):
    work = Work(idle_w=2.0, frame_j=1.0, look_j=1.0)
    with BoardProcess(tmp_path, board=EVEN, work=work, stale_s=1.0) as board:
        daemon = Says(tmp_path)
        daemon.second(0, 0)
        until(lambda: board.truth()[-1].level == 3)
        daemon.second(10, 5)
        until(lambda: board.truth()[-1].power_w == 17)
        until(lambda: board.truth()[-1].power_w == 2)
        assert board.truth()[-1].level == 3


def test_the_air_can_change(board):
    board.control(ambient_c=WARM_C - 30)
    until(lambda: celsius(board, "cpu") < WARM_C - 25)


def test_nothing_is_mounted_outside_and_nothing_stays(tmp_path):
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    before = Path("/proc/self/mountinfo").read_text()
    folders = sorted(MOUNTED.iterdir())
    with BoardProcess(tmp_path, board=EVEN) as board:
        pid = board.process.pid
        assert Path("/proc/self/mountinfo").read_text() == before
        assert sorted(MOUNTED.iterdir()) == folders
        inside = Path(f"/proc/{pid}/mountinfo").read_text()
        assert f" {MOUNTED} " in inside
    assert Path("/proc/self/mountinfo").read_text() == before
    assert not alive(pid)


def test_a_read_that_waits_is_let_go_when_it_closes(board):
    board.control(gpu={"slow_s": 60})
    with subprocess.Popen(
        [*board.entering, "cat", str(MOUNTED / board.zone("gpu").name / "temp")],
        stderr=subprocess.DEVNULL,
    ) as reader:
        until(lambda: _has_open(reader.pid, "temp"))
        board.close()
        assert reader.wait(20) != 0


def _has_open(pid: int, name: str) -> bool:
    try:
        return any(path.readlink().name == name for path in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


_HOLDS_A_BOARD = """
import sys, threading
from pathlib import Path
from tests.edge.heat.board_process import BoardProcess, Board
import subprocess
board = BoardProcess(Path(sys.argv[1]), board=Board(25.0, 4.0, 100.0))
sleeper = subprocess.Popen([*board.entering, "sleep", "600"])
print(board.process.pid, sleeper.pid, flush=True)
threading.Event().wait()
"""


def test_board_and_what_runs_on_it_die_with_the_tests(board, tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDS_A_BOARD, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        pids = [int(pid) for pid in holder.stdout.readline().split()]
        assert len(pids) == 2
        # Only now has it asked to die with its parent.
        until(lambda: Path(f"/proc/{pids[1]}/comm").read_text() == "sleep\n")
        assert all(map(alive, pids))
        holder.send_signal(signal.SIGKILL)
        holder.wait(20)
    until(lambda: not any(map(alive, pids)))
