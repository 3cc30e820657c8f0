"""An output may do what it likes: nobody else waits, and it gets another chance."""

from __future__ import annotations

import logging
import threading

import pytest

from faceguard.edge.meters import Meters
from faceguard.edge.outputs import worker as module
from faceguard.edge.outputs.worker import Worker, told
from faceguard.edge.service.quiet import Quiet
from faceguard.engines.errors import OutputError


class Recorder(Worker[int]):
    """Keeps what it takes; fails where it is told to."""

    def __init__(self, meters: Meters, *, wait: bool = False, capacity: int = 4) -> None:
        super().__init__("test", meters, Quiet(meters), capacity=capacity, wait=wait)
        self.taken: list[int] = []
        self.calls: list[str] = []
        self.fail_open = 0
        self.fail_on: set[int] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.ticked = threading.Event()

    def open_up(self) -> None:
        self.calls.append("open")
        if self.fail_open > 0:
            self.fail_open -= 1
            raise OutputError("no place")

    def take(self, thing: int) -> None:
        self.gate.wait(10)
        if thing in self.fail_on:
            raise RuntimeError("broken on purpose\nwith a second line")
        self.taken.append(thing)

    def tick(self) -> None:
        self.ticked.set()

    def shut(self, *, broken: bool) -> None:
        self.calls.append(f"shut {broken}")


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


def test_errors_are_told_in_one_line():
    assert told(RuntimeError("one\ntwo")) == "RuntimeError: one"
    assert told(RuntimeError()) == "RuntimeError"
    assert told(OutputError("what, where, what to do")) == "what, where, what to do"
