"""A camera that hangs: nobody waits for it, late things are thrown away, closing ends in time."""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import replace

import pytest

from faceguard.edge.budget import Budget
from faceguard.edge.live.capture import MOST_LEFT_BEHIND
from faceguard.edge.live.health import State
from faceguard.edge.slot import Closed
from faceguard.engines.errors import CameraAbsent, CameraLost
from tests.edge.live.shaky_camera import (
    FILE,
    GOOD,
    LIVE,
    PATIENCE_S,
    SOME,
    Bench,
    Hang,
    number_of,
    quick,
    take_from,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("no_grace")


def test_a_late_frame_of_a_connection_that_was_left_behind_is_thrown_away():
    hang = Hang(stubborn=True)
    with Bench(lambda n: [SOME, hang, GOOD] if n == 1 else [GOOD]) as bench:
        take_from(bench, 2)
        hang.over.set()
        late = bench.opened[0]
        wait_until(late.closed.is_set)
        after = list(itertools.islice(bench.frames(), 200))
    assert {number_of(frame) for frame in after} == {2}
    assert {frame.session for frame in after} == {2}


def test_a_late_frame_is_thrown_away_during_the_pause_too():
    hang = Hang(stubborn=True)
    settings = quick(retry_first_s=600.0, retry_longest_s=600.0)
    with Bench(lambda _: [SOME, hang, GOOD], settings=settings) as bench:
        wait_until(lambda: bench.health.state is State.LOST)
        before = len(bench.slot), bench.meters.value("frames_in_total")
        hang.over.set()
        wait_until(lambda: not any(t.name == "camera-read" for t in threading.enumerate()))
        assert (len(bench.slot), bench.meters.value("frames_in_total")) == before
        assert bench.health.state is State.LOST


def test_a_camera_that_opens_too_late_is_closed_and_not_read():
    hang = Hang()
    with Bench(lambda n: [hang, GOOD] if n == 1 else [GOOD]) as bench:
        take_from(bench, 2)
        assert bench.failures("silent") == 1
        hang.over.set()
        wait_until(lambda: len(bench.opened) == 2)
        late = next(camera for camera in bench.opened if camera.number == 1)
        wait_until(late.closed.is_set)
        after = list(itertools.islice(bench.frames(), 100))
    assert {number_of(frame) for frame in after} == {2}


def test_the_camera_is_closed_under_a_reader_that_hangs():
    """So that the device is free for the next connection; most reads wake up from that too."""
    hang = Hang()
    with Bench(lambda n: [SOME, hang] if n == 1 else [GOOD]) as bench:
        take_from(bench, 2)
        wait_until(bench.opened[0].closed.is_set)
        wait_until(lambda: not any(t.name == "camera-close" for t in threading.enumerate()))


def test_no_more_than_three_readers_hang_at_a_time(caplog):
    hangs = [Hang(stubborn=True) for _ in range(MOST_LEFT_BEHIND)]

    def script(number: int):
        return [SOME, hangs[number - 1]] if number <= len(hangs) else [GOOD]

    with Bench(script) as bench:
        wait_until(lambda: "hang in the camera's driver" in caplog.text)
        assert bench.tries == MOST_LEFT_BEHIND
        assert bench.health.state is State.LOST
        assert bench.health.failures == MOST_LEFT_BEHIND
        hangs[1].over.set()
        take_from(bench, MOST_LEFT_BEHIND + 1)
        for hang in hangs:
            hang.over.set()


def test_a_close_that_hangs_keeps_nobody_waiting(monkeypatch):
    monkeypatch.setattr("faceguard.edge.live.capture._LET_GO_S", 0.05)
    hang = Hang()
    lost = CameraLost("gone")
    with Bench(lambda n: [SOME, lost] if n == 1 else [GOOD], hangs_on_close=hang) as bench:
        take_from(bench, 2)
        assert hang.entered.is_set()
        assert not hang.over.is_set()
        hang.over.set()


def test_pauses_grow_and_can_be_cut_short():
    started_s = time.monotonic()
    settings = quick(retry_first_s=600.0, retry_longest_s=3600.0)
    with Bench(lambda _: [CameraAbsent("not there")], settings=settings) as bench:
        wait_until(lambda: bench.health.state is State.LOST)
        assert bench.tries == 1
    assert time.monotonic() - started_s < 60


@pytest.mark.parametrize("where", ["open", "read", "close", "pause", "put", "budget"])
def test_close_ends_in_time_wherever_the_camera_hangs(where):
    hang = Hang(stubborn=True)
    steps = {"open": [hang], "read": [SOME, hang], "pause": [CameraLost("gone")]}.get(where, [GOOD])
    settings = quick(frozen_after_s=600, open_within_s=600, retry_first_s=600, retry_longest_s=600)
    bench = Bench(
        lambda _: steps,
        settings=settings,
        info=FILE if where in ("put", "budget") else LIVE,
        hangs_on_close=hang if where == "close" else None,
    )
    if where == "budget":
        bench.budget = Budget(paused=True)
    with bench:
        if where in ("open", "read"):
            assert hang.entered.wait(PATIENCE_S)
        else:
            wait_until(lambda: bench.health.state is not State.OPENING)
        if where == "put":
            wait_until(lambda: len(bench.slot) == 2)
        started_s = time.monotonic()
        bench.capture.close(0.4)
        # Far more than asked for, and far less than any hang.
        assert time.monotonic() - started_s < 5
        wait_until(lambda: bench.health.state is State.ENDED)
        assert all(frame.session for frame in bench.frames())
        hang.over.set()


def test_close_before_start_and_twice():
    bench = Bench(lambda _: [GOOD])
    bench.capture.close()
    bench.capture.close()
    with pytest.raises(Closed):
        bench.slot.take(0)
    bench.capture.start()
    wait_until(lambda: bench.health.state is State.ENDED)
    assert bench.tries == 0


@pytest.mark.parametrize("info", [FILE, replace(FILE, live=True)])
def test_it_ends_when_nobody_takes_frames(info):
    with Bench(lambda _: [GOOD], info=info) as bench:
        next(bench.frames())
        bench.slot.abandon()
        wait_until(lambda: bench.health.state is State.ENDED)
        wait_until(bench.opened[0].closed.is_set)
    assert bench.dropped("closing") == 1
