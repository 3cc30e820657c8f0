"""A camera that is kept going: what it is called when it fails, and what comes out in the end."""

from __future__ import annotations

import itertools
import threading
import time

import pytest

from faceguard.edge.budget import Budget
from faceguard.edge.live.health import State
from faceguard.edge.types import PixelFormat
from faceguard.engines.errors import (
    CameraAbsent,
    CameraCorrupt,
    CameraLost,
    CameraSilent,
    CameraUnfit,
    MissingPackage,
)
from tests.edge.live.shaky_camera import (
    FILE,
    GOOD,
    LIVE,
    SOME,
    Bench,
    Clock,
    Hang,
    Pictures,
    quick,
    take_from,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("no_grace")


def test_frames_are_numbered_timed_and_handed_over():
    with Bench(lambda _: [GOOD]) as bench:
        frames = list(itertools.islice(bench.frames(), 20))
    assert all(b.index > a.index and b.pts > a.pts for a, b in itertools.pairwise(frames))
    assert {frame.session for frame in frames} == {1}
    for frame in frames:
        assert frame.pts == (frame.captured_ns - bench.epoch_ns) * 9 // 100_000
        assert frame.duration == 3600
    assert bench.kinds()[0] == "camera-up"
    assert bench.opened[0].closed.is_set()


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (CameraAbsent("not there"), "absent"),
        (CameraUnfit("cannot"), "unfit"),
        (CameraLost("gone"), "lost"),
        (CameraSilent("nothing"), "silent"),
        (CameraCorrupt("garbage"), "corrupt"),
        (MissingPackage("no gi"), "failed"),
        (ValueError("rtsp://me:secret@example/ is odd"), "failed"),
        (OSError(19, "rtsp://me:secret@example/"), "failed"),
        (SystemExit(3), "failed"),
        ("no shot at all", "failed"),
        (Pictures(1, form=PixelFormat.BGR), "unfit"),
        (Pictures(1, size=(33, 16), form=PixelFormat.I420), "unfit"),
        (Hang(), "frozen"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
@pytest.mark.parametrize("when", ["at the opening", "after frames"])
def test_each_fault_has_its_name_and_is_survived(fault, cause, when, caplog):
    first = [] if when == "at the opening" else [SOME]
    if isinstance(fault, Hang):
        fault = Hang()
        cause = "frozen" if first else "silent"

    with Bench(lambda n: [*first, fault] if n == 1 else [GOOD]) as bench:
        frame = take_from(bench, 2)
        wait_until(lambda: bench.health.state is State.UP)
        if isinstance(fault, Hang):
            fault.over.set()
    assert frame.session == (2 if first else 1)
    assert bench.failures(cause) == 1
    assert bench.meters.value("camera_reconnects_total") == (1 if first else 0)
    told = [event for event in bench.events if event.kind == "camera-down"]
    assert [event.fields["cause"] for event in told] == [cause]
    assert bench.kinds()[-1] == "camera-up"
    assert f"no frames ({cause})" in caplog.text
    assert "secret" not in caplog.text


def test_the_same_picture_again_and_again_is_a_frozen_camera():
    marked = Pictures(source_ns=7)
    with Bench(lambda n: [SOME, marked] if n == 1 else [GOOD]) as bench:
        assert take_from(bench, 2).session == 2
    assert bench.failures("frozen") == 1
    assert bench.dropped("repeated") > 0


@pytest.mark.parametrize("live", [True, False])
def test_pictures_of_one_time_are_not_the_same_picture(live):
    """Several that came in one packet of the network; and a file has no driver."""
    run = [Pictures(1, source_ns=1), Pictures(50, step_ns=0, source_ns=None if live else 1)]
    info = LIVE if live else FILE
    with Bench(lambda _: run, info=info, capacity=60) as bench:
        assert len(list(itertools.islice(bench.frames(), 60))) == 51
    assert bench.dropped("repeated") == 0


def test_a_still_scene_is_no_frozen_camera():
    with Bench(lambda _: [GOOD], settings=quick(frozen_after_s=1.0)) as bench:
        enough_s = time.monotonic() + 1.5
        looked = itertools.takewhile(lambda _: time.monotonic() < enough_s, bench.frames())
        assert {int(frame.image.planes[0][0, 0]) for frame in looked} == {1}
    assert bench.tries == 1


@pytest.mark.parametrize("step_ns", [-1_000_000_000, 3_600_000_000_000])
def test_a_camera_whose_clock_leaps_does_not_bend_the_time_line(step_ns):
    with Bench(lambda _: [SOME, Pictures(step_ns=step_ns)]) as bench:
        frames = list(itertools.islice(bench.frames(), 50))
        now_ns = time.monotonic_ns()
    assert all(b.pts > a.pts for a, b in itertools.pairwise(frames))
    for frame in frames:
        assert bench.epoch_ns < frame.captured_ns <= now_ns
        assert frame.pts <= (now_ns - bench.epoch_ns) * 9 // 100_000


def test_another_size_is_no_fault():
    with Bench(lambda _: [SOME, Pictures(size=(64, 48)), GOOD]) as bench:
        wide = next(frame for frame in bench.frames() if frame.image.width == 64)
    assert wide.session == 1
    assert bench.tries == 1


def test_lost_time_counts_from_the_first_failure():
    with Bench(lambda n: [CameraAbsent("not there") if n < 9 else CameraLost("no")]) as bench:
        wait_until(lambda: bench.health.failures >= 3)
        first = bench.health
        wait_until(lambda: bench.health.failures >= 20)
        later = bench.health
    assert first.state is later.state is State.LOST
    assert first.since_ns == later.since_ns
    assert later.cause == "lost"
    # Told once a cause and not once a try.
    assert [event.fields.get("cause") for event in bench.events] == ["absent", "lost"]


def test_what_is_too_slow_behind_loses_the_oldest():
    with Bench(lambda _: [Pictures(50), Hang()], settings=quick(frozen_after_s=30)) as bench:
        wait_until(lambda: bench.meters.value("frames_in_total") == 50)
        wait_until(lambda: bench.dropped("busy") == 48)
        frames = bench.frames()
        assert [next(frames).index, next(frames).index] == [48, 49]


@pytest.mark.parametrize(("allowed", "step"), [(25.0, 2), (10.0, 5), (50.0, 1), (80.0, 1)])
def test_the_budget_thins_out_evenly(allowed, step):
    run = Pictures(200, pause_s=0.0, interval_ns=lambda: 20_000_000)  # 50 frames per second
    bench = Bench(lambda _: [run], capacity=500, clock_ns=Clock())
    bench.budget = Budget(level=2, frames_per_s=allowed)
    with bench:
        indices = [frame.index for frame in bench.frames()]
    # After what was saved is spent, every n-th passes.
    assert {b - a for a, b in itertools.pairwise(indices[2:])} == {step}
    assert len(indices) + bench.dropped("budget") == 200


def test_paused_means_nothing_comes_and_the_camera_is_read_on():
    bench = Bench(lambda _: [GOOD])
    bench.budget = Budget(paused=True, reason="too hot")
    with bench:
        wait_until(lambda: bench.dropped("paused") > 20)
        assert len(bench.slot) == 0
        wait_until(lambda: bench.health.state is State.UP)
        bench.budget = Budget()
        assert next(bench.frames()).index >= 20


def test_a_file_comes_whole_and_ends():
    with Bench(lambda _: [Pictures(60)], info=FILE) as bench:
        frames = list(bench.frames())
        wait_until(lambda: bench.health.state is State.ENDED)
    assert [frame.index for frame in frames] == list(range(60))
    assert [frame.pts for frame in frames] == [n * 3600 for n in range(60)]
    assert bench.tries == 1
    assert not bench.dropped("busy")
    assert bench.meters.value("camera_up") == 0
    assert "camera-down" not in bench.kinds()


def test_a_file_goes_on_in_time_after_it_broke():
    with Bench(lambda n: [SOME, CameraLost("gone")] if n == 1 else [SOME], info=FILE) as bench:
        frames = list(bench.frames())
    assert [frame.pts for frame in frames] == [n * 3600 for n in range(6)]
    assert [frame.session for frame in frames] == [1, 1, 1, 2, 2, 2]


def test_a_file_that_waits_for_us_is_not_frozen():
    with Bench(lambda _: [Pictures(9)], info=FILE, settings=quick(open_within_s=0.4)) as bench:
        wait_until(lambda: len(bench.slot) == 2)
        # Longer than a camera may stay away.
        threading.Event().wait(1.0)
        assert len(list(bench.frames())) == 9
    assert bench.tries == 1


def test_a_paused_file_waits_and_loses_nothing():
    bench = Bench(lambda _: [Pictures(9)], info=FILE)
    bench.budget = Budget(paused=True, reason="too hot")
    with bench:
        wait_until(lambda: bench.meters.value("frames_in_total") == 1)
        threading.Event().wait(0.3)
        assert len(bench.slot) == 0
        bench.budget = Budget(frames_per_s=1000.0)
        assert [frame.index for frame in bench.frames()] == list(range(9))


def test_whoever_listens_cannot_end_it(caplog):
    def fails(_event):
        raise RuntimeError("no ears")

    bench = Bench(lambda n: [SOME, CameraLost("gone")] if n < 3 else [GOOD])
    bench.capture._account._on_event = fails
    with bench:
        take_from(bench, 3)
    assert "nobody was told of camera-up: RuntimeError in test_capture.py" in caplog.text


def test_settings_that_cannot_be_read_end_it_loudly():
    bench = Bench(lambda _: [GOOD])
    bench.capture._settings = lambda: 1 / 0
    with bench, pytest.raises(ZeroDivisionError):
        for _ in bench.frames():
            pass
