"""Tracks: who is followed, for how long, and that nobody is lost or mixed up on the way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceguard.edge.tracking import Sighting, Tracker, TrackingSettings
from faceguard.engines.types import Detections, Region
from tests.edge.faces import detections

STRONG, WEAK = 0.9, 0.4


def face(x: float, y: float = 100, side: float = 40) -> tuple[float, float, float, float]:
    """The box of a face by its middle."""
    return x - side / 2, y - side / 2, x + side / 2, y + side / 2


def scored(*pairs: tuple[tuple[float, float, float, float], float]) -> Detections:
    boxes = np.array([box for box, _ in pairs], np.float32).reshape(-1, 4)
    return Detections(boxes, np.array([score for _, score in pairs], np.float32))


def sightings(tracker: Tracker, index: int) -> list[Sighting]:
    return list(tracker.sightings(index))


def holds(outer: Region, box: tuple[float, float, float, float], slack_px: float = 0.01) -> bool:
    """Whether a region covers a box; a hundredth of a pixel is float32's own rounding."""
    wide = outer.grown(slack_px, slack_px)
    return wide.x0 <= box[0] and wide.y0 <= box[1] and wide.x1 >= box[2] and wide.y1 >= box[3]


def test_weak_detections_alone_start_nothing():
    tracker = Tracker(keep_frames=10)
    for index in range(50):
        tracker.update(index, detections(face(100), score=WEAK))
        assert sightings(tracker, index) == []
    assert tracker.started == 0


def test_weak_detections_keep_a_track_alive_where_the_face_is():
    tracker = Tracker()
    tracker.update(0, detections(face(100), score=STRONG))
    for index in range(1, 200):
        tracker.update(index, detections(face(100 + 2 * index), score=WEAK))
        (seen,) = sightings(tracker, index)
        assert (seen.track, seen.score) == (1, pytest.approx(WEAK))
        assert holds(seen.region, face(100 + 2 * index))
    assert tracker.started == 1


def test_a_strong_detection_covers_the_weak_ones_before_it():
    tracker = Tracker(keep_frames=15)
    for index in range(10):
        tracker.update(index, detections(face(100 + 20 * index), score=WEAK))
    tracker.update(10, detections(face(300), score=STRONG))
    for index in range(11):
        (seen,) = sightings(tracker, index)
        assert holds(seen.region, face(100 + 20 * index))
        assert seen.region.width < 41, "the place was seen; nothing has to grow"


@pytest.mark.parametrize("times", [1, 2, 3, 4, 9])
def test_a_track_coasts_as_long_as_it_has_earned_and_no_longer(times):
    limits = TrackingSettings(coast_frames=20, patience=6)
    tracker = Tracker(limits)
    for index in range(times):
        tracker.update(index, detections(face(100)))
    last, earned = times - 1, min(20, 6 * times)
    for index in range(times, times + 30):
        tracker.update(index, Detections.empty())
        seen = sightings(tracker, index)
        assert bool(seen) == (index - last <= earned)
        assert all(holds(s.region, face(100)) and s.score == 0 for s in seen)


def test_a_track_that_was_lost_comes_back_as_another():
    tracker = Tracker()
    tracker.update(0, detections(face(100)))
    for index in range(1, 7):
        tracker.update(index, Detections.empty())
    tracker.update(7, detections(face(100)))
    assert [s.track for s in sightings(tracker, 7)] == [2]


def test_what_is_not_known_grows_up_to_its_limit():
    tracker = Tracker(TrackingSettings(growth=0.05, growth_limit=0.4))
    for index in range(10):
        tracker.update(index, detections(face(100)))
    widths = [sightings(tracker, index)[0].region.width for index in range(9, 30)]
    assert widths == sorted(widths)
    assert widths[0] == pytest.approx(40)
    assert widths[4] == pytest.approx(40 * (1 + 2 * 4 * 0.05))
    assert widths[-1] == pytest.approx(40 * 1.8)


def test_a_face_that_stops_or_goes_on_unseen_is_covered_either_way():
    tracker = Tracker()
    for index in range(5):
        tracker.update(index, detections(face(100 + 3 * index)))
    for gap in range(1, 13):
        (seen,) = sightings(tracker, 4 + gap)
        assert holds(seen.region, face(112))
        assert holds(seen.region, face(112 + 3 * gap))


@pytest.mark.parametrize("every", [1, 2, 3, 5])
def test_two_faces_that_cross_keep_their_numbers_and_covers(every):
    tracker = Tracker(keep_frames=5, every=every)
    first: dict[int, int] = {}
    for index in range(101):
        places = face(100 + 4 * index, 100), face(500 - 4 * index, 112)
        if index % every == 0:
            # Which of the two comes first says nothing.
            pair = places if index % 3 else places[::-1]
            tracker.update(index, detections(*pair))
            seen = sightings(tracker, index)
            assert len(seen) == 2
            for number, box in enumerate(places):
                (track,) = (s.track for s in seen if holds(s.region, box))
                assert first.setdefault(number, track) == track
    assert tracker.started == 2


