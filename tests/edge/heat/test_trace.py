"""A trace comes back bit by bit, whatever it holds, wherever it was cut, however often begun."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as with_settings
from hypothesis import strategies as st

from faceguard.edge.budget import Budget
from faceguard.edge.heat.governor import Outlook
from faceguard.edge.heat.reading import Reading, Sensed, Survey, Zone
from faceguard.edge.heat.replay import replay, try_out
from faceguard.edge.heat.series import series_of
from faceguard.edge.heat.trace import Trace
from faceguard.edge.heat.trace_file import Entry, TraceFile, read_trace
from faceguard.edge.heat.trace_format import MARK, Row
from faceguard.engines.errors import InputError, OutputError
from tests.edge.heat.sys_tree import until
from tests.edge.heat.traces import (
    BUSY,
    RUNGS,
    SETTINGS,
    S,
    anything,
    fill,
    names,
    numbers,
    seconds_of,
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


def exactly(row: Row) -> str:
    """All of a row; unlike `==` it knows 0.0 from -0.0, 1 from 1.0, and NaN from none."""
    return repr(row)


def read(path: Path) -> list[Row]:
    return [entry.row for entry in read_trace(path)]


def sections(path: Path) -> int:
    return sum(line.startswith(MARK.encode()) for line in path.read_bytes().splitlines())


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


def test_beyond_its_size_it_is_put_aside(tmp_path: Path) -> None:
    path, aside = tmp_path / "a.csv", tmp_path / "a.csv.1"
    run = seconds_of(warming(400))
    with TraceFile(path, 0.03) as file:
        for number, second in enumerate(run):
            file.add(*second)
            assert path.stat().st_size <= 30_000
            if number == 50:
                assert not aside.exists()
    assert aside.stat().st_size <= 30_000
    kept = read(aside) + read(path)
    assert [*map(exactly, kept)] == [exactly(row) for _, row, _ in run[-len(kept) :]]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.csv", "a.csv.1"]
    assert replay(read_trace(path)).differs is None
    assert replay(read_trace(aside)).differs is None


def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "deeper" / "a.csv"
    run = seconds_of(warming(6))
    with TraceFile(path, 1.0) as file:
        for number, second in enumerate(run):
            if number == 3:
                path.rename(tmp_path / "moved.csv")
            file.add(*second)
    assert len(read(tmp_path / "moved.csv")) == 3
    assert len(read(path)) == 3


def test_what_is_no_trace_is_never_written_to(tmp_path: Path) -> None:
    second = seconds_of(warming(1))[0]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("precious\n")
    link = tmp_path / "link.csv"
    link.symlink_to(elsewhere)
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    for name, why in (
        ("link.csv", "it is a link, which is not followed"),
        ("pipe.csv", "no plain file"),
        ("folder.csv", "cannot be written: Is a directory"),
        ("elsewhere", "something else stands in it"),
        ("elsewhere/a.csv", "cannot be written"),
    ):
        with TraceFile(tmp_path / name, 1.0) as file, pytest.raises(OutputError, match=why) as told:
            file.add(*second)
        assert "\n" not in str(told.value)
    assert elsewhere.read_text() == "precious\n"


def test_two_do_not_write_one_trace(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    first, second = seconds_of(warming(2))
    with TraceFile(path, 1.0) as one, TraceFile(path, 1.0) as other:
        one.add(*first)
        with pytest.raises(OutputError, match="another faceguard"):
            other.add(*second)
        one.add(*second)
    written(path, [first])
    assert len(read(path)) == 3


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_the_daemon_s_trace_is_whole_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    before = len(list(Path("/proc/self/fd").iterdir()))
    run = seconds_of(warming(200))
    for half in (run[:100], run[100:]):
        with Trace(path, 1.0) as trace:
            trace.start()
            for second in half:
                until(lambda: len(trace._slot) < 20)
                assert trace.add(*second) is None
        assert trace.trouble is None
        assert trace.add(*half[0]) is None  # closed: nothing happens
        trace.close()
    until(lambda: not [one for one in threading.enumerate() if one.name == "trace"])
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
    assert [*map(exactly, read(path))] == [exactly(row) for _, row, _ in run]
    assert sections(path) == 2
    assert replay(read_trace(path)).differs is None


def test_a_full_disk_is_told_once_and_tried_again_after_a_minute(small_disk: Path) -> None:
    path, clock = small_disk / "a.csv", Clock()
    told: list[str] = []
    run = iter(seconds_of(warming(1000)))
    with Trace(path, 100.0, clock_s=clock) as trace:
        trace.start()

        def add() -> None:
            trouble = trace.add(*next(run))
            told.extend([] if trouble is None else [trouble])
            until(lambda: len(trace._slot) == 0)

        def fails() -> bool:
            add()
            return trace._again_s == clock.now_s + 60

        def works() -> bool:
            add()
            return trace.trouble is None

        add()
        filler = fill(small_disk)
        until(fails)
        add()
        # After a minute once more, in vain.
        clock.now_s += 61
        until(fails)
        (only,) = told
        assert "free some space" in only
        assert "\n" not in only
        assert path.read_bytes().endswith(b"\n")
        size = path.stat().st_size
        filler.unlink()
        add()
        assert trace.trouble is not None  # it rests
        clock.now_s += 61
        until(works)
        add()
        assert len(told) == 1
        # Full once more, it is told once more.
        fill(small_disk)
        until(fails)
        add()
        assert len(told) == 2
    assert path.stat().st_size > size
    found = replay(read_trace(path))
    assert (found.sections, found.differs) == (2, None)


def test_a_disk_that_hangs_is_told_once_and_never_waited_for(tmp_path: Path) -> None:
    # Never started, its thread takes nothing, as one that hangs in a write.
    trace = Trace(tmp_path / "a.csv", 1.0)
    told = [trace.add(*second) for second in seconds_of(warming(100))]
    (only,) = [line for line in told if line is not None]
    assert "takes too long" in only
    trace.close()


def test_a_name_that_cannot_be_is_told_and_not_raised(tmp_path: Path) -> None:
    with Trace(tmp_path / "nul\0.csv", 1.0) as trace:
        trace.start()
        run = iter(seconds_of(warming(300)))
        until(lambda: trace.add(*next(run)) is not None)
        assert "\0" not in str(trace.trouble)


DAMAGES = {
    "nothing": (b"", "no whole row"),
    "another file": (b"a,b,c\n1,2,3\n", "no trace"),
    "another format": (b"# faceguard trace 2 {}\n", "a format that this version"),
    "no JSON": (b"# faceguard trace 1 {,}\n", "cannot be read"),
    "deep JSON": (b"# faceguard trace 1 " + b"[" * 100_000 + b"\n", "cannot be read"),
    "other JSON": (b"# faceguard trace 1 [1]\n", "lacks something"),
    "bytes": (b"\x80\x81\x82\n", "no text"),
    "zeros": (bytes(2_000_000), "longer than any line"),
    "a long line": (b"# faceguard trace 1 " + b"a" * 2_000_000 + b"\n", "longer than any line"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_no_trace_is_refused(tmp_path: Path, damage: str) -> None:
    data, why = DAMAGES[damage]
    path = tmp_path / "line\nbreak.csv"
    path.write_bytes(data)
    with pytest.raises(InputError, match=why) as told:
        read(path)
    assert "\n" not in str(told.value)


HEADS: dict[str, Callable[[dict[str, Any]], object]] = {
    "without a state": lambda told: told.pop("state"),
    "something more": lambda told: told.update(more=1),
    "no settings": lambda told: told.update(settings=None),
    "settings that are none": lambda told: told["settings"].update(limit_c="warm"),
    "sensors or not": lambda told: told["settings"].update(without_sensors="maybe"),
    "no ladder": lambda told: told.update(rungs=[]),
    "a broken rung": lambda told: told["rungs"].append([1]),
    "columns twice": lambda told: told.update(zones=["cpu-thermal", "cpu-thermal"]),
    "columns without names": lambda told: told.update(rails=[1]),
    "other columns": lambda told: told.update(zones=["cpu-thermal"]),
    "no time": lambda told: told.update(wall="yesterday"),
    "no day": lambda told: told.update(wall="2030-02-31T00:00:00.000Z"),
}
OTHER_MINDS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a state of another version": lambda told: told["state"].update(more=1),
    "fewer settings": lambda told: told["settings"].pop("hold_s"),
    "more settings": lambda told: told["settings"].update(more=1),
    "a level too low": lambda told: told["state"].update(level=1000),
    "a level below 0": lambda told: told["state"].update(level=-1),
    "a memory that is none": lambda told: told.update(memory=7),
}


def change(path: Path, how: Callable[[dict[str, Any]], object]) -> None:
    """Changes what the first section begins with."""
    head, rest = path.read_text().split("\n", 1)
    told = json.loads(head.removeprefix(f"{MARK}1 "))
    how(told)
    path.write_text(f"{MARK}1 {json.dumps(told)}\n{rest}")


@pytest.mark.parametrize("how", HEADS)
def test_a_section_that_was_changed_is_refused(tmp_path: Path, how: str) -> None:
    path = written(tmp_path / "a.csv", seconds_of(warming(2)))
    change(path, HEADS[how])
    with pytest.raises(InputError, match=r"a\.csv:[12]: "):
        read(path)


@pytest.mark.parametrize("how", OTHER_MINDS)
def test_a_section_of_another_governor_can_be_drawn_and_not_replayed(
    tmp_path: Path, how: str
) -> None:
    path = written(tmp_path / "a.csv", seconds_of(warming(20)))
    change(path, OTHER_MINDS[how])
    assert len(series_of(read_trace(path), "old").seconds) == 20
    recorded, _ = try_out(read_trace(path), SETTINGS, RUNGS)
    assert recorded.rows == 20
    with pytest.raises(InputError, match=r"a\.csv:3: what the governor remembered .* which wrote"):
        replay(read_trace(path))


CELLS = {
    "at_ns": ["", "1.5", "soon", "9" * 50],
    "wall": ["yesterday", "2030-02-31T00:00:00.000Z"],
    "cpu-thermal_c": ["warm", "0x10", "1_0", "\u0661", " 1", "+1"],
    "cpu-thermal_why": ["a\\", "\\u{110000}", "\\n"],
    "load": ["", "much"],
    "has_sensors": ["", "yes"],
    "level": ["", "-1", "1000", "0.0"],
    "detect_every": ["", "often"],
    "reason": [""],
    "time_constant_s": ['"1', "1,1"],
}


@pytest.mark.parametrize(("column", "cell"), [(k, v) for k, some in CELLS.items() for v in some])
def test_a_row_that_was_changed_is_refused(tmp_path: Path, column: str, cell: str) -> None:
    path = written(tmp_path / "a.csv", seconds_of(warming(3)))
    lines = path.read_text().splitlines()
    cells = lines[3].split(",")
    cells[lines[1].split(",").index(column)] = cell
    path.write_text("\n".join([*lines[:3], ",".join(cells), *lines[4:]]) + "\n")
    found = []
    with pytest.raises(InputError, match=r"a\.csv:4: "):
        found.extend(entry.row for entry in read_trace(path))
    lines[3] = lines[3].rsplit(",", 1)[0]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="fewer cells"):
        read(path)


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, why in (
        ("missing", "No such file"),
        (".", "no plain file"),
        ("pipe", "no plain file"),
        ("nul\0", "cannot be read"),
    ):
        with pytest.raises(InputError, match=why):
            read(tmp_path / name)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Two sections and all kinds of cells."""
    odd = replace(
        survey(70.0, None),
        throttling=("gpu-throttle-alert", ""),
        zones={"a,\n\\": Zone(Sensed(71.5), None), "": BUSY},
    )
    run = seconds_of([*warming(8, to_c=200.0), odd, odd])
    return written(tmp_path_factory.mktemp("sound") / "a.csv", run).read_bytes()


# What is found in traces, and what breaks readers.
bits = st.one_of(
    st.binary(max_size=6),
    st.sampled_from(
        [b"\n", b",", b'"', b"#", b"{", b"\\u{", b"null", b"1e308", b"-1", b"nan", b",cut\n", b"9"]
    ),
)
damage = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), bits), min_size=1, max_size=4)


def complaint(use: Callable[[Iterator[Entry]], object], path: Path) -> str:
    try:
        use(read_trace(path))
    except InputError as error:
        return str(error)
    return ""


@with_settings(max_examples=200)
@given(damages=damage)
def test_a_damaged_trace_says_so_or_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    sound: bytes,
    damages: list[tuple[float, int, bytes]],
) -> None:
    data = bytearray(sound)
    for place, length, new in damages:
        at = int(place * len(data))
        data[at : at + length] = new
    path = tmp_path_factory.mktemp("d") / "a.csv"
    path.write_bytes(data)
    words = [complaint(replay, path), complaint(lambda rows: series_of(rows, "damaged"), path)]
    assert all("\n" not in line for line in words)


def test_an_empty_survey_has_a_row_too(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", seconds_of([Survey()] * 3, rate=None))
    assert [row.survey for row in read(path)] == [Survey()] * 3
