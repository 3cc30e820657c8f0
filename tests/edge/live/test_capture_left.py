"""What cameras leave behind by themselves counts like the readers that the supervisor leaves."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest

from faceguard.edge.cameras.timely import left_behind, within
from faceguard.edge.live.capture import MOST_LEFT_BEHIND
from faceguard.edge.live.health import State
from faceguard.engines.errors import CameraSilent
from tests.edge.live.shaky_camera import (
    PATIENCE_S,
    Bench,
    Hang,
    Pictures,
    ShakyCamera,
    quick,
    wait_until,
)

GOOD = Pictures()
SOME = Pictures(3)


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    before = set(threading.enumerate())
    assert left_behind() == 0
    yield
    wait_until(lambda: set(threading.enumerate()) <= before, "threads are left")
    assert left_behind() == 0


class Argus:
    """A daemon behind a camera, that hangs: each opening leaves a thread in it behind."""

    def __init__(self) -> None:
        self.works_again = threading.Event()
        self.openings = 0

    def open(self) -> None:
        self.openings += 1
        try:
            within(0.01, "open camera", lambda: self.works_again.wait(PATIENCE_S))
        except TimeoutError:
            raise CameraSilent("it does not answer") from None


def hanging() -> int:
    return sum(thread.name == "open camera" for thread in threading.enumerate())


def test_openings_that_leave_threads_behind_come_to_an_end():
    argus = Argus()
    bench = Bench(lambda _: [GOOD], settings=quick(open_within_s=30))

    def opening() -> ShakyCamera:
        argus.open()
        return bench._open()

    bench.capture._open_camera = opening
    with bench:
        # Far more tries than that there would be in this time.
        wait_until(lambda: bench.capture.stuck_s > 0.5)
        assert argus.openings == hanging() == left_behind() == MOST_LEFT_BEHIND
        assert bench.failures("silent") == MOST_LEFT_BEHIND
        assert bench.health.state is State.LOST
        argus.works_again.set()
        assert len(list(itertools.islice(bench.frames(), 20))) == 20
        assert bench.capture.stuck_s == 0
    assert argus.openings == MOST_LEFT_BEHIND + 1


def test_readers_and_what_cameras_left_count_together():
    hang, argus = Hang(stubborn=True), Argus()
    bench = Bench(lambda _: [SOME, hang], settings=quick(open_within_s=30))

    def opening() -> ShakyCamera:
        if bench.tries:
            argus.open()
        return bench._open()

    bench.capture._open_camera = opening
    with bench:
        wait_until(lambda: bench.capture.stuck_s > 0.3)
        assert argus.openings == MOST_LEFT_BEHIND - 1
        assert bench.failures("frozen") == 1
        hang.over.set()
        wait_until(lambda: argus.openings == MOST_LEFT_BEHIND)
        wait_until(lambda: bench.capture.stuck_s > 0)
        bench.capture.close(0.4)
        argus.works_again.set()


def test_stuck_can_be_closed():
    argus = Argus()
    bench = Bench(lambda _: [GOOD], settings=quick(open_within_s=30))
    bench.capture._open_camera = argus.open
    with bench:
        wait_until(lambda: bench.capture.stuck_s > 0)
        bench.capture.close(5)
        assert bench.health.state is State.ENDED
        argus.works_again.set()
