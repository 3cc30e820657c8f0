"""How far a build is: what is reckoned, and what a user sees."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import termios
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceguard.convert.build.builder import build_engine
from faceguard.convert.build.progress import Bars, Heartbeats, Phases, Silence, open_progress
from tests.convert.builds.conftest import rtx_request


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_phases_within_phases_make_one_share():
    phases = Phases()
    assert phases.share is None
    assert phases.start("Building engine", None, 4) == 0
    phases.step("Building engine", 0)
    assert phases.share == 1 / 4
    assert phases.start("Timing", "Building engine", 2) == 1
    phases.step("Timing", 0)
    assert phases.share == (1 + 1 / 2) / 4
    assert phases.start("Node", "Timing", 10) == 2
    phases.step("Node", 4)
    assert phases.share == (1 + (1 + 5 / 10) / 2) / 4
    assert phases.doing == "Node"
    phases.finish("Node")
    assert phases.doing == "Timing"
    assert phases.share == (1 + (1 + 5 / 10) / 2) / 4
    phases.finish("Timing")
    phases.finish("Building engine")
    assert phases.share == 1.0


names = st.sampled_from("abcd")
events = st.one_of(
    st.tuples(st.just("start"), names, st.none() | names, st.integers(-1, 5)),
    st.tuples(st.just("step"), names, st.integers(0, 9)),
    st.tuples(st.just("finish"), names),
)


@given(st.lists(events))
def test_whatever_the_library_tells_the_share_never_falls(told):
    phases, before = Phases(), 0.0
    for what, *values in told:
        getattr(phases, what)(*values)
        share = phases.share or 0.0
        assert before <= share <= 1.0
        before = share


def test_a_line_every_ten_seconds():
    clock, stream = Clock(), io.StringIO()
    beats = Heartbeats("yunet", stream, clock_s=clock)
    beats.stage("loading tensorrt")
    for clock.now_s in (3.0, 9.9, 10.0, 12.0):
        beats.tick()
    beats.phase_start("Building engine", None, 4)
    beats.step("Building engine", 0)
    beats.phase_start("Timing tactics", "Building engine", 10)
    beats.step("Timing tactics", 3)
    for clock.now_s in (19.9, 40.0, 41.0):
        beats.tick()
    beats.close()
    assert stream.getvalue().splitlines() == [
        "faceguard: building yunet: loading tensorrt, 10 s so far",
        "faceguard: building yunet: timing tactics, 35 %, 40 s so far",
    ]


def test_quiet_is_quiet_and_a_pipe_gets_lines():
    assert isinstance(open_progress("a", quiet=True), Silence)
    assert isinstance(open_progress("a", stream=io.StringIO()), Heartbeats)


def resize(terminal: int, *, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))


@pytest.fixture
def terminal():
    """A terminal's two ends: where to write, and a function that gives what was written."""
    seen, own = pty.openpty()
    os.set_blocking(seen, False)

    def read() -> str:
        parts = []
        with suppress(BlockingIOError):
            while True:
                parts.append(os.read(seen, 1 << 16))
        return b"".join(parts).decode()

    resize(own, columns=100)
    with os.fdopen(own, "w", encoding="utf-8") as stream:
        yield stream, read
    os.close(seen)


def shown(written: str) -> str:
    """What stands on the terminal in the end; for lines, returns and moves up only."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[A|\r|\n|[^\x1b\r\n]+", written):
        if part == "\x1b[A":
            row -= 1
        elif part == "\r":
            column = 0
        elif part == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        else:
            line = lines[row].ljust(column)
            lines[row] = line[:column] + part + line[column + len(part) :]
            column += len(part)
    return "\n".join(line.rstrip() for line in lines).strip()


def test_a_terminal_without_width_gets_lines(terminal):
    stream, _ = terminal
    resize(stream.fileno(), columns=0)
    assert isinstance(open_progress("a", stream=stream), Heartbeats)


def test_a_terminal_gets_bars_that_go_away(terminal):
    stream, read = terminal
    with open_progress("yunet", stream=stream) as bars:
        assert isinstance(bars, Bars)
        bars.stage("loading tensorrt")
        bars.phase_start("Building engine", None, 4)
        bars.step("Building engine", 1)
        bars.phase_start("Timing tactics", "Building engine", 10)
        bars.step("Timing tactics", 4)
        bars.tick()
        during = shown(read())
        bars.phase_finish("Timing tactics")
        bars.phase_finish("Building engine")
        bars.tick()
        after = shown(read())
    assert during.startswith("building yunet:  62 %|")
    assert during.endswith(", Timing tactics")
    assert "100 %" in after
    assert shown(read()) == ""


@pytest.mark.usefixtures("rtx")
def test_a_build_on_a_terminal_leaves_it_clean(terminal, small_graph, tmp_path):
    stream, read = terminal
    request = rtx_request(small_graph, tmp_path / "small.engine")
    with open_progress("small", stream=stream) as progress:
        build_engine(request, progress=progress)
    written = read()
    assert "building small" in written
    assert "reading the graph" in written
    assert "100 %" in written
    assert shown(written) == ""
