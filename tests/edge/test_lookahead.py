"""The delay line: every frame once, in order, and faces covered before they were found."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from faceguard.edge.lookahead import LookAhead
from faceguard.edge.masks import MaskSettings
from faceguard.edge.tracking import Tracker
from faceguard.edge.types import Cover, Frame, Image, PixelFormat, Shape
from faceguard.edge.verdict import Blind
from faceguard.engines.types import Detections
from tests.edge.faces import detections

WIDTH, HEIGHT = 640, 360
IMAGE = Image(PixelFormat.GRAY, WIDTH, HEIGHT, (np.zeros((HEIGHT, WIDTH), np.uint8),))
Box = tuple[float, float, float, float]
Verdict = Detections | Blind | None


def frame(index: int) -> Frame:
    return Frame(IMAGE, index, index, Fraction(1, 25))


def delay_line(frames: int, every: int = 1) -> LookAhead:
    return LookAhead(frames, Tracker(keep_frames=frames, every=every), MaskSettings())


def through(verdicts: list[Verdict], look_ahead: int, every: int = 1) -> list[Cover]:
    """The covers of all frames, in their order."""
    line = delay_line(look_ahead, every)
    out = [pair for i, verdict in enumerate(verdicts) for pair in line.push(frame(i), verdict)]
    out += line.flush()
    assert [f.index for f, _ in out] == list(range(len(verdicts)))
    return [cover for _, cover in out]


def covers(cover: Cover, box: Box) -> bool:
    """Whether one mask holds all of a box; an ellipse is drawn around its whole region."""
    return any(
        m.region.x0 <= box[0]
        and m.region.y0 <= box[1]
        and m.region.x1 >= box[2]
        and m.region.y1 >= box[3]
        for m in cover.masks
    )


verdict = st.sampled_from([None, Detections.empty(), detections((9, 9, 60, 60)), Blind("no")])


@given(verdicts=st.lists(verdict, max_size=40), look_ahead=st.integers(0, 20))
def test_each_frame_comes_once_in_order_and_not_later_than_it_must(verdicts, look_ahead):
    line = delay_line(look_ahead)
    for index, judged in enumerate(verdicts):
        ready = [f.index for f, _ in line.push(frame(index), judged)]
        assert ready == ([index - look_ahead] if index >= look_ahead else [])
    rest = [f.index for f, _ in line.flush()]
    assert rest == list(range(max(0, len(verdicts) - look_ahead), len(verdicts)))
    assert list(line.flush()) == []


@given(verdicts=st.lists(verdict, max_size=40), look_ahead=st.integers(0, 20))
def test_blind_frames_are_covered_until_the_next_good_verdict(verdicts, look_ahead):
    blind: str | None = "no verdict yet"
    causes: list[str | None] = []
    last_good = -1
    for index, judged in enumerate(verdicts):
        if isinstance(judged, Blind):
            blind = judged.cause
            # Nobody will ever know what was in those that wait since the last good look either.
            for waiting in range(max(last_good + 1, index - look_ahead), index):
                causes[waiting] = causes[waiting] or blind
        elif judged is not None:
            blind, last_good = None, index
        causes.append(blind)
    assert [cover.whole for cover in through(verdicts, look_ahead)] == causes


def test_tracks_live_on_behind_a_blind_stretch():
    seen = detections((100, 100, 140, 140))
    verdicts: list[Verdict] = [*[seen] * 4, *[Blind("time-out")] * 10, *[None] * 3, seen, seen]
    out = through(verdicts, 0)
    assert all(cover.whole for cover in out[4:17])
    assert [cover.masks[0].track for cover in out[17:]] == [1, 1]


@st.composite
def passages(draw):
    """A face at constant velocity, the frames in which it is detected, and its size.

    What a tracker promises has bounds: a track lives 6 frames for each detection, 24 at most, and
    a face is known again up to a step of its own size, or two once its velocity is known.
    """
    every = draw(st.integers(1, 5))
    gaps: list[int] = []
    for number in range(draw(st.integers(1, 12))):
        most = min(24, 6 * (number + 1)) // every
        gaps.append(every * (1 + draw(st.integers(0, min(5, most - 1)))))
    size = draw(st.floats(20, 200))
    fastest = min(0.7 * size / gaps[0], 1.4 * size / max(gaps))
    vx, vy = (draw(st.floats(-1, 1)) * fastest for _ in range(2))
    start = every * draw(st.integers(0, 6))
    looked_at = [start, *(start + int(step) for step in np.cumsum(gaps))]

    def place(index: int) -> Box:
        x, y = 320 + vx * (index - start), 180 + vy * (index - start)
        return x - size / 2, y - size / 2, x + size / 2, y + size / 2

    return every, looked_at, place


def script(every: int, looked_at: list[int], place, after: int = 0) -> list[Verdict]:
    """The verdicts of a passage: detected, missed, and not looked at."""
    empty = Detections.empty()
    return [
        detections(place(i)) if i in looked_at else empty if i % every == 0 else None
        for i in range(looked_at[-1] + 1 + after)
    ]


def in_picture(box: Box) -> bool:
    return box[2] > 0 and box[3] > 0 and box[0] < WIDTH and box[1] < HEIGHT


@given(passage=passages())
@settings(max_examples=200, deadline=None)
def test_a_face_detected_now_and_then_is_covered_all_along(passage):
    every, looked_at, place = passage
    longest = int(max(np.diff(looked_at)))
    out = through(script(every, looked_at, place, after=5), longest, every)
    for index in range(looked_at[0], looked_at[-1] + 1):
        assert covers(out[index], place(index)) or not in_picture(place(index))
    assert {mask.track for cover in out for mask in cover.masks} <= {1}, "one face, one track"


@given(passage=passages())
@settings(max_examples=200, deadline=None)
def test_without_look_ahead_a_track_whose_velocity_is_known_loses_no_cover(passage):
    every, looked_at, place = passage
    moved = np.abs(np.subtract(place(looked_at[0] + 1), place(looked_at[0])))[:2]
    size = place(0)[2] - place(0)[0]
    # Past its own size nobody believes an old speed.
    assume(len(looked_at) > 2 and (moved * max(np.diff(looked_at)) <= size).all())
    out = through(script(every, looked_at, place), 0, every)
    for index in range(looked_at[1], looked_at[-1] + 1):
        assert covers(out[index], place(index)) or not in_picture(place(index))


@given(
    every=st.integers(1, 5),
    look_ahead=st.integers(0, 20),
    first_look=st.integers(4, 6),
    pixels_a_frame=st.floats(-2, 2),
)
@settings(max_examples=100, deadline=None)
def test_a_face_is_covered_before_it_was_found(every, look_ahead, first_look, pixels_a_frame):
    """Back to the look-ahead, as far as the track has earned it when the frame has to go."""
    first = every * first_look

    def place(index: int) -> Box:
        x = 300 + pixels_a_frame * (index - first)
        return x, 150, x + 60, 210

    looks = [first + every * n for n in range(12)]
    out = through(script(every, looks, place), look_ahead, every)
    for back in range(1, first + 1):
        # Detections that were in when the frame left the line.
        known = 1 + (look_ahead - back) // every
        promised = back <= look_ahead and back <= 6 * known
        assert bool(out[first - back].masks) == promised
        if promised and known > 1:
            assert covers(out[first - back], place(first - back))


def test_a_face_found_once_is_covered_around_it():
    verdicts: list[Verdict] = [Detections.empty()] * 40
    verdicts[20] = detections((100, 100, 160, 160))
    covered = [i for i, cover in enumerate(through(verdicts, 15)) if cover.masks]
    assert covered == list(range(14, 27))


def test_what_has_left_the_picture_needs_no_mask():
    steps = [detections((600 + 8 * i, 100, 640 + 8 * i, 140)) for i in range(6)]
    out = through([*steps, *[Detections.empty()] * 3], 0)
    assert all(cover.masks for cover in out[:6])
    far = through([detections((900, 100, 940, 140))], 0)
    assert far == [Cover()]


@pytest.mark.parametrize("shape", list(Shape))
def test_a_mask_is_wider_than_the_face_and_most_at_the_brow(shape):
    line = LookAhead(0, Tracker(), MaskSettings(margin=0.1, shape=shape))
    ((_, cover),) = line.push(frame(0), detections((100, 100, 200, 200)))
    (mask,) = cover.masks
    region = mask.region
    assert (region.x0, region.y0, region.x1, region.y1) == pytest.approx((90, 85, 210, 210))
    assert mask.shape is shape
    assert mask.score == pytest.approx(0.9)


@given(
    step=st.integers(1, 80),
    miss=st.integers(3, 18),
    look_ahead=st.integers(1, 6),
    every=st.integers(1, 2),
)
def test_a_miss_bares_nobody_however_many_frames_were_dropped(step, miss, look_ahead, every):
    """The numbers of the frames that a slow detector gets to lie far apart."""
    box = (100.0, 50.0, 160.0, 130.0)
    line = delay_line(look_ahead, every)
    out = []
    for turn in range(20):
        found = Detections.empty() if turn == miss else detections(box)
        out += line.push(frame(turn * step), found)
    out += line.flush()
    assert len(out) == 20
    assert all(covers(cover, box) for _, cover in out)
    assert {mask.track for _, cover in out for mask in cover.masks} == {1}
