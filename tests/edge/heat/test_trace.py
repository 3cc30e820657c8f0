"""A trace comes back bit by bit, whatever it holds, wherever it was cut, however often begun."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as with_settings
from hypothesis import strategies as st

from faceguard.edge.budget import Budget
from faceguard.edge.heat.governing.governor import Outlook
from faceguard.edge.heat.reading import Reading, Sensed, Survey, Zone
from faceguard.edge.heat.traces.replay import replay
from faceguard.edge.heat.traces.trace_file import read_trace
from faceguard.edge.heat.traces.trace_format import MARK, Row
from faceguard.engines.errors import InputError
from tests.edge.heat.traces import (
    BUSY,
    RUNGS,
    SETTINGS,
    S,
    anything,
    exactly,
    names,
    numbers,
    read,
    seconds_of,
    sections,
    survey,
    warming,
    written,
)

MIND = seconds_of([survey(50.0)])[0][0]
maybe = st.none() | numbers
rows = st.builds(
    Row,
    at_ns=st.integers(-(2**63), 2**63),
    wall_s=st.none() | st.integers(0, 2**40).map(lambda ms: ms / 1000),
    survey=anything,
    load=numbers,
    rate=maybe,
    reading=st.builds(
        Reading, st.none() | names, maybe, maybe, maybe, st.none() | names, st.booleans(), names
    ),
    budget=st.builds(
        Budget,
        st.integers(0, len(RUNGS) - 1),
        maybe,
        st.integers(1, 100),
        st.booleans(),
        st.booleans(),
        names,
    ),
    outlook=st.builds(Outlook, maybe, maybe),
)


@with_settings(max_examples=60)
@given(st.lists(rows, min_size=1, max_size=4))
def test_any_row_comes_back_bit_by_bit(
    tmp_path_factory: pytest.TempPathFactory, some: list[Row]
) -> None:
    path = written(tmp_path_factory.mktemp("t") / "a.csv", [(MIND, row, MIND) for row in some])
    assert [*map(exactly, read(path))] == [*map(exactly, some)]


def test_a_trace_is_a_table_with_a_line_above(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", seconds_of(warming(2)))
    head, table_names, first, second = path.read_text().splitlines()
    told = json.loads(head.removeprefix(f"{MARK}1 "))
    assert told["settings"]["limit_c"] == SETTINGS.limit_c
    assert told["zones"] == ["cpu-thermal", "cv0-thermal"]
    assert len(told["rungs"]) == len(RUNGS)
    cells = dict(zip(table_names.split(","), first.split(","), strict=True))
    assert cells["at_ns"] == str(1_000 * S)
    assert cells["wall"] == "2030-03-17T18:03:20.000Z"
    assert cells["cpu-thermal_c"] == "50.0"
    assert cells["cv0-thermal_why"] == "busy (EAGAIN)"
    assert cells["cv0-thermal_c"] == ""
    assert cells["VDD_IN_w"] == "12.5"
    assert cells["level"] == "0"
    assert second.startswith(str(1_001 * S))


def test_a_section_goes_on_until_something_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    run = seconds_of(warming(5))
    assert sections(written(path, run)) == 1
    # The same file again, as after a restart.
    assert sections(written(path, run)) == 2
    fewer = replace(survey(50.0), zones={"cpu-thermal": BUSY})
    assert sections(written(tmp_path / "b.csv", seconds_of([*warming(2), fewer, fewer]))) == 2
    turned = {"cv0-thermal": BUSY, "cpu-thermal": Zone(Sensed(50.0), 99.0)}
    assert sections(written(tmp_path / "c.csv", seconds_of([survey(50.0, zones=turned)]))) == 1
    run[3] = (replace(run[3][0], settings=replace(SETTINGS, hold_s=9.0)), *run[3][1:])
    assert sections(written(tmp_path / "d.csv", run)) == 3  # there, and back again
    assert sections(written(tmp_path / "e.csv", [*run[:2], *run[4:]])) == 2  # a row was lost
    assert len(read(tmp_path / "e.csv")) == 3


def test_an_unchanged_mind_that_was_made_anew_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    run = [(replace(before), row, after) for before, row, after in seconds_of(warming(4))]
    assert sections(written(path, run)) == 1


def test_a_file_cut_anywhere_is_read_up_to_its_last_whole_row(tmp_path: Path) -> None:
    whole = written(tmp_path / "a.csv", seconds_of(warming(3))).read_bytes()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")]
    path = tmp_path / "cut.csv"
    more = seconds_of(warming(2, to_c=60.0))
    for length in range(1, len(whole)):
        if length < ends[2] - 5 and length % 97:  # the long first line, here and there
            continue
        path.write_bytes(whole[:length])
        kept = sum(end <= length for end in ends[2:])
        if kept:
            assert len(read(path)) == kept
        else:
            with pytest.raises(InputError, match="no whole row"):
                read(path)
        # And a new section follows what is left.
        written(path, more)
        assert len(read(path)) == kept + 2
        assert replay(read_trace(path)).differs is None


def test_what_a_cut_of_power_filled_with_zeros_is_no_row(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", seconds_of(warming(3)))
    with path.open("ab") as file:
        file.write(bytes(5000))
    assert len(read(path)) == 3
    assert len(read(written(path, seconds_of(warming(2))))) == 5
    path.write_bytes(bytes(700) + b"\xff\xfe")
    assert len(read(written(path, seconds_of(warming(2))))) == 2


def test_an_empty_survey_has_a_row_too(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", seconds_of([Survey()] * 3, rate=None))
    assert [row.survey for row in read(path)] == [Survey()] * 3
