"""A replay decides the same bit by bit; where it does not, it says where; other settings differ."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as with_settings
from hypothesis import strategies as st

from faceguard.edge.heat.felt import Told
from faceguard.edge.heat.governing.ladder import ladder
from faceguard.edge.heat.reading import Survey
from faceguard.edge.heat.settings import GovernorSettings, WithoutSensors
from faceguard.edge.heat.traces.replay import Summary, replay, try_out
from faceguard.edge.heat.traces.trace_file import read_trace
from faceguard.edge.heat.traces.trace_format import MARK
from faceguard.edge.heat.watch import Watch
from faceguard.edge.service.quiet import Quiet
from faceguard.engines.errors import InputError
from tests.edge.heat.sys_tree import until
from tests.edge.heat.traces import (
    BUSY,
    RUNGS,
    SETTINGS,
    WALL_S,
    S,
    anything,
    seconds_of,
    survey,
    warming,
    written,
)

# Boards that could be, and surveys that could not, in any order.
boards = st.lists(
    st.one_of(
        st.floats(20, 100).map(survey),
        st.tuples(st.floats(60, 90), st.floats(0, 40)).map(lambda two: survey(*two)),
        st.sampled_from([survey(74.9), survey(80.5), Survey(), survey(75.0, zones={"cv0": BUSY})]),
        anything,
    ),
    min_size=1,
    max_size=40,
)
settings = st.builds(
    GovernorSettings,
    limit_c=st.floats(40, 95),
    emergency_c=st.floats(1, 20),
    least_share=st.floats(0.05, 0.9),
    step=st.floats(0.5, 0.99),
    hold_s=st.floats(1, 60),
    blind_after_s=st.floats(1, 5),
    without_sensors=st.sampled_from(WithoutSensors),
    power_limit_w=st.none() | st.floats(1, 40),
)


@with_settings(max_examples=30)
@given(
    boards,
    settings,
    st.integers(1, 4),
    st.none() | st.floats(1, 60),
    st.lists(st.integers(0, 39), max_size=3),
)
def test_any_run_is_decided_again_bit_by_bit(
    tmp_path_factory: pytest.TempPathFactory, board, wanted, every, rate, breaks
) -> None:
    rungs = ladder(wanted, every=every, look_ahead=5)
    run = seconds_of(board, settings=wanted, rungs=rungs, rate=rate)
    # A file that is closed and opened again at any second goes on where it was.
    places = sorted({0, len(run), *(place for place in breaks if place < len(run))})
    parts = [run[start:end] for start, end in pairwise(places)]
    path = written(tmp_path_factory.mktemp("r") / "a.csv", *parts)
    found = replay(read_trace(path))
    assert (found.rows, found.differs) == (len(run), None)
    assert found.sections >= len(parts)


def test_a_long_run_through_heat_blindness_and_power_is_the_same(tmp_path: Path) -> None:
    gone = replace(survey(50.0), zones={"cpu-thermal": BUSY, "cv0-thermal": BUSY})
    board = [*warming(900, to_c=84.0), *[gone] * 60, *warming(300, to_c=82.0)]
    wanted = replace(SETTINGS, power_limit_w=12.0)
    run = seconds_of(board, settings=wanted)
    levels = {row.budget.level for _, row, _ in run}
    assert len(levels) > 5
    found = replay(read_trace(written(tmp_path / "a.csv", run)))
    assert (found.rows, found.sections, found.differs) == (1260, 1, None)


def test_the_first_row_that_differs_is_told_field_by_field(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", seconds_of(warming(60)))
    lines = path.read_text().splitlines()
    names = lines[1].split(",")
    for place in (40, 50):
        cells = lines[place].split(",")
        cells[names.index("level")] = "3"
        cells[names.index("settles_c")] = "61.5"
        lines[place] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n")
    found = replay(read_trace(path))
    assert found.differs is not None
    assert (found.rows, found.differs.row, found.differs.line) == (39, 39, 41)
    assert found.differs.at_ns == (1_000 + 38) * S
    assert found.differs.wall_s == WALL_S + 1_038
    assert found.differs.fields == {"level": ("3", "0"), "settles_c": ("61.5", "")}


def test_the_last_bit_counts(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", seconds_of([survey(71.1), survey(71.2)]))
    text = path.read_text()
    # The very next float: as a sensor's value it is believed as it is.
    path.write_text(text.replace(",71.2,,99.0", ",71.20000000000002,,99.0"))
    differs = replay(read_trace(path)).differs
    assert differs is not None
    assert differs.fields["temperature_c"] == ("71.2", "71.20000000000002")


def test_what_cannot_be_reckoned_with_is_damage(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", seconds_of(warming(300)))
    head, rest = path.read_text().split("\n", 1)
    told = json.loads(head.removeprefix(f"{MARK}1 "))
    told["state"]["heat"]["normal"] = [0.0] * 6
    path.write_text(f"{MARK}1 {json.dumps(told)}\n{rest}")
    with pytest.raises(InputError, match=r"a\.csv:\d+: holds numbers that cannot be"):
        replay(read_trace(path))


def tried(path: Path, wanted: GovernorSettings) -> tuple[Summary, Summary]:
    return try_out(read_trace(path), wanted, ladder(wanted, every=2, look_ahead=5))


def test_the_same_settings_come_to_the_same_sum(tmp_path: Path) -> None:
    run = seconds_of(warming(900, to_c=84.0))
    recorded, again = tried(written(tmp_path / "a.csv", run[:400], run[400:]), SETTINGS)
    assert recorded == again
    assert recorded.rows == 900
    assert recorded.changes == sum(
        one.budget.level != other.budget.level for (_, one, _), (_, other, _) in pairwise(run)
    )
    assert recorded.over_s == sum((row.reading.excess_c or 0) > 0 for _, row, _ in run)
    assert recorded.paused_s == sum(row.budget.paused for _, row, _ in run)
    shares = [RUNGS[row.budget.level].share for _, row, _ in run]
    assert recorded.share == pytest.approx(sum(shares) / len(shares))
    assert recorded.hottest_c == max(row.reading.temperature_c or 0 for _, row, _ in run)


def test_other_settings_are_summed_up_beside_what_was_recorded(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", seconds_of(warming(600, to_c=74.0)))
    recorded, strict = tried(path, replace(SETTINGS, limit_c=60.0))
    assert recorded.changes == 0
    assert recorded.share == 1.0
    assert recorded.over_s == 0
    assert strict.changes > 5
    assert strict.share < 0.9
    assert strict.over_s > 100
    assert strict.paused_s > 100  # 60 C and 5 more
    # The board of a trace does not answer.
    assert strict.hottest_c == recorded.hottest_c


def test_after_a_gap_another_governor_begins_where_the_recorded_one_did(tmp_path: Path) -> None:
    hot = seconds_of(warming(300, to_c=84.0))
    late = seconds_of([survey(40.0)] * 5, begin_ns=9_000 * S)
    early = seconds_of([survey(41.0)] * 5, begin_ns=3 * S)  # the machine was started anew
    recorded, again = tried(written(tmp_path / "a.csv", hot, late, early), SETTINGS)
    assert recorded == again
    assert recorded.rows == 310


def test_the_same_settings_come_to_the_same_sum_wherever_a_trace_begins(tmp_path: Path) -> None:
    # Hot, then blind, on a board whose sensors were known long before the file was put aside.
    gone = replace(survey(50.0), zones={"cpu-thermal": BUSY, "cv0-thermal": BUSY})
    board = [*warming(600, to_c=84.0), *[gone] * 60, *warming(200, to_c=82.0)]
    run = seconds_of(board)
    for place in (300, 601, 603, 640, 659, 700):
        recorded, again = tried(written(tmp_path / f"{place}.csv", run[place:]), SETTINGS)
        assert recorded == again
        assert recorded.share < 1
    # A row is lost, then a minute of them.
    lost = written(tmp_path / "lost.csv", run[300:500], run[501:610], run[670:])
    recorded, again = tried(lost, SETTINGS)
    assert recorded == again


def test_a_change_of_settings_and_back_comes_to_what_was_tried_throughout(tmp_path: Path) -> None:
    warm = [survey(70 + second % 7 / 31) for second in range(600)]
    cool, strict = SETTINGS, replace(SETTINGS, limit_c=60.0)
    parts = [
        seconds_of(warm[:200], settings=cool),
        seconds_of(warm[:200], settings=strict, begin_ns=1_200 * S),
        seconds_of(warm[:200], settings=cool, begin_ns=1_400 * S),
    ]
    # No gap between them: what was tried goes on, whatever the recorded governor did meanwhile.
    recorded, again = tried(written(tmp_path / "a.csv", *parts), cool)
    assert recorded.paused_s > 100
    assert (again.paused_s, again.changes, again.rows) == (0, 0, 600)


def test_other_settings_begin_where_the_recorded_governor_was(tmp_path: Path) -> None:
    run = seconds_of(warming(900, to_c=84.0))
    path = written(tmp_path / "a.csv", run[600:])
    assert run[600][0].state.level > 0
    wanted = replace(SETTINGS, limit_c=76.0)
    _, again = tried(path, wanted)
    # What began at level 0 would not have felt all of it.
    _, anew = tried(written(tmp_path / "b.csv", seconds_of(warming(900, to_c=84.0)[600:])), wanted)
    assert again.share < anew.share < 1


def test_settings_that_nothing_fits_are_damage(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", seconds_of(warming(3)))
    head, rest = path.read_text().split("\n", 1)
    told = json.loads(head.removeprefix(f"{MARK}1 "))
    told["rungs"][0][3] = -1.0
    path.write_text(f"{MARK}1 {json.dumps(told)}\n{rest}")
    with pytest.raises(InputError, match=r"a\.csv:3: holds numbers that cannot be"):
        tried(path, SETTINGS)


def test_blind_seconds_are_counted_and_are_no_temperature(tmp_path: Path) -> None:
    recorded, _ = tried(written(tmp_path / "a.csv", seconds_of([Survey()] * 20)), SETTINGS)
    assert recorded.blind_s == 20
    assert recorded.hottest_c is None
    assert recorded.over_s == 0


class Board:
    """What `Watch` looks at; may fail."""

    def __init__(self, surveys: list[Survey | None]) -> None:
        self._left = iter(surveys)

    def __call__(self) -> Survey:
        felt = next(self._left)
        if felt is None:
            raise OSError("the board fell over")
        return felt


def test_the_running_camera_s_trace_is_replayed_bit_by_bit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.csv"
    told = [Told(SETTINGS, 2, 5, trace=path)]
    surveys: list[Survey | None] = [*warming(500, to_c=84.0)]
    surveys[200:203] = [None] * 3  # looks that fail
    now_ns = [5 * S]
    caplog.set_level(logging.CRITICAL)
    with Watch(Board(surveys), lambda: told[0], Quiet(), clock_ns=lambda: now_ns[0]) as watch:
        for second in range(len(surveys)):
            if second == 350:
                told[0] = replace(told[0], settings=replace(SETTINGS, limit_c=70.0))
            now_ns[0] += S
            watch.tick(30.0)
            until(lambda: watch._trace is not None and len(watch._trace._slot) < 20)
    found = replay(read_trace(path))
    # One for the looks that failed, one for the configuration that changed.
    assert (found.rows, found.sections, found.differs) == (497, 3, None)
