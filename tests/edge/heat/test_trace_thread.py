"""The daemon's trace: nobody waits for it, and what fails is told and tried again."""

from __future__ import annotations

import threading
from pathlib import Path

from faceguard.edge.heat.traces.replay import replay
from faceguard.edge.heat.traces.trace import Trace
from faceguard.edge.heat.traces.trace_file import read_trace
from tests.edge.heat.sys_tree import until
from tests.edge.heat.traces import (
    exactly,
    fill,
    read,
    seconds_of,
    sections,
    warming,
)


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Writer:
    """Adds rows, each of which is taken before the next, and keeps what is told."""

    def __init__(self, trace: Trace, clock: Clock) -> None:
        self._trace = trace
        self._clock = clock
        self._run = iter(seconds_of(warming(1000)))
        self.told: list[str] = []

    def add(self) -> None:
        trouble = self._trace.add(*next(self._run))
        self.told.extend([] if trouble is None else [trouble])
        until(lambda: len(self._trace._slot) == 0)

    def fails(self) -> bool:
        self.add()
        return self._trace._again_s == self._clock.now_s + 60

    def works(self) -> bool:
        self.add()
        return self._trace.trouble is None


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
    with Trace(path, 100.0, clock_s=clock) as trace:
        trace.start()
        writer = Writer(trace, clock)

        writer.add()
        filler = fill(small_disk)
        until(writer.fails)
        writer.add()
        # After a minute once more, in vain.
        clock.now_s += 61
        until(writer.fails)
        (only,) = writer.told
        assert "free some space" in only
        assert "\n" not in only
        assert path.read_bytes().endswith(b"\n")
        size = path.stat().st_size
        filler.unlink()
        writer.add()
        assert trace.trouble is not None  # it rests
        clock.now_s += 61
        until(writer.works)
        writer.add()
        assert len(writer.told) == 1
        # Full once more, it is told once more.
        fill(small_disk)
        until(writer.fails)
        writer.add()
        assert len(writer.told) == 2
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


def test_what_is_in_the_way_of_a_full_trace_is_told_until_it_is_mended(tmp_path: Path) -> None:
    path, aside, clock = tmp_path / "a.csv", tmp_path / "a.csv.1", Clock()
    aside.write_text("precious\n")
    with Trace(path, 0.03, clock_s=clock) as trace:
        trace.start()
        writer = Writer(trace, clock)

        until(writer.fails)
        size = path.stat().st_size
        clock.now_s += 61
        until(writer.fails)
        assert (aside.read_text(), path.stat().st_size) == ("precious\n", size)
        assert size <= 30_000
        (only,) = writer.told
        assert "a.csv.1: in the way of the trace, which is full" in only
        assert "move it away" in only
        aside.rename(tmp_path / "mine.txt")
        clock.now_s += 61
        until(writer.works)
    assert aside.stat().st_size == size
    assert replay(read_trace(aside)).differs is None
    assert replay(read_trace(path)).differs is None
