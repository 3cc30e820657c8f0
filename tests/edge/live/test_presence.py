"""Faces appear and leave once each, and flicker floods nobody."""

from __future__ import annotations

import time
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceguard.edge.live.presence import Presence
from faceguard.edge.redact import redact
from faceguard.edge.style import Style
from faceguard.edge.types import Cover, Frame, Image, Mask, PixelFormat, Shape
from faceguard.engines.types import Region

START_NS = 10**9
STEP_NS = 40_000_000
BLANK = Image(PixelFormat.GRAY, 64, 48, (np.zeros((48, 64), np.uint8),))


class Camera:
    """Frames at 25 a second, through the real redaction."""

    def __init__(self, presence: Presence) -> None:
        self.presence = presence
        self.index = 0

    def shows(self, *tracks, whole=None, session=1, after_ns=STEP_NS, box=(8, 8, 20, 24)):
        face = Region(*box)
        masks = tuple(Mask(face, Shape.BOX, track, 0.875, face) for track in tracks)
        self.index += 1
        self.at_ns = getattr(self, "at_ns", START_NS) + after_ns
        frame = Frame(
            BLANK,
            self.index,
            self.index,
            Fraction(1, 25),
            1,
            captured_ns=self.at_ns,
            session=session,
        )
        return self.presence.see(redact(frame, Cover(masks, whole), Style()))


@pytest.fixture
def camera():
    return Camera(Presence())


def kinds(events):
    return [event.kind for event in events]


def test_a_face_appears_once_and_leaves_once(camera):
    (event,) = camera.shows(3)
    assert event.kind == "face-appears"
    assert event.fields == {"track": 3, "box": [8, 8, 20, 24], "score": 0.875, "frame": 1}
    assert event.at_ns == camera.at_ns
    assert camera.shows(3) == []
    assert camera.presence.tracks_now == 1
    told = [event for _ in range(20) for event in camera.shows()]
    (event,) = told
    assert event.kind == "face-leaves"
    assert event.fields == {"track": 3, "seconds": 0.04}
    assert camera.presence.tracks_now == 0


def test_a_flicker_is_not_told(camera):
    camera.shows(1)
    told = [event for _ in range(50) for event in (*camera.shows(), *camera.shows(1))]
    assert told == []


def test_frames_covered_whole_say_nothing_about_faces(camera):
    camera.shows(1)
    assert kinds(camera.shows(whole="time-out")) == ["covered-whole"]
    assert [event for _ in range(100) for event in camera.shows(whole="time-out")] == []
    assert camera.presence.tracks_now == 1


def test_another_connection_makes_all_leave_and_the_same_number_appear_anew(camera):
    camera.shows(1, 2)
    told = camera.shows(1, session=2)
    assert kinds(told) == ["face-leaves", "face-leaves", "face-appears"]


def test_a_slate_makes_all_leave_and_is_not_told_as_covered(camera):
    camera.shows(1)
    assert kinds(camera.shows(whole="no camera", session=0)) == ["face-leaves"]
    assert camera.presence.covered is None


def test_a_mask_without_a_track_is_nobody(camera):
    assert camera.shows(0) == []


def test_a_box_beyond_the_picture_is_cut_and_one_that_is_no_number_is_missing(camera):
    (event,) = camera.shows(1, box=(-5.5, 3.6, 70, 50))
    assert event.fields["box"] == [0, 4, 64, 48]
    # Redaction refuses such a mask, so it is put beside a frame that went through.
    nan = Region(float("nan"), 0, 1, 1)
    frame = Frame(BLANK, 1, 1, Fraction(1, 25), captured_ns=1, session=2)
    safe = redact(frame, Cover(), Style())
    safe.cover = Cover((Mask(nan, Shape.BOX, 7, float("nan"), nan),))
    event = Presence().see(safe)[0]
    assert (event.fields["box"], event.fields["score"]) == (None, None)


def test_covering_whole_is_told_at_once_and_its_end_after_a_calm_second(camera):
    camera.shows()
    (event,) = camera.shows(whole="time-out")
    assert (event.kind, event.fields) == ("covered-whole", {"cause": "time-out"})
    assert camera.presence.covered == "time-out"
    camera.shows(whole="time-out")
    assert camera.shows() == []
    (event,) = camera.shows(after_ns=10**9)
    assert event.kind == "covered-again"
    assert event.fields == {"frames": 2, "times": 1, "seconds": 0.04}
    assert camera.presence.covered is None


def test_flicker_between_whole_and_masks_is_one_pair_with_a_count(camera):
    told = [event for _ in range(100) for event in (*camera.shows(whole="a"), *camera.shows())]
    assert kinds(told) == ["covered-whole"]
    (event,) = camera.shows(after_ns=10**9)
    assert event.fields["times"] == 100


def test_another_cause_is_told_when_it_lasts(camera):
    camera.shows(whole="no verdict yet")
    told = [event for _ in range(100) for event in camera.shows(whole="time-out")]
    assert [event.fields for event in told] == [{"cause": "time-out"}]
    assert camera.presence.covered == "time-out"


def test_all_leave_at_the_end(camera):
    camera.shows(1, 2)
    assert kinds(camera.presence.end()) == ["face-leaves"] * 2
    assert camera.presence.end() == []


def test_the_wall_clock_is_that_of_the_capture():
    camera = Camera(Presence())
    camera.at_ns = time.monotonic_ns() - 5_000_000_000
    (event,) = camera.shows(1, after_ns=0)
    assert -60 < event.wall_s - (time.time() - 5) < 60


class Shown:
    """What an outsider would remember of the events."""

    def __init__(self) -> None:
        self.there: set[int] = set()
        self.covered = False

    def take(self, event) -> None:
        track = event.fields.get("track")
        if event.kind == "face-appears":
            assert track not in self.there
            self.there.add(track)
        elif event.kind == "face-leaves":
            self.there.remove(track)
            assert event.fields["seconds"] >= 0
        elif event.kind == "covered-again":
            assert self.covered
            self.covered = False
        else:
            self.covered = True


SHOWN = st.tuples(
    st.sets(st.integers(0, 5), max_size=4),
    st.sampled_from([None, None, "a", "b"]),
    st.integers(0, 3),
    st.integers(0, 1_500_000_000),
)


@given(st.lists(SHOWN, max_size=60))
def test_events_always_make_sense(frames):
    camera, shown = Camera(Presence()), Shown()
    pairs_ns = []
    for tracks, whole, session, after_ns in frames:
        for event in camera.shows(*tracks, whole=whole, session=session, after_ns=after_ns):
            shown.take(event)
            if event.kind == "covered-again":
                pairs_ns.append(event.at_ns)
        assert shown.there == set(camera.presence._present)
        assert shown.covered == (camera.presence.covered is not None)
        if session and whole is None:
            assert tracks - {0} <= shown.there
    assert all(later - earlier >= 10**9 for earlier, later in pairwise(pairs_ns))


def test_memory_does_not_grow_with_the_number_of_faces(camera):
    for first in range(0, 20_000, 1000):
        camera.shows(*range(first + 1, first + 1001), box=(8, 8, 9, 9))
    assert camera.presence.tracks_now <= 512
