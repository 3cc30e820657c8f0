"""An output may do what it likes: nobody else waits, and it gets another chance."""

from __future__ import annotations

import errno
import itertools
import logging
import threading
import time

import pytest

from faceguard.edge.meters import Meters
from faceguard.edge.outputs import worker as module
from faceguard.edge.outputs.worker import Worker
from faceguard.edge.service.quiet import Quiet
from faceguard.engines.errors import OutputError
from tests.edge.outputs.waiting import until


class Recorder(Worker[int]):
    """Keeps what it takes; fails where it is told to."""

    def __init__(self, meters: Meters, *, wait: bool = False, capacity: int = 4) -> None:
        super().__init__("test", meters, Quiet(meters), capacity=capacity, wait=wait)
        self.taken: list[int] = []
        self.calls: list[str] = []
        self.fail_open = 0
        self.fail_on: set[int] = set()
        self.hang_in, self.longest_s = "", 10.0
        self.gate = threading.Event()
        self.gate.set()
        self.ticked = threading.Event()

    def open_up(self) -> None:
        self.calls.append("open")
        self.may_hang("open")
        if self.fail_open > 0:
            self.fail_open -= 1
            raise OutputError("no place")

    def take(self, thing: int) -> None:
        self.may_hang("take")
        if thing in self.fail_on:
            raise RuntimeError("broken on purpose\nwith a second line")
        self.taken.append(thing)

    def tick(self) -> None:
        self.ticked.set()
        self.may_hang("tick")

    def shut(self, *, broken: bool) -> None:
        self.calls.append(f"shut {broken}")
        self.may_hang("shut")

    def may_hang(self, where: str) -> None:
        if self.hang_in == where:
            self.gate.wait(self.longest_s)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(module, "_LONGEST_PAUSE_S", 0.0)


def ended(worker: Recorder) -> Recorder:
    worker.finish()
    assert worker.join(10)
    return worker


def test_what_waits_is_done_before_the_end():
    recorder = Recorder(Meters(), wait=True)
    recorder.start()
    for number in range(100):
        recorder.offer(number)
    assert ended(recorder).taken == list(range(100))
    assert recorder.calls == ["open", "shut False"]


def test_a_slow_output_loses_the_oldest_and_holds_up_nobody():
    meters = Meters()
    recorder = Recorder(meters, capacity=2)
    recorder.hang_in = "take"
    recorder.gate.clear()
    recorder.start()
    for number in range(50):
        recorder.offer(number)
    recorder.gate.set()
    ended(recorder)
    assert recorder.taken[-2:] == [48, 49]
    dropped = meters.value("output_dropped_total", output="test")
    assert dropped + len(recorder.taken) == 50


def test_a_failure_costs_that_thing_and_no_other(impatient):
    meters = Meters()
    recorder = Recorder(meters, wait=True)
    recorder.fail_on = {3}
    recorder.start()
    for number in range(6):
        recorder.offer(number)
    assert ended(recorder).taken == [0, 1, 2, 4, 5]
    assert recorder.calls == ["open", "shut True", "open", "shut False"]
    assert meters.value("output_failures_total", output="test") == 1


def test_one_that_cannot_be_opened_is_tried_again(impatient, caplog):
    meters = Meters()
    recorder = Recorder(meters, wait=True)
    recorder.fail_open = 3
    recorder.start()
    with caplog.at_level(logging.DEBUG):
        for number in range(6):
            recorder.offer(number)
        assert ended(recorder).taken == [3, 4, 5]
    assert len([r for r in caplog.records if "no place" in r.getMessage()]) == 1


def test_its_state_is_told():
    meters = Meters()
    recorder = Recorder(meters, wait=True)
    recorder.start()
    recorder.offer(1)
    assert recorder.ticked.wait(10)
    assert meters.value("output_up", output="test") == 1
    ended(recorder)
    assert meters.value("output_up", output="test") == 0


