"""No leak, whatever the detector does, not ready or failing, and however seldom it looks."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import pytest

from faceguard.edge.budget import Budget
from faceguard.edge.cameras.base import Camera
from faceguard.edge.live.finder import LiveFinder
from faceguard.edge.meters import Meters
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.style import Look
from faceguard.edge.types import Shape
from faceguard.engines.closing import Closing
from faceguard.engines.types import Detections, PixelSource
from tests.edge.live.faults import FINDER_FAULTS, FaultyFinder, FinderFault, Hanging, Script
from tests.edge.live.house import House, until
from tests.edge.live.no_leak import ends_well, passing_by, plan
from tests.edge.live.scene import Scene, Truthful, Watermarked

pytestmark = pytest.mark.usefixtures("hasty")


def test_nothing_is_shown_before_the_detector_has_spoken(tmp_path):
    scene, ready = Scene(), threading.Event()

    class Opened(Closing):
        """As detectors are: `score` is what it need not tell of faces below."""

        def __init__(self, score: float) -> None:
            self.score = score
            self.truth = Truthful(scene)

        def detect(self, source: PixelSource) -> Detections:
            return self.truth.detect(source)

        def close(self) -> None:
            pass

    def open_slowly(keep: float) -> Opened:
        ready.wait(20)
        return Opened(keep)

    meters = Meters()
    with (
        LiveFinder(open_slowly, 0.3, meters, Quiet(meters)) as finder,  # type: ignore[arg-type]
        House(tmp_path, scene, finder=finder, settings=plan(2, 3)).start() as house,
    ):
        until(lambda: len(house.frames) > 10)
        assert {one.cover.whole for one in house.frames} == {"detector not ready"}
        ready.set()
        ends_well(house)


def test_no_fault_of_the_detector_shows_a_face(tmp_path):
    scene = Scene(there=passing_by)
    costly = {FinderFault.HANG, FinderFault.MANY}
    faults = [fault for fault in FINDER_FAULTS if fault not in costly] * 3
    random.Random(1).shuffle(faults)
    faults.append(FinderFault.MANY)
    script = Script(faults, FinderFault.NONE)
    finder = FaultyFinder(scene, script)
    with House(tmp_path, scene, finder=finder, settings=plan(2, 3)).start() as house:
        until(lambda: script.happened.total() > len(faults))
        ends_well(house)
    causes = {one.cover.whole for one in house.frames}
    assert {"not finite", "absurd", "InferenceError", "MemoryError"} <= causes


def test_a_detector_that_hangs_covers_frames_whole_and_holds_nothing_up(tmp_path):
    scene, hanging = Scene(there=passing_by), Hanging()
    script = Script([*[FinderFault.NONE] * 10, FinderFault.HANG], FinderFault.NONE)
    finder = FaultyFinder(scene, script, hanging)
    how = {"detector": {"every": 1, "timeout_ms": 40}}
    with House(tmp_path, scene, finder=finder, settings=how).start() as house:
        until(hanging.entered.is_set)
        before = len(house.frames)
        until(lambda: len(house.frames) > before + 30)
        assert house.frames[-1].cover.whole == "time-out"
        hanging.release()
        ends_well(house)


def test_a_face_that_comes_between_two_looks_is_covered_from_its_first_frame(tmp_path):
    scene = Scene(there=passing_by)
    with House(tmp_path, scene, camera=_file(scene, 200), wait=True, settings=plan(4, 3)) as house:
        house.start()
        until(house.ended.is_set)
        assert house.finish() == []
    assert [one.cover.whole for one in house.frames] == [None] * 200
    assert house.assert_no_leak() > 100


@pytest.mark.parametrize("frames", range(1, 9))
def test_a_face_that_comes_after_the_last_look_is_covered_too(tmp_path, frames):
    """The camera is lost before the next look would have been."""
    scene = Scene(there=lambda index, _face: index >= frames - 1)
    with House(tmp_path, scene, camera=_file(scene, frames), settings=plan(4, 3)).start() as house:
        until(house.ended.is_set)
        assert house.finish() == []
    assert [one.cover.whole for one in house.frames] == [None] * frames
    assert house.assert_no_leak() > 0


@pytest.mark.parametrize("look_ahead", [0, 1, 5])
def test_a_budget_with_fewer_looks_shows_no_face(tmp_path, look_ahead):
    scene = Scene(there=passing_by)
    camera = _file(scene, 150)
    with House(tmp_path, scene, camera=camera, settings=plan(1, look_ahead)) as house:
        house.budget = Budget(level=3, detect_every=4, reason="hot")
        house.start()
        until(house.ended.is_set)
        assert house.finish() == []
    assert [one.cover.whole for one in house.frames] == [None] * 150
    assert house.assert_no_leak() > 50
    looks = house.meters.value("looks_total")
    assert looks <= 150 / min(4, look_ahead + 1) + 2


def test_a_plan_that_changes_between_two_looks_shows_no_face(tmp_path):
    scene = Scene(there=passing_by)
    camera = _file(scene, 400)
    with House(tmp_path, scene, camera=camera, wait=True, settings=plan(5, 4)).start() as house:
        changes = 0
        while not house.ended.is_set():
            every, look_ahead = ((1, 0), (5, 4), (2, 1), (3, 6))[changes % 4]
            look = list(Look)[changes % len(Look)]
            shape = list(Shape)[changes % 2]
            house.change(**plan(every, look_ahead, style=look.value, shape=shape.value))
            changes += 1
        assert house.finish() == []
    assert changes > 10
    assert [one.cover.whole for one in house.frames] == [None] * 400
    assert house.assert_no_leak() > 200


def _file(scene: Scene, frames: int) -> Callable[[], Camera]:
    """Opens a camera that waits, so that each of its frames is processed."""
    return lambda: Watermarked(scene, frames=frames, paced=False, live=False, rate=50)
