"""The file of a trace: put aside, moved away, in other hands, or of something else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from faceguard.edge.heat.traces.replay import replay
from faceguard.edge.heat.traces.trace_file import TraceFile, is_in_use, read_trace
from faceguard.engines.errors import OutputError
from tests.edge.heat.traces import (
    exactly,
    read,
    seconds_of,
    warming,
    written,
)


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


def test_only_an_older_trace_is_replaced_by_the_one_put_aside(tmp_path: Path) -> None:
    path, aside = tmp_path / "a.csv", tmp_path / "a.csv.1"
    elsewhere = written(tmp_path / "elsewhere.csv", seconds_of(warming(2)))
    run = seconds_of(warming(21))
    written(path, run[:20])  # more than it may have below

    def refused(why: str) -> None:
        before = path.read_bytes()
        with TraceFile(path, 0.0001) as file, pytest.raises(OutputError, match=why) as told:
            file.add(*run[20])
        assert "move it away" in str(told.value)
        assert "\n" not in str(told.value)
        assert path.read_bytes() == before

    for data in (b"precious\n", bytes(100), b"# faceguard"):
        aside.write_bytes(data)
        refused("it is no trace")
        assert aside.read_bytes() == data
    aside.unlink()
    aside.symlink_to(elsewhere)
    refused("it is a link")
    aside.unlink()
    os.mkfifo(aside)
    refused("it is no trace")
    aside.unlink()
    aside.mkdir()
    refused("it is no trace")
    aside.rmdir()
    with TraceFile(aside, 1.0) as other:
        other.add(*run[0])
        refused("another faceguard writes there")
    # Traces that have had their time, the last one damaged by a cut of power.
    for data in (elsewhere.read_bytes(), b"", bytes(700) + b",cut\n" + elsewhere.read_bytes()):
        aside.write_bytes(data)
        before = path.read_bytes()
        with TraceFile(path, 0.0001) as file:
            file.add(*run[20])
        assert aside.read_bytes() == before


def test_whether_somebody_writes_there_is_seen_and_takes_nothing_away(tmp_path: Path) -> None:
    path, link = tmp_path / "a.csv", tmp_path / "link.csv"
    link.symlink_to(path)
    assert not is_in_use(path)
    first, second = seconds_of(warming(2))
    with TraceFile(path, 1.0) as file:
        file.add(*first)
        assert is_in_use(path)
        assert not is_in_use(link)  # only the link would be replaced
        file.add(*second)
    assert not is_in_use(path)
    assert not is_in_use(tmp_path)
    assert len(read(path)) == 2