def test_one_that_hangs_is_left_behind():
    recorder = Recorder(Meters())
    recorder.hang_in = "take"
    recorder.gate.clear()
    recorder.start()
    recorder.offer(1)
    recorder.finish()
    assert not recorder.join(0.05)
    recorder.gate.set()
    assert recorder.join(10)


def test_offers_after_the_end_go_nowhere():
    recorder = Recorder(Meters(), wait=True)
    recorder.start()
    ended(recorder)
    recorder.offer(1)
    assert recorder.taken == []


@pytest.mark.parametrize("where", ["open", "take", "tick", "shut"])
def test_one_that_hangs_tells_for_how_long(where):
    meters = Meters()
    recorder = Recorder(meters)
    recorder.hang_in = where
    recorder.gate.clear()
    try:
        assert recorder.stuck_s == 0
        recorder.start()
        recorder.offer(1)
        if where == "shut":
            recorder.finish()
        until(lambda: recorder.stuck_s > 0.3)
        before_s = recorder.stuck_s
        assert meters.value("output_stuck_seconds", output="test") >= before_s
        assert recorder.is_open is (where in ("take", "tick"))
    finally:
        recorder.gate.set()
    recorder.hang_in = ""
    until(lambda: recorder.stuck_s == 0)
    ended(recorder)
    assert meters.value("output_stuck_seconds", output="test") == 0


def test_work_that_goes_on_is_no_hanging():
    """What counts is one piece of work, not how long there has been some."""
    recorder = Recorder(Meters(), wait=True, capacity=100)
    recorder.hang_in = "take"
    recorder.longest_s = 0.02
    recorder.gate.clear()
    recorder.start()
    seen_s = []
    for number in range(50):
        recorder.offer(number)
    while len(recorder.taken) < 50:
        seen_s.append(recorder.stuck_s)
    ended(recorder)
    # It begins anew with each piece, and would grow to the end if it were the whole.
    assert sum(after < before for before, after in itertools.pairwise(seen_s)) > 5


class Moody(Recorder):
    """Every second thing fails: as a disk does that takes nothing, where there is nothing to do."""

    def take(self, thing: int) -> None:
        self.taken.append(thing)
        if len(self.taken) % 2:
            raise OSError(errno.EIO, "broken on purpose")


def moody(least_failures: int, meters: Meters) -> None:
    worker = Moody(meters, wait=True)
    worker.start()
    until(
        lambda: (
            worker.offer(1) or meters.value("output_failures_total", output="test") > least_failures
        )
    )
    ended(worker)


def test_a_thing_that_went_well_does_not_end_the_trouble(monkeypatch):
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(module, "_LONGEST_PAUSE_S", 0.3)
    seen: list[float] = []
    monkeypatch.setattr(module.Quiet, "say", lambda _, *args: seen.append(in_line(args[-1])))
    moody(6, Meters())
    assert seen[:6] == [0.01, 0.02, 0.04, 0.08, 0.16, 0.3]


def in_line(message: str) -> float:
    """The pause that a line tells."""
    return float(message.split()[-2])


def test_a_trouble_that_goes_on_is_one_line(monkeypatch, caplog):
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(module, "_LONGEST_PAUSE_S", 0.02)
    moody(20, Meters())
    assert len(caplog.records) == 1


def test_after_a_minute_of_work_the_next_failure_is_said_and_mended_at_once(monkeypatch, caplog):
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(module, "_LASTED_S", 0.2)
    meters = Meters()
    recorder = Recorder(meters, wait=True)
    recorder.fail_on = {1}

    def failed(times: int) -> bool:
        recorder.offer(1)
        return meters.value("output_failures_total", output="test") >= times

    recorder.start()
    until(lambda: failed(3))
    assert len(caplog.records) == 1
    until(lambda: recorder.is_open)
    opened_s = time.monotonic()
    until(lambda: recorder.offer(2) or time.monotonic() > opened_s + 0.4)
    until(lambda: failed(4))
    ended(recorder)
    first, second = (record.getMessage() for record in caplog.records)
    assert "more like this" not in second
    assert in_line(first) == in_line(second) == 0.01
