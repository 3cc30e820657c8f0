"""The watch: what a look leads to, and that whatever fails is never taken for cold."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest

from faceguard.edge.budget import UNLIMITED
from faceguard.edge.heat.felt import Felt, Told
from faceguard.edge.heat.gauges import HeatGauges
from faceguard.edge.heat.reading import Sensed, Survey, Zone
from faceguard.edge.heat.settings import GovernorSettings, WithoutSensors
from faceguard.edge.heat.traces.replay import replay
from faceguard.edge.heat.traces.trace import Trace
from faceguard.edge.heat.traces.trace_file import read_trace
from faceguard.edge.heat.watch import NO_SENSOR, Watch
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.plain import plain
from faceguard.edge.service.quiet import Quiet

S = 1_000_000_000
# Few levels, so that a test need not take many seconds of its clock: 1, .5, .25, .2, pause.
QUICK = GovernorSettings(least_share=0.125, step=0.5, blind_after_s=3, hold_s=20)
RATE = 30.0


def warm(temperature_c: float, **more: object) -> Survey:
    zones = {
        "gpu-thermal": Zone(Sensed(temperature_c), trip_c=99.0),
        "cv0-thermal": Zone(Sensed(reason="busy (EAGAIN)")),
    }
    return Survey(zones=zones, **more)  # type: ignore[arg-type]


def _moved(zones: Mapping[str, Zone], by_c: float) -> dict[str, Zone]:
    moved = {}
    for name, zone in zones.items():
        value_c = zone.temperature_c.value
        told = zone.temperature_c if value_c is None else Sensed(value_c + by_c)
        moved[name] = replace(zone, temperature_c=told)
    return moved


@dataclass
class Board:
    """A watch, what it sees, and its clock."""

    survey: Survey | Exception = field(default_factory=lambda: warm(50.0))
    told: Told = field(default_factory=lambda: Told(QUICK, 2, 5))
    now_ns: int = 0

    def __post_init__(self) -> None:
        self.watch = Watch(self.look, lambda: self.told, Quiet(), clock_ns=lambda: self.now_ns)

    def look(self) -> Survey:
        if isinstance(self.survey, Exception):
            raise self.survey
        # A sensor that never moves at all would not be believed for long.
        wiggle_c = 0.25 * (self.now_ns // S % 2)
        return replace(self.survey, zones=_moved(self.survey.zones, wiggle_c))

    def tick(self, seconds: int = 1, rate: float | None = RATE) -> Felt:
        for _ in range(seconds):
            self.now_ns += S
            felt = self.watch.tick(rate)
        return felt

    def set(self, **changes: object) -> None:
        settings = replace(self.told.settings, **changes)  # type: ignore[arg-type]
        self.told = replace(self.told, settings=settings)

    @property
    def lowest(self) -> int:
        return self.watch.felt.levels - 2


def test_before_the_first_look_all_is_allowed() -> None:
    board = Board()
    assert board.watch.budget == UNLIMITED
    assert board.watch.felt.levels == 5
    assert board.watch.felt.reading.blind


def test_cool_is_all_and_hot_is_less_by_the_second() -> None:
    board = Board()
    felt = board.tick(3)
    assert (felt.budget.level, felt.budget.frames_per_s, felt.share) == (0, None, 1.0)
    assert felt.temperatures_c == {"gpu-thermal": 50.25, "cv0-thermal": None}
    assert felt.doubts == {"cv0-thermal": "busy (EAGAIN)"}
    board.survey = warm(77.0)
    levels = [board.tick().budget.level for _ in range(20)]
    assert max(levels) >= 1
    assert all(0 <= after - before <= 1 for before, after in pairwise(levels))
    budget = board.watch.budget
    assert "gpu-thermal at 77." in budget.reason
    board.survey = warm(80.0)
    assert board.tick().budget.paused


def test_where_video_is_sharpened_that_goes_first_and_all_frames_stay() -> None:
    board = Board(told=Told(QUICK, 2, 5, upscales=True))
    felt = board.tick(3)
    assert (felt.levels, felt.budget.upscale) == (6, True)
    board.survey = warm(76.5)
    end_ns = board.now_ns + 60 * S
    while (felt := board.tick()).budget.level == 0:
        assert board.now_ns < end_ns
    assert (felt.budget.level, felt.budget.upscale) == (1, False)
    assert (felt.share, felt.budget.frames_per_s) == (1.0, None)
    # Nobody can know that it is hot no more, so it stays away.
    board.survey = RuntimeError("no sensor answers")
    assert not board.tick(60).budget.upscale


def test_where_nothing_is_sharpened_nothing_can_go() -> None:
    board = Board()
    board.tick(3)
    assert all(rung.upscale for rung in board.watch._governor.rungs)


def test_a_share_is_of_what_the_camera_gives_as_it_is_now() -> None:
    board = Board()
    board.tick(3)
    board.survey = warm(76.5)
    end_ns = board.now_ns + 60 * S
    while board.tick().budget.level == 0:
        assert board.now_ns < end_ns
    felt = board.tick(rate=20.0)
    assert 0 < felt.share < 1
    assert felt.budget.frames_per_s == pytest.approx(20.0 * felt.share)
    # What is no rate is none that is known.
    for rate in (float("nan"), float("inf"), -3.0, 0.0):
        felt = board.tick(rate=rate)
        assert felt.rate is None
        assert felt.plain()["rate"] is None


def test_what_was_felt_can_be_written_down() -> None:
    board = Board(
        warm(
            71.26,
            rails_w={"VDD_IN": Sensed(9.8), "VDD_SOC": Sensed(reason="slow")},
            gpu_load=Sensed(0.31),
            fan=Sensed(reason="gone"),
            throttling=("cpu-throttle-alert",),
            mode="15W",
        )
    )
    told = json.loads(json.dumps(plain(board.tick(2).plain()), allow_nan=False))
    assert (told["zone"], told["temperature_c"], told["limit_c"]) == ("gpu-thermal", 71.3, 75.0)
    assert told["zones"]["gpu-thermal"] == {
        "value": 71.26,
        "reason": None,
        "doubt": None,
        "trip_c": 99.0,
    }
    assert told["zones"]["cv0-thermal"]["doubt"] == "busy (EAGAIN)"
    assert told["rails_w"]["VDD_SOC"] == {"value": None, "reason": "slow"}
    assert (told["power_w"], told["mode"], told["fan"]["value"]) == (9.8, "15W", None)
    assert told["throttled"] == "cpu-throttle-alert"
    assert told["levels"] == 5


def test_a_look_that_fails_is_blind_and_not_cold(caplog: pytest.LogCaptureFixture) -> None:
    board = Board()
    board.tick(5)
    board.survey = OSError(5, "the bus is gone")
    with caplog.at_level(logging.INFO):
        felt = board.tick(20)
    assert felt.budget.level == board.lowest
    assert felt.reading.blind == "a look failed"
    assert felt.reading.has_sensors
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1
    assert "the bus is gone" in said[0]
    board.survey = warm(40.0)
    assert board.tick(120).budget.level == 0


def test_a_look_that_never_worked_is_no_machine_without_sensors() -> None:
    board = Board(OSError("no"))
    board.set(without_sensors=WithoutSensors.UNLIMITED)
    assert board.tick(20).budget.level == board.lowest


def test_a_governor_that_fails_runs_at_the_lowest_level(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    board = Board()
    board.tick(3)

    def fails(*_: object) -> None:
        raise ZeroDivisionError("no such number")

    with monkeypatch.context() as broken:
        broken.setattr(board.watch._governor, "step", fails)
        with caplog.at_level(logging.ERROR):
            felt = board.tick()
        assert (felt.budget.level, felt.budget.paused) == (board.lowest, False)
        assert felt.budget.frames_per_s == pytest.approx(0.125 * RATE)
        assert "governor failed" in felt.budget.reason
        assert board.tick().budget.level == board.lowest
    assert any("no such number" in record.getMessage() for record in caplog.records)
    board.tick()
    board.survey = warm(90.0)
    assert board.tick().budget.paused
    # What is less than the lowest level stays so.
    monkeypatch.setattr(board.watch._governor, "step", fails)
    assert board.tick().budget.paused


def test_while_nobody_looks_it_runs_at_the_lowest_level() -> None:
    board = Board()
    board.tick(3)
    board.now_ns += 5 * S
    assert board.watch.budget.level == 0
    board.now_ns += S
    budget = board.watch.budget
    assert (budget.level, budget.reason) == (board.lowest, "blind: nobody looked for 6 s")
    assert budget.frames_per_s == pytest.approx(0.125 * RATE)
    assert not budget.paused
    assert board.watch.felt.reading.temperature_c is None
    assert board.tick().budget.level == 0
    board.survey = warm(85.0)
    assert board.tick().budget.paused
    board.now_ns += 100 * S
    assert board.watch.budget.paused


def test_nobody_ever_looked() -> None:
    board = Board()
    board.set(without_sensors=WithoutSensors.UNLIMITED)
    board.now_ns += 6 * S
    assert board.watch.budget.level == board.lowest
    # Of no camera that is known.
    assert board.watch.budget.frames_per_s == pytest.approx(0.125 * 30)


@pytest.mark.parametrize("what", WithoutSensors)
def test_a_machine_without_sensors(what: WithoutSensors, caplog: pytest.LogCaptureFixture) -> None:
    board = Board(Survey())
    board.set(without_sensors=what)
    with caplog.at_level(logging.INFO):
        board.tick(2)
        assert not caplog.records
        felt = board.tick(60)
    (said,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert NO_SENSOR[what] in said.message
    if what is WithoutSensors.SLOW:
        assert felt.budget.level == board.lowest
    else:
        assert felt.budget.frames_per_s is None
        board.now_ns += 60 * S
        assert board.watch.budget.frames_per_s is None
    other = next(one for one in WithoutSensors if one is not what)
    board.set(without_sensors=other)
    caplog.clear()
    with caplog.at_level(logging.INFO):
        felt = board.tick(60)
    assert len(caplog.records) == 1
    assert (felt.budget.level == board.lowest) == (other is WithoutSensors.SLOW)


def test_broken_sensors_are_no_machine_without_sensors(caplog: pytest.LogCaptureFixture) -> None:
    board = Board(Survey(zones={"cv0-thermal": Zone(Sensed(reason="busy (EAGAIN)"))}))
    board.set(without_sensors=WithoutSensors.UNLIMITED)
    assert board.tick(60).budget.level == board.lowest
    # Whoever tells of sensors says so.
    assert not caplog.records


def test_a_reload_is_taken_in_with_the_next_look() -> None:
    board = Board(warm(77.0))
    felt = board.tick(60)
    share = felt.share
    assert share < 1
    # The same share, where levels are finer.
    board.set(step=0.9)
    felt = board.tick()
    assert felt.levels > 15
    assert felt.share <= share
    board.set(limit_c=95.0)
    assert board.tick(200).share > felt.share
    board.told = replace(board.told, every=1, look_ahead=0)
    assert board.tick().budget.detect_every == 1


def test_a_reload_that_cannot_be_used_leaves_all_as_it_was() -> None:
    board = Board()
    board.tick(3)
    good = board.told
    board.told = replace(good, settings=None)  # type: ignore[arg-type]
    assert board.tick(20).budget.level == board.lowest
    board.told = good
    assert board.tick(200).budget.level == 0


def _until_written(folder: Path, count: int) -> None:
    end_s = time.monotonic() + 60
    rows = 0
    while rows < count:
        assert time.monotonic() < end_s
        files = [path for path in folder.glob("*.csv") if path.stat().st_size]
        rows = sum(1 for path in files for _ in read_trace(path))
        threading.Event().wait(0.005)


def test_a_trace_of_it_gives_the_same_again(tmp_path: Path) -> None:
    board = Board()
    board.told = replace(board.told, trace=tmp_path / "one.csv", trace_mb=1.0)
    written = 0
    with board.watch:
        for second in range(60):
            board.survey = warm(70.0 + second / 6) if second != 40 else OSError("once")
            if second == 20:
                board.set(step=0.9)
            if second == 50:
                board.told = replace(board.told, trace=tmp_path / "two.csv")
            felt = board.tick()
            written += second != 40
            if second % 10 == 9:
                # Rows that find no room are left out, so let its thread keep up.
                _until_written(tmp_path, written)
        assert felt.budget.level > 0
    first, second_one = (list(read_trace(tmp_path / f"{name}.csv")) for name in ("one", "two"))
    # A look that failed is none that could be repeated.
    assert (len(first), len(second_one)) == (49, 10)
    assert second_one[-1].row.budget == felt.budget
    for name, sections in (("one", 3), ("two", 1)):
        found = replay(read_trace(tmp_path / f"{name}.csv"))
        assert (found.differs, found.sections) == (None, sections)
    assert not [thread for thread in threading.enumerate() if thread.name == "trace"]


def test_a_trace_that_cannot_be_begun_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_: Trace) -> None:
        raise RuntimeError("can't start new thread")

    board = Board()
    board.told = replace(board.told, trace=tmp_path / "one.csv")
    with board.watch:
        with monkeypatch.context() as broken, caplog.at_level(logging.WARNING):
            broken.setattr(Trace, "start", fails)
            felt = board.tick(30)
        # Heat is watched all the same.
        assert (felt.budget.level, felt.reading.temperature_c) == (0, 50.0)
        assert "no trace is written" in str(felt.plain()["trace_trouble"])
        assert len(caplog.records) == 1
        felt = board.tick(35)
        assert felt.trace_trouble is None
        _until_written(tmp_path, 5)


def test_a_trace_that_cannot_be_written_is_told_with_what_was_felt(tmp_path: Path) -> None:
    (tmp_path / "one.csv").mkdir()
    board = Board()
    board.told = replace(board.told, trace=tmp_path / "one.csv")
    with board.watch:
        end_s = time.monotonic() + 60
        while (trouble := board.tick().trace_trouble) is None:
            assert time.monotonic() < end_s
            threading.Event().wait(0.005)
    assert "no trace is written" in trouble


odd = st.floats(allow_nan=True, allow_infinity=True) | st.floats(20, 100)
sensed = st.builds(Sensed, st.none() | odd, st.none() | st.text(max_size=5))
surveys = st.builds(
    Survey,
    zones=st.dictionaries(
        st.text(max_size=3), st.builds(Zone, sensed, st.none() | odd), max_size=3
    ),
    rails_w=st.dictionaries(st.sampled_from(["VDD_IN", "nvml 0"]), sensed, max_size=2),
    gpu_load=sensed,
    fan=sensed,
    throttling=st.lists(st.text(max_size=3), max_size=2).map(tuple),
    over_current=sensed,
)
failures = st.sampled_from([OSError("x"), ValueError(), RecursionError("deep")])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seen=st.lists(st.tuples(surveys | failures, st.integers(0, 20)), min_size=1, max_size=15),
    rate=st.none() | st.floats(allow_nan=True, allow_infinity=True) | st.floats(0, 240),
    every=st.integers(1, 5),
    look_ahead=st.integers(0, 8),
    most_every=st.integers(1, 8),
)
def test_it_never_raises_and_never_takes_cover_away(
    seen: list[tuple[Survey | Exception, int]],
    rate: float | None,
    every: int,
    look_ahead: int,
    most_every: int,
) -> None:
    board = Board(told=Told(replace(QUICK, most_every=most_every), every, look_ahead))
    gauges = HeatGauges(lambda: board.watch.felt)
    for survey, passed_s in seen:
        board.survey = survey
        board.now_ns += passed_s * S
        board.watch.tick(rate)
        felt = board.watch.felt
        assert 1 <= felt.budget.detect_every <= max(every, look_ahead + 1)
        assert 0 <= felt.budget.level < felt.levels
        assert felt.budget.paused == (felt.budget.level == felt.levels - 1)
        assert felt.reading.blind is not None or felt.reading.temperature_c is not None
        json.dumps(felt.plain(), allow_nan=False)
        list(gauges.collect())


def figures(felt: Felt) -> dict[str, float]:
    meters = Meters()
    meters.registry.register(HeatGauges(lambda: felt))
    lines = generate_latest(meters.registry).decode().splitlines()
    rows = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name.removeprefix("faceguard_"): float(value) for name, value in rows}


def test_figures_are_there_only_where_they_are_known() -> None:
    found = figures(Felt())
    assert found["temperature_blind"] == 1
    assert found["budget_frames_ratio"] == 1
    for name in ("temperature_celsius", "power_watts", "fan_ratio", "gpu_load_ratio"):
        assert not any(key.startswith(name) for key in found)
    board = Board(warm(71.0, rails_w={"VDD_IN": Sensed(9.5)}, fan=Sensed(0.4)))
    found = figures(board.tick(2))
    assert found['temperature_celsius{zone="gpu-thermal"}'] == 71
    assert 'temperature_celsius{zone="cv0-thermal"}' not in found
    assert found['temperature_limit_celsius{zone="gpu-thermal"}'] == 75
    assert found['temperature_headroom_celsius{zone="gpu-thermal"}'] == 4
    assert found['power_watts{rail="VDD_IN"}'] == 9.5
    assert (found["fan_ratio"], found["temperature_blind"], found["throttled"]) == (0.4, 0, 0)
    board.survey = warm(85.0)
    found = figures(board.tick())
    assert (found["budget_frames_ratio"], found["budget_paused"]) == (0, 1)
