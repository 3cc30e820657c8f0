"""Numbers, times and rates of frames, whatever cameras and clocks do."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from faceguard.edge.cameras.base import Shot
from faceguard.edge.live.allowance import Allowance
from faceguard.edge.live.timeline import Timeline
from faceguard.edge.types import Image, PixelFormat

SECOND = 1_000_000_000
EPOCH = 50 * SECOND
IMAGE = Image.blank(PixelFormat.GRAY, 2, 2)
times = st.integers(-(10**18), 10**18)
# What a camera claims and what it is, a time of ours between two shots, and whether it reconnects.
shots = st.lists(
    st.tuples(times, times, st.integers(0, 5 * SECOND), st.integers(0, SECOND), st.booleans()),
    min_size=1,
    max_size=40,
)


@given(shots, st.lists(st.booleans(), min_size=40, max_size=40))
def test_numbers_and_times_always_grow(shots, lives):
    timeline, now_ns, frames = Timeline(EPOCH), EPOCH, []
    for (captured_ns, time_ns, later_ns, duration_ns, again), live in zip(
        shots, lives, strict=False
    ):
        now_ns += later_ns
        if again:
            timeline.begin()
        shot = Shot(IMAGE, captured_ns, time_ns, duration_ns)
        frame = timeline.frame(shot, 1, now_ns, live=live)
        assert frame.captured_ns <= now_ns
        frames.append(frame)
    assert [frame.index for frame in frames] == list(range(len(shots)))
    assert all(b.pts > a.pts for a, b in itertools.pairwise(frames))
    assert frames[0].pts >= 0


@given(st.lists(st.integers(1, SECOND), min_size=2, max_size=30))
def test_a_live_cameras_times_are_its_own(gaps_ns):
    timeline, at_ns = Timeline(EPOCH), EPOCH
    for gap_ns in gaps_ns:
        at_ns += gap_ns + 12_000
        frame = timeline.frame(Shot(IMAGE, at_ns, 0), 1, at_ns + 5_000, live=True)
        assert frame.captured_ns == at_ns
        assert frame.pts == (at_ns - EPOCH) * 90_000 // SECOND


@given(
    st.integers(-(10**15), 10**15),
    st.integers(5_000_000, 200_000_000),
    st.lists(st.integers(0, SECOND), min_size=2, max_size=60),
    st.integers(0, 10**9),
)
def test_recordings_have_the_cameras_steps_and_not_the_networks(start_ns, step_ns, late_ns, off_ns):
    timeline, captured_ns, frames = Timeline(EPOCH), 0, []
    for number, late in enumerate(late_ns):
        # None overtakes another.
        captured_ns = max(captured_ns + 1, EPOCH + off_ns + number * step_ns + late)
        shot = Shot(IMAGE, captured_ns, start_ns + number * step_ns)
        frames.append(timeline.frame(shot, 1, captured_ns, live=True))
        assert frames[-1].captured_ns == captured_ns
    steps = {b.pts - a.pts for a, b in itertools.pairwise(frames)}
    # Units are 11 us: steps are rounded, and add up to nothing.
    assert steps <= {step_ns * 90_000 // SECOND, step_ns * 90_000 // SECOND + 1}
    assert frames[0].pts == (frames[0].captured_ns - EPOCH) * 90_000 // SECOND


@given(shots, st.integers(1, SECOND))
def test_a_live_cameras_times_never_stray_far_from_capture(shots, step_ns):
    timeline, now_ns, before = Timeline(EPOCH), EPOCH, -1
    for number, (_, time_ns, later_ns, _, wild) in enumerate(shots):
        now_ns += later_ns + 12_000
        shot = Shot(IMAGE, now_ns, time_ns if wild else number * step_ns)
        pts = timeline.frame(shot, 1, now_ns, live=True).pts
        at = (now_ns - EPOCH) * 90_000 // SECOND
        assert at - 2 * 90_000 - 1 <= pts
        assert pts <= at + 2 * 90_000 + 1 or pts == before + 1
        before = pts


@given(
    st.integers(-(10**15), 10**15),
    st.lists(st.integers(20_000, SECOND), min_size=1, max_size=20),
)
def test_a_files_times_are_its_own_and_go_on_after_it_was_opened_anew(start_ns, gaps_ns):
    timeline = Timeline(EPOCH)
    places_ns = [start_ns, *itertools.accumulate(gaps_ns, initial=start_ns)][1:]
    for round_number in range(2):
        timeline.begin()
        frames = [
            timeline.frame(Shot(IMAGE, EPOCH, at_ns, 40_000_000), 1, EPOCH + 1, live=False)
            for at_ns in places_ns
        ]
        length_ns = places_ns[-1] - start_ns + 40_000_000
        for frame, at_ns in zip(frames, places_ns, strict=True):
            want = (round_number * length_ns + at_ns - start_ns) * 90_000 // SECOND
            assert frame.pts == want


@given(
    st.floats(1, 120),
    st.floats(0.5, 120),
    st.lists(st.floats(-0.4, 0.4), min_size=60, max_size=60),
)
def test_no_more_pass_than_are_allowed_and_hardly_fewer(rate, allowed, jitter):
    allowance, passed = Allowance(), []
    step_ns = SECOND / rate
    for number, off in enumerate(jitter):
        at_ns = round(EPOCH + (number + off) * step_ns)
        wait_s = allowance.wait_s(at_ns, allowed)
        assert wait_s <= 1 / allowed + 1e-9
        if wait_s == 0:
            passed.append(at_ns)
    length_s = len(jitter) / rate
    most = min(len(jitter), allowed * length_s)
    assert most - 3 <= len(passed) <= most + 3
    # In any stretch of time, no more than earned in it and saved before it.
    for first, last in itertools.combinations(range(len(passed)), 2):
        assert last - first <= (passed[last] - passed[first]) / SECOND * allowed + 1 + 1e-6


def test_no_limit_is_no_limit():
    allowance = Allowance()
    assert all(allowance.wait_s(0, None) == 0 for _ in range(100))
