"""`faceguard run` on a board of FUSE: the level that it chooses drives the heat that it feels.

Time on the board is ten times faster than ours, so that its sink answers within half a minute; the
governor's own times are real. See fuse_board.py and board_process.py.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.parts.plant import Board, Work
from tests.edge.heat.board_heat import REAL
from tests.edge.heat.board_process import BoardProcess, BoardService
from tests.edge.heat.fuse_board import BLIND, ZONES
from tests.edge.heat.marked_camera import RATE, scene
from tests.edge.live.house import assert_none_leaks, decoded
from tests.edge.service_process import segments
from tests.ports import free_port

EVERY = 2
SPEEDUP = 10.0
WORK = Work()
BASE = """
camera: {{kind: synthetic, width: 320, height: 192, rate: 25}}
metrics: {{port: {port}}}
log: {{format: text}}
encoder: {{preset: ultrafast, threads: 1, keyframe_s: 0.5}}
detector: {{every: 2}}
thermal: {thermal}
outputs:
  recordings: {{folder: {place}/recordings, segment_s: 5, free_mb: 0}}
  events: {{path: {place}/events.jsonl}}
  status: {{folder: {place}}}
"""
# Its sink follows within 15 s of ours; all frames of the camera are no trouble to it.
OPEN = Board(ambient_c=25.0, sink_c_per_w=4.0, sink_s=150.0)
# With all frames, this one would settle at 90 C.
CLOSED = Board(ambient_c=35.0, sink_c_per_w=4.0, sink_s=450.0)
LIMIT_C = 75.0
MARKED = "tests.edge.heat.marked_camera"


class Run:
    """A daemon on its board."""

    def __init__(self, service: BoardService, board: BoardProcess, port: int) -> None:
        self.service = service
        self.board = board
        self.port = port

    @property
    def thermal(self) -> dict[str, Any]:
        return self.service.status().get("thermal", {})

    def until(self, true: Callable[[dict[str, Any]], object], what: str) -> None:
        """Waits for something that the status file says of heat."""
        self.service.until(lambda: bool(self.thermal and true(self.thermal)), what)

    def goes_on(self, looks: int) -> None:
        """Waits until the loop has looked around so often, each time with a fed watchdog."""
        fed, seen = self.service.told.count("WATCHDOG=1"), {self.service.status()["written"]}

        def often() -> bool:
            seen.add(self.service.status()["written"])
            return len(seen) > looks and self.service.told.count("WATCHDOG=1") >= fed + looks - 1

        self.service.until(often, "the loop goes on")

    def figures(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as said:
            return said.read().decode()

    def changes(self) -> list[dict[str, Any]]:
        """The events of changed levels."""
        lines = (self.service.place / "events.jsonl").read_text().splitlines()
        return [event for event in map(json.loads, lines) if event["kind"] == "level"]

    def ends_without_a_leak(self, least: int) -> None:
        """Ends it and searches each frame that was recorded.

        Args:
            least: So many must show the number that they bear, and faces were found in them.
        """
        assert "face-appears" in self.service.events()
        frames = self.service.status()["frames"]
        # It is masks that cover, not a picture that is black all the time.
        assert sum(frames["whole"].values()) <= 0.1 * frames["out"]
        assert self.service.end() == 0
        pictures = [image for path in segments(self.service.place) for image in decoded(path)]
        assert len(pictures) >= frames["out"]
        assert assert_none_leaks(pictures, scene()) >= least


@contextmanager
def running(
    place: Path, board: Board, start_c: float, thermal: str, module: str = MARKED
) -> Iterator[Run]:
    """A daemon at work on a board."""
    port = free_port()
    text = BASE.format(port=port, thermal=thermal, place=place)
    with (
        BoardProcess(place, board=board, work=WORK, speedup=SPEEDUP, start_c=start_c) as hot,
        BoardService(place, text, hot, module) as service,
    ):
        service.until_told("READY=1")
        service.until(lambda: bool(service.status()), "a status file")
        yield Run(service, hot, port)


@pytest.fixture(scope="module", autouse=True)
def settling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One that needs nothing but time: it goes on while the other tests run."""
    place = tmp_path_factory.mktemp("settling")
    told = "{limit_c: 75, hold_s: 5, step: 0.85}"
    with running(place, CLOSED, 66.0, told) as run:
        yield run


def test_faults_one_after_the_other_end_safely_and_then_all_is_well(tmp_path):
    told = "{limit_c: 83, hold_s: 1, step: 0.5, least_share: 0.4, blind_after_s: 1}"
    with running(tmp_path, OPEN, 78.0, told) as run:
        faults(run)
        run.ends_without_a_leak(100)


