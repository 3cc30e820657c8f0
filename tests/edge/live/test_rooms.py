"""The three rooms together: they begin, end in time whatever hangs, and leave nothing behind."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterable, Iterator

import pytest

from faceguard.edge.live import connection
from faceguard.edge.live.health import State
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.worker import Worker
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.types import SafeFrame
from faceguard.engines.types import Detections, PixelSource
from tests.edge.live.camera_faults import CameraFault, FaultyCamera
from tests.edge.live.faults import FaultyFinder, FinderFault, Hanging, Script
from tests.edge.live.house import House, until
from tests.edge.live.output_faults import FaultyOutput, OutputFault
from tests.edge.live.scene import Scene, Truthful, Watermarked
from tests.edge.outputs.waiting import open_files

# What there is to end, and what is allowed on a machine that is busy with other things.
LIMIT_S = 1.8
GENEROUS_S = 6.0


@pytest.fixture(autouse=True)
def _nothing_left(monkeypatch) -> Iterator[None]:
    monkeypatch.setattr(connection, "_GRACE_S", 0.02)
    before, files = set(threading.enumerate()), open_files()
    yield
    until(lambda: set(threading.enumerate()) <= before, "threads are left")

    def is_closed() -> bool:
        gc.collect()
        return open_files() <= files

    until(is_closed, "files are left open")


def file(scene: Scene, frames: int):
    return lambda: Watermarked(scene, frames=frames, paced=False, live=False, rate=25)


@pytest.mark.parametrize(("every", "look_ahead"), [(1, 0), (2, 5), (4, 30)])
def test_nothing_of_a_file_is_lost(tmp_path, every, look_ahead):
    scene = Scene()
    settings = {"detector": {"every": every}, "tracking": {"look_ahead": look_ahead}}
    with House(tmp_path, scene, camera=file(scene, 75), wait=True, settings=settings) as house:
        house.start()
        until(house.ended.is_set)
        assert house.rooms.ended
        assert house.finish() == []
    assert [one.index for one in house.frames] == list(range(75))
    assert [one.cover.whole for one in house.frames] == [None] * 75
    assert [one.pts for one in house.frames] == [n * 3600 for n in range(75)]
    assert len(house.recorded()) == len(house.kept) == 75
    assert house.beats == 75
    assert house.rooms.health.state is State.ENDED
    assert house.assert_no_leak() > 30


def test_a_stop_lets_out_what_was_taken_in(tmp_path):
    scene = Scene()
    with House(tmp_path, scene, settings={"tracking": {"look_ahead": 20}}).start() as house:
        until(lambda: len(house.frames) > 5)
        assert house.finish() == []
        newest = house.frames[-1].index
    assert house.meters.value("frames_out_total") == len(house.frames)
    lost = sum(house.dropped(cause) for cause in ("busy", "closing"))
    assert newest + 1 == house.meters.value("frames_in_total") - house.dropped("closing")
    assert len(house.frames) + lost == house.meters.value("frames_in_total")
    # All that waited comes at once, and there is room for it; a busy machine may still fall behind.
    late = house.meters.value("output_dropped_total", output="encoder")
    assert len(house.recorded()) + late == len(house.kept)


def test_rooms_that_were_never_started_end_at_once(tmp_path):
    with House(tmp_path, Scene()) as house:
        begun_s = time.monotonic()
        assert house.rooms.finish(begun_s + LIMIT_S) == []
    assert time.monotonic() - begun_s < GENEROUS_S


def stops_in_time(house: House, hangs: set[str]) -> None:
    """Ends a house as the daemon does."""
    begun_s = time.monotonic()
    until_s = begun_s + LIMIT_S
    left = house.rooms.finish(until_s) + house.outputs.finish(until_s)
    assert set(left) <= hangs, left
    assert time.monotonic() - begun_s < GENEROUS_S


@pytest.mark.parametrize("fault", [CameraFault.HANG, CameraFault.HANG_HARD])
def test_a_hanging_camera_holds_up_no_stop(tmp_path, fault):
    scene, hanging = Scene(), Hanging()
    script = Script([*[CameraFault.NONE] * 10, fault], CameraFault.NONE)
    settings = {"supervision": {"frozen_after_s": 60}}
    with House(
        tmp_path,
        scene,
        camera=lambda: FaultyCamera(Watermarked(scene, rate=100), script, hanging),
        settings=settings,
    ).start() as house:
        until(hanging.entered.is_set)
        # A busy machine may miss some.
        until(lambda: len(house.frames) + house.dropped("busy") == 10)
        stops_in_time(house, set())
        assert len(house.recorded()) == len(house.kept)
        hanging.release()


def test_a_hanging_detector_holds_up_no_stop(tmp_path):
    """Though it may take a minute for an answer."""
    scene, hanging = Scene(), Hanging()
    script = Script([*[FinderFault.NONE] * 10, FinderFault.HANG], FinderFault.NONE)
    finder = FaultyFinder(scene, script, hanging)
    settings = {"detector": {"timeout_ms": 60_000}}
    with House(tmp_path, scene, finder=finder, settings=settings).start() as house:
        until(hanging.entered.is_set)
        stops_in_time(house, {"process"})
        assert len(house.frames) == 10
        assert len(house.recorded()) == len(house.kept)
        hanging.release()
    house.assert_no_leak()


@pytest.mark.parametrize("wait", [False, True])
def test_a_hanging_output_holds_up_no_stop_and_no_other_output(tmp_path, wait):
    scene, hanging = Scene(), Hanging()

    def more(meters: Meters, quiet: Quiet) -> Iterable[Worker[SafeFrame]]:
        taking = [*[OutputFault.NONE] * 10, OutputFault.HANG]
        return [FaultyOutput(meters, quiet, taking=taking, hanging=hanging, wait=wait)]

    with House(tmp_path, scene, more=more).start() as house:
        until(hanging.entered.is_set)
        if not wait:
            before = len(house.frames)
            until(lambda: len(house.frames) > before + 20)
        stops_in_time(house, {"faulty", "deliver"} if wait else {"faulty"})
        assert len(house.recorded()) == len(house.kept) > 10
        hanging.release()
    house.assert_no_leak()


def test_everything_may_hang_at_once(tmp_path):
    scene, hanging = Scene(), Hanging()
    camera_script = Script([CameraFault.NONE] * 30 + [CameraFault.HANG_HARD], CameraFault.NONE)
    finder = FaultyFinder(
        scene, Script([FinderFault.NONE] * 20 + [FinderFault.HANG], FinderFault.NONE), hanging
    )

    def more(meters: Meters, quiet: Quiet) -> Iterable[Worker[SafeFrame]]:
        taking = [*[OutputFault.NONE] * 5, OutputFault.HANG]
        return [FaultyOutput(meters, quiet, taking=taking, hanging=hanging)]

    with House(
        tmp_path,
        scene,
        camera=lambda: FaultyCamera(Watermarked(scene, rate=50), camera_script, hanging),
        finder=finder,
        more=more,
        settings={"detector": {"timeout_ms": 60_000}},
    ).start() as house:
        until(lambda: camera_script.happened[CameraFault.HANG_HARD])
        stops_in_time(house, {"process", "faulty"})
        hanging.release()
    house.assert_no_leak()


def test_a_reload_changes_how_long_a_look_may_take(tmp_path):
    scene, slow = Scene(), threading.Event()

    class Slow(Truthful):
        def detect(self, source: PixelSource) -> Detections:
            slow.wait(0.2)
            return super().detect(source)

    with House(tmp_path, scene, finder=Slow(scene)).start() as house:
        until(lambda: house.frames)
        assert house.frames[0].cover.whole is None
        house.change(detector={"timeout_ms": 20})
        until(lambda: house.frames[-1].cover.whole == "time-out")
        house.change(detector={"timeout_ms": 5000})
        until(lambda: house.frames[-1].cover.whole is None)
        slow.set()
        assert house.finish() == []


def test_a_camera_that_comes_and_goes_leaves_nothing_behind(tmp_path):
    """Threads and files are looked at by the fixture; here it is the memory of pictures."""
    scene = Scene()
    script = Script([*[CameraFault.NONE] * 5, CameraFault.LOST] * 10, CameraFault.NONE)
    with House(
        tmp_path,
        scene,
        camera=lambda: FaultyCamera(Watermarked(scene, rate=200), script),
        # It goes when it is told to, and not when the machine halts for a moment.
        settings={"supervision": {"frozen_after_s": 30}},
    ).start() as house:
        until(lambda: script.happened.total() > 70)
        assert house.finish() == []
        pool = house.rooms._process._pool
        assert pool is not None
        gc.collect()
        assert pool.free == pool.count == house.outputs.copies
    assert house.rooms.health.session == 11
    assert house.meters.value("camera_reconnects_total") == 10
