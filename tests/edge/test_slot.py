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


def test_an_offer_never_waits_and_gives_back_the_oldest():
    slot: Slot[int] = Slot(2)
    assert [slot.offer(number) for number in range(5)] == [None, None, 0, 1, 2]
    assert len(slot) == 2
    slot.close()
    assert list(slot) == [3, 4]
    with pytest.raises(Closed):
        slot.offer(6)


def test_taking_ends_with_nothing_in_time_and_then_with_the_end():
    slot: Slot[int] = Slot(1)
    assert slot.take(0.01) is None
    slot.put(7)
    slot.close()
    assert slot.take() == 7
    with pytest.raises(Closed):
        slot.take()


def test_taking_tells_of_the_givers_error():
    slot: Slot[int] = Slot(1)
    slot.close(ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        slot.take()