@pytest.mark.parametrize("every", [1, 2, 3, 5])
def test_a_crowd_in_a_pan_keeps_its_numbers(every):
    tracker = Tracker(every=every)
    for index in range(0, 90, every):
        crowd = [face(60 * n + 6 * index, 100 + 80 * (n % 3), 36 + n) for n in range(8)]
        tracker.update(index, detections(*crowd))
    assert tracker.started == 8


def test_a_new_face_moves_like_the_others_in_a_pan():
    """By itself a step of nearly two of its own sizes would be another face."""
    tracker = Tracker(keep_frames=20, every=5)
    for index in range(0, 25, 5):
        boxes = [face(100 + 7 * index, 100, 80)]
        if index >= 15:
            boxes.append(face(60 + 7 * (index - 15), 300, 20))
        tracker.update(index, detections(*boxes))
    assert tracker.started == 2
    small = {index: face(60 + 7 * (index - 15), 300, 20) for index in range(15, 21)}
    for index, box in small.items():
        assert any(holds(seen.region, box) for seen in sightings(tracker, index))


def test_a_false_alarm_beside_a_face_does_not_take_it_over():
    tracker = Tracker()
    tracker.update(0, detections(face(100)))
    for index in range(1, 30):
        tracker.update(index, scored((face(100), STRONG), (face(120), WEAK)))
        assert [s.track for s in sightings(tracker, index)] == [1]


@pytest.mark.parametrize("every", [7, 12, 30, 60])
def test_tracks_outlast_the_gap_between_looks(every):
    """Also an established face that one look missed."""
    tracker = Tracker(every=every)
    for index in range(8 * every):
        if index % every == 0:
            missed = index == 5 * every
            tracker.update(index, Detections.empty() if missed else detections(face(100)))
        (seen,) = sightings(tracker, index)
        assert holds(seen.region, face(100))
    assert tracker.started == 1


def test_pictures_that_have_nothing_to_do_with_one_another_share_no_face():
    tracker = Tracker(TrackingSettings(coast_frames=0, reach=0.0))
    tracker.update(0, detections(face(100)))
    tracker.update(1, Detections.empty())
    assert sightings(tracker, 1) == []
    tracker.update(2, detections(face(100)))
    tracker.update(3, detections(face(100)))
    assert tracker.started == 3


@pytest.mark.parametrize("every", [1, 5])
def test_memory_stays_flat(every):
    """A face that stays, one that comes and goes, false alarms everywhere, a hundred thousand
    frames."""
    tracker = Tracker(keep_frames=15, every=every)
    rng = np.random.default_rng(7)
    most = 0
    step = 5 * every  # the gap is the same many looks long in both cases
    for index in range(0, 100_000, step):
        found = [(face(100 + 20 * np.sin(index / 50)), STRONG)]
        if index // 500 % 2:
            found.append((face(300, 200), WEAK if index % 3 else STRONG))
        if rng.random() < 0.1:
            found.append((face(*rng.uniform(0, 600, 2)), WEAK if rng.random() < 0.5 else STRONG))
        tracker.update(index, scored(*found))
        most = max(most, sum(len(track.seen) for track in tracker._tracks))
    assert most < 60
    assert tracker.started > 100


box = st.tuples(
    st.floats(-50, 700), st.floats(-50, 400), st.floats(0.5, 300), st.floats(0.5, 300)
).map(lambda v: (v[0], v[1], v[0] + v[2], v[1] + v[3]))
look = st.lists(st.tuples(box, st.floats(0.3, 1.0)), max_size=5).map(lambda found: scored(*found))


@given(
    looks=st.lists(st.one_of(st.none(), look), max_size=30),
    keep=st.integers(0, 10),
    every=st.integers(1, 5),
)
@settings(max_examples=150, deadline=None)
def test_whatever_was_strong_is_covered_where_it_was_seen(looks, keep, every):
    """However tracks are joined, and for as long as the look-ahead may still ask."""
    tracker = Tracker(keep_frames=keep, every=every)
    for index, found in enumerate(looks):
        if found is not None:
            tracker.update(index, found)
        asked = max(0, index - keep)
        for at in {asked, index}:
            seen = sightings(tracker, at)
            numbers = [s.track for s in seen]
            assert len(set(numbers)) == len(numbers)
            assert all(0 < n <= tracker.started for n in numbers)
            assert all(np.isfinite([*vars(s.region).values()]).all() for s in seen)
            at_that_time = looks[at]
            if at_that_time is not None:
                for region in at_that_time.above(0.6).regions():
                    assert any(s.region == region and s.score >= 0.6 for s in seen)
