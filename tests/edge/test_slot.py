"""Hand-over between threads: order, end, errors, and nobody left waiting."""

from __future__ import annotations

import threading

import pytest

from faceguard.edge.slot import Closed, Slot


def test_things_come_in_order_and_end():
    slot: Slot[int] = Slot(2)

    def give() -> None:
        for number in range(1000):
            slot.put(number)
        slot.close()

    thread = threading.Thread(target=give)
    thread.start()
    assert list(slot) == list(range(1000))
    thread.join()


def test_the_givers_error_comes_after_what_is_left():
    slot: Slot[int] = Slot(4)
    slot.put(1)
    slot.close(ValueError("broken"))
    things = iter(slot)
    assert next(things) == 1
    with pytest.raises(ValueError, match="broken"):
        next(things)


def test_a_giver_who_waits_is_told_that_nobody_takes():
    slot: Slot[int] = Slot(1)
    slot.put(1)
    told = threading.Event()

    def give() -> None:
        try:
            slot.put(2)
        except Closed:
            told.set()

    thread = threading.Thread(target=give)
    thread.start()
    slot.abandon()
    thread.join(10)
    assert told.is_set()
    assert list(slot) == []
