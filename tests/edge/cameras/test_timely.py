"""Calls that may hang, and times that can be true."""

from __future__ import annotations

import threading

import pytest

from faceguard.edge.cameras.timely import left_behind, plausible_ns, within


def test_a_result_or_an_error_comes_back() -> None:
    assert within(10, "call", lambda: 5) == 5
    with pytest.raises(KeyError):
        within(10, "call", lambda: {}[1])
    assert threading.active_count() == 1 or "call" not in {t.name for t in threading.enumerate()}


def test_a_result_that_comes_late_is_put_away() -> None:
    go_on = threading.Event()
    put_away = threading.Event()
    seen: list[str] = []

    def work() -> str:
        go_on.wait(30)
        return "late"

    def late(result: str) -> None:
        seen.append(result)
        put_away.set()

    with pytest.raises(TimeoutError, match=r"call: not done within 0\.05 s"):
        within(0.05, "call", work, late)
    assert seen == []
    go_on.set()
    assert put_away.wait(30)
    assert seen == ["late"]


def test_an_error_that_comes_late_is_dropped() -> None:
    go_on = threading.Event()

    def work() -> str:
        go_on.wait(30)
        raise KeyError

    with pytest.raises(TimeoutError):
        within(0.05, "late error", work, lambda result: pytest.fail(result))
    thread = next(t for t in threading.enumerate() if t.name == "late error")
    go_on.set()
    thread.join(30)
    assert not thread.is_alive()


def test_what_is_left_behind_is_counted_until_it_ends() -> None:
    go_on, putting = threading.Event(), threading.Event()

    def late(_: bool) -> None:
        putting.wait(30)

    assert left_behind() == 0
    for number in range(3):
        with pytest.raises(TimeoutError):
            within(0.01, f"left {number}", lambda: go_on.wait(30), late if number else None)
        assert left_behind() == number + 1
    within(10, "in time", lambda: None)
    with pytest.raises(KeyError):
        within(10, "in time", lambda: {}[1])
    assert left_behind() == 3
    threads = {t.name: t for t in threading.enumerate()}
    go_on.set()
    threads["left 0"].join(30)
    # Those that still put away what came late are at work.
    assert left_behind() == 2
    putting.set()
    for number in (1, 2):
        threads[f"left {number}"].join(30)
    assert left_behind() == 0


@pytest.mark.parametrize(
    ("claimed", "believed"),
    [(None, False), (10**10, True), (10**10 - 4 * 10**9, True), (10**10 + 1, False), (0, False)],
)
def test_a_time_must_be_possible(claimed: int | None, believed: bool) -> None:
    assert plausible_ns(claimed, 10**10) == (claimed if believed else 10**10)
