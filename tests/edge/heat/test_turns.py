"""Jobs in threads: those that hang keep nobody from anything, and are not begun twice."""

from __future__ import annotations

import threading

import pytest

from faceguard.edge.heat.sensing.turns import Turns
from tests.edge.heat.sys_tree import readers, until

# Long enough for what does not hang on any machine, short enough to wait for what does.
LIMIT_S = 0.3


@pytest.mark.parametrize("at_once", [False, True])
def test_jobs_are_done(at_once: bool):
    turns = Turns("sensors reader", threading.Event())
    assert turns.go({}, LIMIT_S, at_once=at_once) == {}
    assert turns.go({"one": lambda: 1, "two": lambda: 2}, 20, at_once=at_once) == {
        "one": 1,
        "two": 2,
    }
    assert turns.hanging == frozenset()
    until(lambda: not readers())


def test_one_after_the_other_in_one_thread():
    turns = Turns("sensors reader", threading.Event())
    done = turns.go(dict.fromkeys("abc", threading.get_ident), 20)
    assert len(set(done.values())) == 1
    assert done["a"] != threading.get_ident()


@pytest.mark.parametrize("at_once", [False, True])
def test_what_hangs_is_left_out_until_it_comes_back(at_once: bool):
    turns, gate, calls = Turns("sensors reader", threading.Event()), threading.Event(), []

    def hangs() -> str:
        calls.append(threading.current_thread())
        gate.wait()
        return "back"

    jobs = {"first": lambda: "a", "hangs": hangs, "last": lambda: "z"}
    for _ in range(3):
        until(lambda: turns.go(jobs, LIMIT_S, at_once=at_once) == {"first": "a", "last": "z"})
        assert turns.hanging == {"hangs"}
        assert len(calls) == 1
        until(lambda: readers() == calls)
    gate.set()
    until(lambda: turns.hanging == frozenset())
    assert turns.go(jobs, 20, at_once=at_once) == {"first": "a", "hangs": "back", "last": "z"}
    until(lambda: not readers())


def test_many_that_hang_keep_a_thread_each_and_the_others_are_done():
    turns, gate = Turns("sensors reader", threading.Event()), threading.Event()
    jobs = {f"hangs {number}": gate.wait for number in range(8)} | {"last": lambda: True}
    until(lambda: turns.go(jobs, LIMIT_S) == {"last": True})
    assert len(turns.hanging) == 8
    until(lambda: len(readers()) == 8)
    gate.set()
    until(lambda: not readers())


def test_after_the_end_nothing_begins_and_nobody_waits():
    end, gate = threading.Event(), threading.Event()
    turns, begun = Turns("sensors reader", end), threading.Event()

    def ends_it() -> None:
        end.set()
        gate.wait()

    assert turns.go({"ends": ends_it, "never": begun.set}, 1000) == {}
    gate.set()
    turns.let_go(20)
    assert not readers()
    assert not begun.is_set()


def test_where_the_system_gives_no_thread_nothing_is_done(monkeypatch: pytest.MonkeyPatch):
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    turns = Turns("sensors reader", threading.Event())
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        assert turns.go({"one": lambda: 1}, 20) == {}
        assert turns.go({"one": lambda: 1}, 20, at_once=True) == {}
    assert turns.hanging == frozenset()
    turns.let_go(1)
    assert turns.go({"one": lambda: 1}, 20) == {"one": 1}


@pytest.mark.parametrize("at_once", [False, True])
def test_a_job_that_fails_says_so_and_ends_no_other(at_once: bool):
    def fails() -> int:
        raise LookupError("nobody should see these words")

    turns = Turns("sensors reader", threading.Event())
    jobs = {"first": lambda: 1, "fails": fails, "last": lambda: 2}
    for _ in range(2):
        assert turns.go(jobs, 20, at_once=at_once) == {"first": 1, "last": 2}
        assert turns.failed == {"fails": "failed (LookupError)"}
        assert turns.hanging == frozenset()
    assert turns.go({"first": lambda: 1}, 20) == {"first": 1}
    assert turns.failed == {}
    until(lambda: not readers())
