"""Faults in any order, and a thousand of them: frames come again, in order, and nothing is left."""

from __future__ import annotations

import gc
import itertools
import threading
import tracemalloc
from pathlib import Path

import pytest
from coverage import Coverage
from hypothesis import given, settings
from hypothesis import strategies as st

from faceguard.edge.live import connection
from faceguard.engines.errors import (
    CameraAbsent,
    CameraCorrupt,
    CameraLost,
    CameraSilent,
    CameraUnfit,
)
from tests.edge.live.shaky_camera import FILE, LIVE, Bench, Hang, Pictures, wait_until

ERRORS = (CameraAbsent, CameraUnfit, CameraLost, CameraSilent, CameraCorrupt, KeyError, MemoryError)
errors = st.sampled_from(ERRORS).map(lambda kind: kind("broken"))
pictures = st.builds(
    Pictures,
    count=st.integers(1, 4),
    size=st.sampled_from([(32, 16), (64, 48), (33, 16)]),
    damaged=st.integers(0, 3),
    step_ns=st.sampled_from([None, None, -5_000_000_000, 7_000_000_000, 1]),
    pause_s=st.just(0.0),
)
garbage = st.sampled_from([42, "no shot", float("nan")])
quick_faults = st.lists(st.one_of(pictures, garbage), max_size=3).flatmap(
    lambda before: errors.map(lambda error: [*before, error])
)
hangs = st.tuples(st.lists(pictures, max_size=2), st.booleans()).map(
    # A stubborn one goes on with late pictures when the test lets it.
    lambda parts: [*parts[0], Hang(stubborn=parts[1]), Pictures(5, pause_s=0.0)]
)
# No more hangs than may be left behind: with more, nothing is opened until one ends.
storms = st.tuples(st.lists(quick_faults, max_size=6), st.lists(hangs, max_size=2)).flatmap(
    lambda both: st.permutations(both[0] + both[1])
)


@given(storm=storms, live=st.booleans())
@settings(max_examples=30, deadline=None)
def test_after_the_last_fault_frames_flow_in_order(storm, live):
    def script(number):
        return storm[number - 1] if number <= len(storm) else [Pictures()]

    info = LIVE if live else FILE
    before = set(threading.enumerate())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "_GRACE_S", 0.0)
        with Bench(script, info=info) as bench:
            frames, of_last = [], 0
            for frame in bench.frames():
                frames.append((frame.index, frame.pts, frame.session, frame.image.planes[0][0, 0]))
                # Or a later one: on a busy machine the good one may be late itself.
                of_last += frame.image.planes[0][0, 0] > len(storm)
                if of_last == 1:
                    # Now that the good one is up, what hung may say what it has to say.
                    for step in (step for steps in storm for step in steps):
                        if isinstance(step, Hang):
                            step.over.set()
                if of_last == 20:
                    break
    wait_until(lambda: set(threading.enumerate()) <= before, "threads are left")
    for one, next_one in itertools.pairwise(frames):
        assert next_one[0] > one[0], "index"
        assert next_one[1] > one[1], "pts"
        assert next_one[2] >= one[2], "session"
        assert next_one[3] >= one[3], "a frame of an old connection after one of a new"
    assert len({(session, number) for _, _, session, number in frames}) == len(
        {number for *_, number in frames}
    )
    assert all(camera.closed.is_set() for camera in bench.opened)


def descriptors_open() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_thousand_reconnects_leave_nothing():
    class WithFile(CameraLost):
        """Holds what a careless camera's error would hold: its frames, by the traceback."""

    def script(number):
        fault = (WithFile, ValueError, CameraSilent)[number % 3]("gone")
        return [Pictures(2, size=(320, 240), pause_s=0.0), fault]

    def at_rest():
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    threads, descriptors = threading.active_count(), descriptors_open()
    tracemalloc.start()
    try:
        with Bench(script) as bench:
            # The bench itself must not remember either.
            bench.opened, bench.capture._account._on_event = Forgetful(), Forgetful().append
            wait_until(lambda: bench.tries >= 300)
            early = at_rest()
            wait_until(lambda: bench.tries >= 1300)
            late = at_rest()
            assert threading.active_count() <= threads + 3  # supervisor, reader, closer
    finally:
        tracemalloc.stop()
    # One picture of those is 77 kB; a thousand of anything else would show as well. Coverage keeps
    # about a kilobyte of its own for each thread that there ever was.
    most = 4_000_000 if Coverage.current() else 100_000
    assert late - early < most, f"{late - early} bytes in 1000 reconnects"
    assert bench.meters.value("camera_reconnects_total") >= 999
    wait_until(lambda: threading.active_count() == threads)
    assert descriptors_open() <= descriptors


class Forgetful(list):
    def append(self, camera):
        pass
