"""The room that covers: what it shows while there is nothing to show, and in what order."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import pytest

from faceguard.edge.budget import UNLIMITED, Budget
from faceguard.edge.live.health import Health, State
from faceguard.edge.live.slate import Slate
from faceguard.edge.live.timeline import TIME_BASE
from faceguard.edge.types import PixelFormat
from tests.edge.live.house import until
from tests.edge.live.room import (
    LOST,
    TICKS,
    UP,
    Room,
    plan,
    safe_in,
    wholes,
)

pytestmark = pytest.mark.usefixtures("no_thread_left")


def test_while_there_is_no_camera_slates_come_and_the_room_is_alive():
    with Room(health=Health(State.OPENING, 0)) as room:
        slates = room.take(3)
    assert {(one.session, one.cover.whole) for one in slates} == {(0, None)}
    assert [one.pts for one in slates] == sorted({one.pts for one in slates})
    assert room.meters.value("slates_total") >= 3
    assert (slates[0].image.width, slates[0].image.height) == (1280, 720)


def test_a_slate_is_like_the_frames_before_it():
    with Room() as room:
        room.give(0, size=(240, 144), form=PixelFormat.NV12)
        room.one()
        room.health = LOST
        slate = room.one()
    assert slate.session == 0
    assert slate.image.kind == room.scene.image(0, (240, 144), PixelFormat.NV12).kind


def test_a_slow_camera_is_no_reason_for_slates():
    with Room() as room:
        for index, health in enumerate((UP, replace(UP, state=State.SLOW, cause="slow"))):
            room.health = health
            room.give(index)
            room.one()
            assert room.safe.take(0.5) is None


def test_paused_output_shows_slates_and_then_frames_again():
    with Room(budget=Budget(level=4, paused=True, reason="too hot")) as room:
        assert room.one().session == 0
        room.budget = UNLIMITED
        # Those that were made before that.
        until(lambda: room.safe.take(0.5) is None)
        room.give(0)
        assert (room.one().session, room.process.blind_s) == (1, 0)


def test_frames_that_wait_for_others_get_out_when_none_come():
    with Room(plan=plan(2, 5)) as room:
        room.give(0, 1, 2, 3)
        room.health = LOST
        frames = room.take(4)
        assert room.one().session == 0
    assert [one.index for one in frames] == [0, 1, 2, 3]
    assert wholes(frames) == [None] * 4
    safe_in(room.scene, frames)


def test_a_slate_that_cannot_be_drawn_does_not_end_the_room(monkeypatch):
    monkeypatch.setattr(Slate, "make", lambda *_a, **_k: 1 / 0)
    with Room(health=LOST) as room:
        until(lambda: room.meters.value("log_lines_held_back_total") > 0)
        room.health = UP
        room.give(0)
        assert room.one().index == 0


# Times.


def test_times_grow_over_slates_and_frames_whatever_the_camera_says():
    with Room() as room:
        room.give(0, 1, 2)
        room.health = LOST
        room.take(3)
        until(lambda: room.meters.value("slates_total") > 3)
        room.health = UP
        room.give(3, 4, session=2, pts=0)  # twice the same
        room.give(5, session=2)
        frames = room.rest()
    times = [one.pts for one in frames]
    assert times == sorted(set(times))


def test_a_files_frames_keep_their_distances_after_slates():
    """A file's time stands still while slates are shown, and goes on where they end."""
    with Room(health=Health(State.OPENING, 0), epoch_ns=time.monotonic_ns() - 10**9) as room:
        last = room.take(2)[-1]
        room.health = UP
        room.give(*range(5))
        frames = [one for one in room.rest() if one.session]
    assert frames[0].pts > last.pts >= TIME_BASE.denominator
    assert [b.pts - a.pts for a, b in itertools.pairwise(frames)] == [TICKS] * 4