def faults(run: Run) -> None:
    lowest = run.thermal["levels"] - 2

    def is_well() -> None:
        run.until(lambda felt: felt["level"] == 0 and felt["blind"] is None, "all is well")
        run.service.until_out(5)

    is_well()

    # One zone stands still, and the air gets hot: the others are hot enough to act on.
    run.board.control(gpu={"frozen": True}, ambient_c=45.0)
    run.until(lambda felt: felt["level"] > 0 and felt["zone"] != "gpu-thermal", "it slows down")
    assert run.thermal["zones"]["gpu-thermal"]["value"] < 80
    run.board.control(ambient_c=10.0)
    is_well()

    # One zone jumps: a rise is believed at once, and the fall after it not at once.
    run.board.control(soc1={"shows_c": 140})
    run.until(lambda felt: felt["paused"], "it pauses")
    assert run.thermal["reason"].startswith("too hot: soc1-thermal at 140")
    # What was on its way has got out by the next look; then nothing does, and that is no failure.
    run.goes_on(1)
    out = run.service.status()["frames"]["out"]
    run.goes_on(2)
    assert run.service.status()["frames"]["out"] == out
    run.board.control()
    is_well()

    # One zone vanishes: the others are as good.
    run.board.control(cpu={"gone": True})
    run.until(
        lambda felt: felt["zones"].get("cpu-thermal", {"value": None})["value"] is None, "no cpu"
    )
    run.goes_on(2)
    assert run.thermal["level"] == 0
    assert run.thermal["blind"] is None

    # Not one can be read: blind is not cold.
    run.board.control(every={"busy": True})
    run.until(lambda felt: felt["level"] == lowest and felt["blind"], "the safe level")
    assert run.thermal["reason"].startswith("blind: ")
    assert set(run.service.status()["temperatures_c"].values()) == {None}
    assert "faceguard_temperature_celsius{" not in run.figures()
    run.goes_on(2)
    assert run.thermal["level"] == lowest
    run.service.until_out(4)
    run.board.control()
    is_well()


@pytest.mark.models
def test_a_zone_that_answers_slowly_holds_up_nothing(tmp_path, engine_path):
    """The program as it is, with its own detector on the CPU."""
    engine_path("yunet")
    with running(tmp_path, OPEN, 50.0, "{limit_c: 85}", "faceguard.edge.cli") as run:
        run.until(lambda felt: felt["zones"]["soc2-thermal"]["value"] is not None, "it is read")
        run.board.control(soc2={"slow_s": 5.0})
        run.until(lambda felt: felt["zones"]["soc2-thermal"]["value"] is None, "it is slow")
        assert run.thermal["zones"]["soc2-thermal"]["reason"] in ("slow", "old")
        before = run.service.status()["frames"]["out"]
        run.goes_on(4)
        felt = run.thermal
        assert felt["zones"]["cpu-thermal"]["value"] is not None
        assert (felt["level"], felt["blind"]) == (0, None)
        assert run.service.status()["frames"]["out"] > before
        # It ends in the middle of a read.
        assert run.service.end() == 0


def test_a_board_that_would_get_far_too_hot_settles_at_the_limit(settling):
    """It would settle at 90 C; the real daemon slows down until it settles at 75 C."""
    assert CLOSED.settled_c(WORK.power_w(1.0, EVERY, rate=RATE)) > LIMIT_C + 14
    run = settling
    run.until(lambda felt: felt["level"] > 0, "the level rises")
    began_s = next(one.at_s for one in run.board.truth() if one.level)
    run.service.until(lambda: run.board.truth()[-1].at_s > began_s + 35, "it settles")

    truth = run.board.truth(began_s + 25)
    assert max(one.hottest_c for one in truth) <= LIMIT_C + 1
    assert min(one.hottest_c for one in truth) >= LIMIT_C - 5
    # Frames still come, and as many fewer as it takes.
    frames = [one.frames_per_s for one in truth]
    assert 0.1 * RATE < sum(frames) / len(frames) < 0.8 * RATE
    assert min(one.looks_per_s for one in truth) > 0

    felt, status = run.thermal, run.service.status()
    assert 0 < felt["level"] < felt["levels"] - 1
    assert status["level"] == felt["level"]
    assert felt["limit_c"] == LIMIT_C
    assert felt["reason"].endswith("of 75 C")
    assert set(felt["zones"]) == {f"{name}-thermal" for name in ZONES}
    for name in BLIND:
        zone = felt["zones"][f"{name}-thermal"]
        assert (zone["value"], zone["reason"]) == (None, "busy (EAGAIN)")
        assert status["temperatures_c"][f"{name}-thermal"] is None
    for name in REAL:
        assert felt["zones"][f"{name}-thermal"]["value"] == pytest.approx(LIMIT_C - 3, abs=4)
    # A notice is bound to the trip point at 70 C; the board's own throttling begins at 99.
    assert felt["zones"]["tj-thermal"]["trip_c"] == 99

    figures = run.figures()
    (level,) = [line for line in figures.splitlines() if line.startswith("faceguard_budget_level")]
    assert float(level.split()[1]) > 0
    assert 'faceguard_temperature_celsius{zone="tj-thermal"}' in figures
    assert 'zone="cv0-thermal"' not in figures
    assert any("level" in line for line in run.service.told if line.startswith("STATUS="))
    changes = run.changes()
    assert [change["from"] for change in changes[1:]] == [change["to"] for change in changes[:-1]]
    assert changes[0]["reason"].startswith("heat: ")
    assert all(change["zone"].removesuffix("-thermal") in ZONES for change in changes)
    run.ends_without_a_leak(200)
