"""The room that covers: what it does with sessions, sizes, holes, budgets and reloads."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace

import av
import pytest

from faceguard.edge.av_image import view
from faceguard.edge.budget import Budget
from faceguard.edge.enhance.colour import matrix_of
from faceguard.edge.live.process import Process
from faceguard.edge.live.slate import Slate
from faceguard.edge.lookahead import NO_VERDICT
from faceguard.edge.masks import MaskSettings
from faceguard.edge.slot import Closed
from faceguard.edge.style import Look
from faceguard.edge.types import PixelFormat, Shape
from faceguard.engines.errors import InferenceError
from faceguard.engines.types import Detections, PixelSource
from tests.edge.live.faults import FaultyFinder, FinderFault, Script, copied
from tests.edge.live.house import until
from tests.edge.live.room import (
    LOST,
    UP,
    Room,
    frame,
    from_frame,
    plan,
    safe_in,
    wholes,
)
from tests.edge.live.scene import SIZE, Scene, Truthful, boxed

pytestmark = pytest.mark.usefixtures("no_thread_left")


# What is known, and for how long.


def test_nothing_is_shown_before_the_first_verdict():
    scene = Scene()
    broken = FaultyFinder(scene, Script([FinderFault.ENGINE] * 5, FinderFault.NONE))
    with Room(scene, broken, plan(3, 4)) as room:
        room.give(*range(10))
        frames = room.rest()
    assert wholes(frames) == ["InferenceError"] * 5 + [None] * 5
    # It is looked at again with the very next frame, then in step with the numbers.
    assert broken.seen[0] == 5
    assert list(broken.seen)[1:] == [6, 9]
    safe_in(scene, frames)


@pytest.mark.parametrize(
    "change", [{"session": 2}, {"size": (240, 144)}, {"form": PixelFormat.NV12}]
)
def test_no_mask_carries_over_to_another_connection_size_or_format(change):
    """Tracks of the first part would coast into the second, where there are no faces."""
    scene = Scene(there=lambda index, _face: index < 10)
    with Room(scene, plan=plan(1, 3)) as room:
        room.give(*range(10))
        room.give(*range(10, 20), **change)
        frames = room.rest()
    assert [one.index for one in frames] == list(range(20))
    assert all(one.cover.masks for one in frames[:10])
    assert not any(one.cover.masks for one in frames[10:])
    assert wholes(frames) == [None] * 20
    safe_in(scene, frames)


def test_without_a_change_tracks_coast_on():
    scene = Scene(there=lambda index, _face: index < 10)
    with Room(scene, plan=plan(1, 3)) as room:
        room.give(*range(20))
        frames = room.rest()
    assert all(one.cover.masks for one in frames[:15])


@pytest.mark.parametrize("last", range(8))
@pytest.mark.parametrize("end", ["connection", "size", "camera lost", "end"])
def test_a_face_that_came_after_the_last_look_is_found_before_the_line_is_given_up(end, last):
    scene = Scene(there=from_frame(last))
    with Room(scene, plan=plan(4, 3)) as room:
        room.give(*range(last + 1))
        if end == "connection":
            room.give(100, session=2)
        elif end == "size":
            room.give(100, size=(240, 144))
        elif end == "camera lost":
            room.health = LOST
        else:
            room.taken.close()
        frames = room.take(last + 1)
    assert wholes(frames) == [None] * (last + 1)
    assert len(frames[-1].cover.masks) == 2
    safe_in(scene, frames)


def test_where_that_last_look_fails_what_follows_the_look_before_is_covered_whole():
    scene = Scene()
    finder = FaultyFinder(scene, Script([FinderFault.NONE, FinderFault.ENGINE], FinderFault.NONE))
    with Room(scene, finder, plan(4, 3)) as room:
        room.give(0, 1, 2)
        frames = room.rest()
    assert wholes(frames) == [None, "InferenceError", "InferenceError"]


# Holes where frames were dropped.


@pytest.mark.parametrize("hole", [1, 2, 5])
def test_a_face_found_after_a_small_hole_covers_those_that_waited_before_it(hole):
    """Frame 0 is looked at, 1 is not and shows a face, some are lost, the next one is looked at."""
    scene = Scene(there=from_frame(1))
    with Room(scene, plan=plan(4, 3)) as room:
        room.give(0, 1, 1 + hole + 1)
        frames = room.rest()
    assert wholes(frames) == [None] * 3
    assert len(frames[1].cover.masks) == 2
    safe_in(scene, frames)


@pytest.mark.parametrize("hole", [6, 7, 20, 1000])
def test_before_a_large_hole_what_was_not_looked_at_is_covered_whole(hole):
    """Where the face was by then, nobody can tell from where it is now."""
    scene = Scene(there=from_frame(1))
    with Room(scene, plan=plan(2, 1)) as room:
        room.give(0, 1, 1 + hole + 1)
        frames = room.rest()
    assert wholes(frames) == [None, NO_VERDICT, None]
    safe_in(scene, frames)


def test_with_frames_missing_everywhere_no_face_is_shown():
    scene = Scene(there=lambda index, face: (index + 11 * face) // 24 % 2 == 0)
    gone = {n for n in range(400) if n % 7 in (3, 4) or n % 31 < 6}
    with Room(scene, plan=plan(3, 4)) as room:
        room.give(*(n for n in range(400) if n not in gone))
        frames = room.rest()
    assert len(frames) == 400 - len(gone)
    assert wholes(frames).count(None) > 0.9 * len(frames)
    safe_in(scene, frames)


# Budgets and reloads.


@pytest.mark.parametrize(
    ("every", "look_ahead", "budget", "looked_at"),
    [
        (1, 5, 4, [0, 4, 8]),
        (3, 5, 2, [0, 3, 6, 9]),
        (1, 5, 100, [0, 6]),
        (1, 1, 4, [0, 2, 4, 6, 8]),
        (1, 0, 4, list(range(10))),
    ],
)
def test_the_budget_takes_looks_away_as_far_as_the_look_ahead_covers(
    every, look_ahead, budget, looked_at
):
    scene = Scene(there=from_frame(7))
    finder = Truthful(scene)
    with Room(scene, finder, plan(every, look_ahead), Budget(1, detect_every=budget)) as room:
        room.give(*range(10))
        frames = room.rest()
    last = [] if looked_at[-1] == 9 else [9]  # with the end of the line
    assert list(finder.seen) == looked_at + last
    safe_in(scene, frames)


def test_a_reload_changes_the_style_with_the_next_frame():
    with Room(plan=plan(1, 0, Look.SOLID)) as room:
        room.give(0)
        first = room.one()
        room.plan = replace(plan(1, 0, Look.BLUR), masks=MaskSettings(0.5, Shape.BOX))
        room.give(1)
        second = room.one()
    assert {mask.shape for mask in first.cover.masks} == {Shape.ELLIPSE}
    assert {mask.shape for mask in second.cover.masks} == {Shape.BOX}
    face = room.scene.marks(0)[0]
    middle = (slice(face.y + 8, face.y + 24), slice(face.x + 8, face.x + 24))
    assert (first.image.planes[0][middle] == 16).all()
    assert (second.image.planes[0][middle] > 40).all()


@pytest.mark.parametrize("first", range(9))
def test_a_reload_to_a_shorter_wait_shows_no_face_that_waited_for_a_look(first):
    scene = Scene(there=from_frame(first))
    with Room(scene, plan=plan(4, 3)) as room:
        room.give(*range(first + 1))
        until(lambda: not len(room.taken))
        room.plan = plan(1, 0)
        room.give(*range(first + 1, first + 5))
        frames = room.rest()
    assert wholes(frames) == [None] * (first + 5)
    safe_in(scene, frames)


def test_a_reload_keeps_the_tracks():
    with Room(plan=plan(1, 0)) as room:
        room.give(*range(5))
        before = room.take(5)[-1]
        room.plan = plan(2, 4)
        room.give(*range(5, 12))
        after = room.rest()[-1]
    numbers = [sorted(mask.track for mask in one.cover.masks) for one in (before, after)]
    assert numbers == [[1, 2], [1, 2]]
    assert room.meters.value("tracks_total") == 2


# What goes wrong.


@pytest.mark.parametrize("slate_s", [0.0, 0.3])
def test_blind_time_counts_until_the_next_good_look_and_not_without_a_camera(monkeypatch, slate_s):
    show, pause = Process._show_slate, threading.Event()

    def slowly(process):
        pause.wait(slate_s)
        show(process)

    monkeypatch.setattr(Process, "_show_slate", slowly)
    scene = Scene()
    blind = threading.Event()

    class Broken(Truthful):
        def detect(self, source: PixelSource) -> Detections:
            if blind.is_set():
                raise InferenceError("broken")
            return super().detect(source)

    with Room(scene, Broken(scene)) as room:
        blind.set()
        room.give(0)
        room.one()
        until(lambda: room.process.blind_s > 0.3)
        room.health = LOST
        room.take(2)
        before_s = room.process.blind_s
        until(lambda: room.meters.value("slates_total") > 6)
        until(lambda: room.process.blind_s < before_s + 0.5)
        room.health = UP
        blind.clear()
        room.give(1)
        until(lambda: room.process.blind_s == 0)


def test_where_tracking_fails_all_that_waits_is_covered_whole_and_goes_out_once(monkeypatch):
    from faceguard.edge.tracking import Tracker

    update, calls = Tracker.update, itertools.count()

    def fails_once(*args, **kwargs):
        if next(calls) == 6:
            raise RuntimeError("broken on purpose")
        return update(*args, **kwargs)

    monkeypatch.setattr(Tracker, "update", fails_once)
    with Room(plan=plan(1, 3)) as room:
        room.give(*range(12))
        frames = room.rest()
    assert [one.index for one in frames] == list(range(12))
    assert wholes(frames) == [None] * 3 + ["tracking failed"] * 4 + [None] * 5
    safe_in(room.scene, frames)


def test_frames_that_there_is_no_memory_for_are_dropped_and_counted():
    with Room(copies=3) as room:
        room.give(*range(5))
        until(lambda: room.meters.value("frames_dropped_total", cause="pool") == 2)
        held = room.take(3)
        assert [one.index for one in held] == [0, 1, 2]
        before = [copied(one.image) for one in held]
        del held[1:]
        room.give(*range(5, 9))
        more = room.take(2)
        assert [one.index for one in more] == [5, 6]
        assert (held[0].image.planes[0] == before[0].planes[0]).all()
        safe_in(room.scene, [*held, *more])


def test_closing_drops_what_waits_and_says_nothing_of_it(caplog):
    room = Room(plan=plan(1, 10))
    room.give(*range(5))
    until(lambda: not len(room.taken))
    room.close()
    assert room.process.join(20)
    with pytest.raises(Closed):
        room.give(6)
    assert not caplog.records


def test_what_ends_the_room_ends_those_beside_it_too(monkeypatch):
    def exits(*_args: object) -> None:
        raise SystemExit(3)

    with Room() as room:
        monkeypatch.setattr(Slate, "make", lambda *_a, **_k: exits())
        room.health = LOST
        with pytest.raises(SystemExit):
            until(lambda: room.safe.take(0.01))
        until(lambda: not room.process._thread.is_alive())
        with pytest.raises(Closed):
            room.give(0)


def test_a_score_below_the_plans_covers_nothing():
    """The kit's faces are as believable as it says: what it does not believe stays bare."""
    scene = Scene()

    class Unsure(Truthful):
        def detect(self, source: PixelSource) -> Detections:
            return boxed(super().detect(source).regions(), 0.4)

    with Room(scene, Unsure(scene)) as room:
        room.give(0)
        assert room.one().cover.masks == ()


# What frames say of themselves.


def test_covered_frames_say_which_matrix_made_their_colours_like_those_between_them():
    """Else a network for B, G, R would give them other colours, and video would flicker."""
    scene = Scene(there=lambda index, _face: index == 1)
    faults = [FinderFault.NONE, FinderFault.NONE, FinderFault.ENGINE]
    broken = FaultyFinder(scene, Script(faults, FinderFault.NONE))
    with Room(scene, broken, plan(1, 0)) as room:
        for number in range(3):
            one = frame(scene, number)
            decoded = av.VideoFrame(*SIZE, "yuv420p")
            decoded.colorspace = 1  # ITU-R BT.709
            owned = view(decoded)
            for into, plane in zip(owned.planes, one.image.planes, strict=True):
                into[...] = plane
            room.taken.put(replace(one, image=owned))
        frames = room.rest()
    assert [len(one.cover.masks) for one in frames[:2]] == [0, 2]
    assert wholes(frames) == [None, None, "InferenceError"]
    assert [matrix_of(one.image) for one in frames] == [1, 1, 1]
