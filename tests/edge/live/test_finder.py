"""A detector that fails is opened anew; until it is there nobody gets an answer."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from faceguard.edge.live import finder as module
from faceguard.edge.live.finder import LiveFinder
from faceguard.edge.meters import Meters
from faceguard.edge.sampling import ImageSampler
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.types import Image, PixelFormat
from faceguard.edge.verdict import NOT_READY, Blind, Judge, NotReady
from faceguard.engines.errors import InferenceError, ModelMissing
from faceguard.engines.types import Detections
from tests.edge.faces import detections

PICTURE = ImageSampler(Image(PixelFormat.GRAY, 64, 48, (np.zeros((48, 64), np.uint8),)))
SEEN = detections((1, 1, 9, 9))


class Engine:
    """A detector that answers, or fails for ever after the first failure, as a lost GPU does."""

    def __init__(self, score: float, fail_at: int | None = None) -> None:
        self.score = score
        self.fail_at = fail_at
        self.asked = 0
        self.closed = False

    def detect(self, source: object) -> Detections:
        self.asked += 1
        if self.fail_at is not None and self.asked >= self.fail_at:
            raise InferenceError("the context is lost")
        return SEEN

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(module, "_LONGEST_PAUSE_S", 0.0)


def soon(condition: Callable[[], bool]) -> None:
    limit = threading.Event()
    for _ in range(1000):
        if condition():
            return
        limit.wait(0.01)
    raise AssertionError("did not come about")


def test_until_it_is_open_it_says_that_it_is_not_ready():
    gate = threading.Event()

    def opened(keep: float) -> Engine:
        gate.wait(10)
        return Engine(keep)

    with LiveFinder(opened, 0.3, Meters(), Quiet()) as finder:
        with pytest.raises(NotReady):
            finder.detect(PICTURE)
        assert Judge(finder).look(PICTURE.image) == Blind(NOT_READY)
        gate.set()
        soon(lambda: finder.ready)
        assert finder.detect(PICTURE) is SEEN


def test_one_that_failed_is_closed_and_another_opened():
    engines: list[Engine] = []
    meters = Meters()

    def opened(keep: float) -> Engine:
        engines.append(Engine(keep, fail_at=3 if not engines else None))
        return engines[-1]

    with LiveFinder(opened, 0.3, meters, Quiet()) as finder:
        soon(lambda: finder.ready)
        finder.detect(PICTURE)
        finder.detect(PICTURE)
        with pytest.raises(InferenceError, match="lost"):
            finder.detect(PICTURE)
        assert engines[0].closed
        soon(lambda: finder.ready)
        assert finder.detect(PICTURE) is SEEN
    assert len(engines) == 2
    assert engines[1].closed
    assert meters.value("detector_reopened_total") == 1


def test_opening_is_tried_until_it_works_and_said_once(caplog):
    tries: list[float] = []

    def opened(keep: float) -> Engine:
        tries.append(keep)
        if len(tries) < 5:
            raise ModelMissing("yunet: not on this machine; run: faceguard models pull yunet")
        return Engine(keep)

    with LiveFinder(opened, 0.25, Meters(), Quiet()) as finder:
        soon(lambda: finder.ready)
    assert tries == [0.25] * 5
    assert len([r for r in caplog.records if "models pull" in r.getMessage()]) == 1


def test_a_new_score_holds_now_and_after_reopening():
    engines: list[Engine] = []

    def opened(keep: float) -> Engine:
        engines.append(Engine(keep, fail_at=1))
        return engines[-1]

    with LiveFinder(opened, 0.3, Meters(), Quiet()) as finder:
        soon(lambda: finder.ready)
        finder.tune(0.2)
        assert engines[0].score == 0.2
        with pytest.raises(InferenceError):
            finder.detect(PICTURE)
        soon(lambda: finder.ready)
        assert engines[1].score == 0.2


def test_it_ends_while_it_cannot_be_opened():
    def opened(keep: float) -> Engine:
        raise RuntimeError("never")

    finder = LiveFinder(opened, 0.3, Meters(), Quiet())
    finder.close()
    soon(lambda: not any(t.name == "open detector" for t in threading.enumerate()))


def test_a_score_that_changes_while_it_is_opened_holds():
    gate = threading.Event()
    engines: list[Engine] = []

    def opened(keep: float) -> Engine:
        engines.append(Engine(keep))
        gate.wait(10)
        return engines[-1]

    with LiveFinder(opened, 0.4, Meters(), Quiet()) as finder:
        soon(lambda: bool(engines))
        finder.tune(0.2)
        gate.set()
        assert finder.wait(10)
        assert engines[0].score == 0.2


def test_one_that_hangs_in_closing_is_left_behind():
    gate = threading.Event()

    class Stuck(Engine):
        def close(self) -> None:
            gate.wait(30)

    finder = LiveFinder(Stuck, 0.4, Meters(), Quiet())
    assert finder.wait(10)
    finder.close()
    assert finder.hangs
    gate.set()
    soon(lambda: not any(t.name == "close" for t in threading.enumerate()))


def test_one_that_closes_leaves_nothing():
    finder = LiveFinder(Engine, 0.4, Meters(), Quiet())
    assert finder.wait(10)
    finder.close()
    assert not finder.hangs
