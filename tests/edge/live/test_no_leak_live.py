"""No watermark pixel in any output, whatever breaks while a camera runs.

The scene's faces bear a watermark, the detector knows them all, and something goes wrong: camera,
detector, tracker, redaction, memory, outputs, disk, clocks, or several at a time. Afterwards
everything that came out is searched: raw pictures, recordings, snapshots, events, log, status and
figures. And when nothing is wrong any more, frames with masks must come again.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from faceguard.edge.budget import UNLIMITED, Budget
from faceguard.edge.cameras.base import Camera
from faceguard.edge.live import connection
from faceguard.edge.live.finder import LiveFinder
from faceguard.edge.meters import Meters
from faceguard.edge.outputs import worker
from faceguard.edge.outputs.worker import Worker
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.style import Look
from faceguard.edge.types import Image, PixelFormat, SafeFrame, Shape
from faceguard.engines.closing import Closing
from faceguard.engines.errors import UsageError
from faceguard.engines.types import Detections, PixelSource
from tests.edge.live.breaking import ERRORS, SEAMS, Breaker, Clocks
from tests.edge.live.faults import (
    FINDER_FAULTS,
    CameraFault,
    FaultyCamera,
    FaultyFinder,
    FaultyOutput,
    FinderFault,
    Hanging,
    OutputFault,
    Script,
    copied,
)
from tests.edge.live.house import House, assert_none_leaks, until
from tests.edge.live.scene import SIZE, Scene, Truthful, Watermarked

T = TypeVar("T")
# Frames that a face stays, and stays away.
_STAY = 24


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Short pauses, and no thread left behind."""
    monkeypatch.setattr(connection, "_GRACE_S", 0.02)
    monkeypatch.setattr(worker, "_FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(worker, "_LONGEST_PAUSE_S", 0.05)
    before = set(threading.enumerate())
    yield
    until(lambda: set(threading.enumerate()) <= before, "threads are left")


def passing_by(index: int, face: int) -> bool:
    """Faces that come and go."""
    return (index + 17 * face) // _STAY % 2 == 0


def plan(every: int = 1, look_ahead: int = 0, **redaction: Any) -> dict[str, Any]:
    """What a configuration says of looks and covers."""
    return {
        "detector": {"every": every},
        "tracking": {"look_ahead": look_ahead},
        "redaction": redaction,
    }


def filmed(scene: Scene, script: Script[CameraFault], hanging: Hanging | None = None, **how: Any):
    """Opens a camera whose faults go on from connection to connection."""
    how = {"rate": 200, **how}
    return lambda: FaultyCamera(Watermarked(scene, **how), script, hanging)


def until_well(house: House) -> None:
    """Waits until something is seen again that happened after now."""
    house.scene.next_index()
    now = house.scene.filmed[-1]

    def shows() -> bool:
        last = house.last_frame()
        return last is not None and last.cover.whole is None and (last.number or 0) > now

    until(shows, "no frame with masks came any more")


def fill_up(place: Path) -> None:
    """Leaves not a byte on a small disk."""
    with suppress(OSError), place.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


def ends_well(house: House) -> None:
    """Waits until masks cover again, ends it, and looks at all that came out."""
    until_well(house)
    assert house.finish() == []
    assert house.assert_no_leak() > 0


# The search itself.


def test_a_detector_that_lies_is_found_out_in_raw_pictures_and_recordings(tmp_path):
    scene = Scene()
    lies = Script([FinderFault.EMPTY] * 10_000, FinderFault.NONE)
    with House(tmp_path, scene, finder=FaultyFinder(scene, lies)).start() as house:
        until(lambda: len(house.frames) > 20)
        assert house.finish() == []
    for images in ([one.image for one in house.frames], house.recorded()):
        assert len(images) > 20
        with pytest.raises(AssertionError, match="shows"):
            assert_none_leaks(images, scene)


def test_half_a_mask_is_found_out_in_snapshots(tmp_path):
    scene = Scene()
    lies = Script([FinderFault.SMALL] * 10_000, FinderFault.NONE)
    with House(tmp_path, scene, finder=FaultyFinder(scene, lies)).start() as house:
        until(lambda: len(house.frames) > 20)
        assert house.finish() == []
    assert house.snapshots()
    with pytest.raises(AssertionError, match="shows"):
        assert_none_leaks(house.snapshots(), scene)


def test_a_row_of_pixels_in_a_text_is_found_out(tmp_path):
    with House(tmp_path, Scene()).start() as house:
        until(lambda: house.frames)
        house.finish()
        house.assert_no_leak()
        # As it would be if it were not taken out.
        house.texts = lambda: ["0, 255, 0, 0, 255, 255, 0, 0, 255, 0, 255, 255, 0, 0"]  # type: ignore[method-assign]
        with pytest.raises(AssertionError):
            house.assert_no_leak()


# The detector.


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


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("change", ["connection", "size", "format"])
def test_the_first_frames_after_each_change_are_covered_whole_until_a_verdict(
    tmp_path, change, every
):
    scene = Scene()
    blind = threading.Event()

    class Shy(Truthful):
        """Fails for a while whenever it is told."""

        def detect(self, source: PixelSource) -> Detections:
            if blind.is_set():
                raise RuntimeError("not yet")
            return super().detect(source)

    opened = []

    def camera() -> Camera:
        number = len(opened)
        if number:
            blind.set()
        opened.append(number)
        size = (240, 144) if number % 2 and change == "size" else SIZE
        form = PixelFormat.NV12 if number % 2 and change == "format" else PixelFormat.I420
        script = Script(
            [*[CameraFault.NONE] * 20, *[CameraFault.LOST] * (number == 0)], CameraFault.NONE
        )
        return FaultyCamera(Watermarked(scene, size=size, form=form, rate=200), script)

    finder = Shy(scene)
    with House(tmp_path, scene, camera=camera, finder=finder, settings=plan(every, 4)).start() as h:
        until(lambda: len([one for one in h.frames if one.session == 2]) > 10)
        second = [one for one in h.frames if one.session == 2]
        assert {one.cover.whole for one in second} == {"RuntimeError"}
        blind.clear()
        ends_well(h)
    first = [one for one in h.frames if one.session == 1]
    assert first[0].cover.whole is None


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


# The camera.


def test_no_fault_of_the_camera_shows_a_face(tmp_path):
    scene, hanging = Scene(there=passing_by), Hanging()
    faults = [fault for fault in CameraFault if fault is not CameraFault.END]
    random.Random(2).shuffle(faults)
    # A few good pictures between faults, or it would hardly ever be up.
    script = Script(
        [one for fault in faults for one in (fault, *[CameraFault.NONE] * 5)], CameraFault.NONE
    )
    camera = filmed(scene, script, hanging)
    with House(tmp_path, scene, camera=camera, settings=plan(2, 3)).start() as house:
        until(lambda: script.happened.total() > 6 * len(faults))
        hanging.release()
        ends_well(house)
    assert house.rooms.health.session > 5


def test_pictures_that_change_their_size_again_and_again_show_no_face(tmp_path):
    scene = Scene(there=passing_by)
    changing = [CameraFault.NONE, CameraFault.OTHER_SIZE, CameraFault.OTHER_FORMAT] * 20
    script = Script(changing, CameraFault.NONE)
    with House(
        tmp_path, scene, camera=filmed(scene, script, rate=50), settings=plan(3, 5)
    ).start() as house:
        until(lambda: script.happened.total() > len(changing))
        ends_well(house)
    assert len({(one.image.width, one.image.format) for one in house.frames}) > 2


# Tracker, redaction, memory, and what outputs are made of.


@pytest.mark.parametrize("seam", SEAMS)
def test_whatever_part_fails_shows_no_face(tmp_path, monkeypatch, seam):
    scene = Scene(there=passing_by)
    error = ERRORS["disk" if seam == "write segment" else "runtime"]
    breaker = Breaker(monkeypatch, seam, {2, 3, 7, 12, 13, 14, 20}, error)
    lost = [*[CameraFault.NONE] * 12, CameraFault.LOST] * 2
    # So that there are slates too, and a new pool now and then.
    changing = [*lost, *[CameraFault.NONE, CameraFault.OTHER_SIZE] * 12]
    camera = filmed(scene, Script(changing, CameraFault.NONE))
    with House(tmp_path, scene, camera=camera, settings=plan(2, 3)).start() as house:
        house.budget = Budget(paused=seam == "slate", reason="a test")
        until(lambda: breaker.broken > 1)
        house.budget = UNLIMITED
        ends_well(house)


def test_a_picture_that_is_covered_by_half_does_not_get_out(tmp_path, monkeypatch):
    """The second of two faces cannot be covered: the frame goes out covered whole."""
    scene = Scene()
    breaker = Breaker(monkeypatch, "cover one mask", range(2, 200, 2), ERRORS["value"])
    with House(tmp_path, scene).start() as house:
        until(lambda: breaker.is_over)
        ends_well(house)
    assert breaker.broken == 99
    assert house.meters.value("frames_whole_total", cause="redaction failed") >= 95


def test_a_frame_that_not_even_can_be_covered_whole_goes_nowhere(tmp_path, monkeypatch):
    scene = Scene()
    Breaker(monkeypatch, "copy", range(1, 30), ERRORS["memory"])
    breaker = Breaker(monkeypatch, "take memory", range(1, 30), ERRORS["memory"])
    with House(tmp_path, scene).start() as house:
        until(lambda: breaker.is_over)
        ends_well(house)
    assert house.dropped("redaction failed") >= 20


def test_without_memory_for_a_pool_frames_still_come_covered(tmp_path, monkeypatch):
    scene = Scene()
    breaker = Breaker(monkeypatch, "make pool", range(1, 20), ERRORS["memory"])
    with House(tmp_path, scene).start() as house:
        until(lambda: breaker.is_over)
        ends_well(house)
    assert house.dropped("failed") == 19


@pytest.mark.parametrize("copies", [1, 2])
def test_too_little_memory_drops_frames_and_never_shows_one_under_anothers_eyes(tmp_path, copies):
    """An output holds frames for long: they stay as they were, while others pass."""
    scene = Scene()

    class Holder(Worker[SafeFrame]):
        def __init__(self, meters: Meters, quiet: Quiet) -> None:
            super().__init__("holder", meters, quiet)
            self.wanted = copies
            self.held: list[tuple[SafeFrame, Image]] = []
            self.taken: list[Image] = []

        def take(self, thing: SafeFrame) -> None:
            self.taken.append(copied(thing.image))
            if len(self.held) < self.wanted:
                self.held.append((thing, self.taken[-1]))

    holders: list[Holder] = []

    def more(meters: Meters, quiet: Quiet) -> Iterable[Holder]:
        holders.append(Holder(meters, quiet))
        return holders

    with House(tmp_path, scene, more=more, copies=copies, outputs=["events"]).start() as house:
        holder = holders[0]
        until(lambda: house.dropped("pool") > 50)
        assert len(holder.held) == copies
        assert all(_is_same(safe.image, then) for safe, then in holder.held)
        holder.wanted = 0
        holder.held.clear()
        ends_well(house)


# Outputs, disk, clocks, words.


@pytest.mark.parametrize("fault", [one for one in OutputFault if one is not OutputFault.NONE])
def test_an_output_that_fails_takes_no_other_with_it(tmp_path, fault):
    scene, hanging = Scene(there=passing_by), Hanging()

    def more(meters: Meters, quiet: Quiet) -> Iterable[Worker[SafeFrame]]:
        broken = [OutputFault.NONE, fault, fault] * 10
        how = {"taking": broken, "ticking": [fault], "opening": [fault], "shutting": [fault]}
        return [FaultyOutput(meters, quiet, hanging=hanging, **how)]

    with House(tmp_path, scene, more=more).start() as house:
        until(lambda: house.more[0].happened[fault] > 1 or hanging.entered.is_set())
        before = len(house.frames)
        until(lambda: len(house.frames) > before + 30)
        hanging.release()
        ends_well(house)
    assert len(house.recorded()) > 30


def test_a_disk_that_fills_up_shows_no_face_and_stops_no_other_output(small_disk, tmp_path):
    scene = Scene(there=passing_by)
    parts = {"recordings": {"folder": str(small_disk / "v"), "free_mb": 0, "segment_s": 1}}
    parts["snapshots"] = {"folder": str(small_disk / "s"), "least_s": 0}
    parts["events"] = {"path": str(tmp_path / "events.jsonl")}
    how = {"outputs": parts, "encoder": {"crf": 0}}
    filler = small_disk / "filler"
    with House(tmp_path, scene, settings=how).start() as house:
        until(lambda: house.meters.value("recorded_bytes_total") > 0)
        fill_up(filler)
        until(lambda: house.meters.value("recording_paused") == 1)
        before = len(house.frames)
        until(lambda: len(house.frames) > before + 30)
        filler.unlink()
        (tmp_path / "recordings").symlink_to(small_disk / "v")
        (tmp_path / "snapshots").symlink_to(small_disk / "s")
        ends_well(house)
    assert "recording-paused" in [event.kind for event in house.events]


def test_clocks_that_leap_show_no_face_and_stop_nothing(tmp_path, monkeypatch):
    scene, clocks = Scene(there=passing_by), Clocks(monkeypatch)
    script = Script([*[CameraFault.NONE] * 30, CameraFault.LOST] * 4, CameraFault.NONE)
    with House(tmp_path, scene, camera=filmed(scene, script), settings=plan(2, 3)).start() as house:
        house.wall_s = clocks.wall_s
        for ahead_s, wall_s in ((0, -86400), (3600, 0), (3600, 10**9), (7200, -(10**9)), (7200, 0)):
            clocks.ahead_ns, clocks.wall_ahead_s = ahead_s * 10**9, wall_s
            before = len(house.kept)
            until(lambda before=before: len(house.kept) > before + 25)
        ends_well(house)
    times = [one.pts for one in house.kept]
    assert times == sorted(set(times))


def test_a_picture_in_the_words_of_an_error_does_not_get_into_the_log(tmp_path):
    scene = Scene()

    class Talkative(Truthful):
        def detect(self, source: PixelSource) -> Detections:
            found = super().detect(source)
            if self.looks < 10:
                face = scene.faces(self.seen[-1])[0]
                raise ValueError(f"cannot take {source.sample_bgr(face, 12, 12)[..., 1]}")
            return found

    with House(tmp_path, scene, finder=Talkative(scene)).start() as house:
        ends_well(house)
    assert any("cannot take" in text for text in house.texts())


def test_a_configuration_that_is_refused_changes_nothing(tmp_path):
    scene = Scene(there=passing_by)
    with House(tmp_path, scene, settings=plan(2, 3)).start() as house:
        until(lambda: house.frames)
        for _ in range(5):
            with pytest.raises(UsageError):
                house.change(detector={"every": "never"})
            house.change(**plan(2, 3, style="blur"))
        ends_well(house)


# Everything at once.

CAMERA_FAULTS = tuple(fault for fault in CameraFault if fault is not CameraFault.END)
OUTPUT_FAULTS = tuple(fault for fault in OutputFault if fault is not OutputFault.NONE)
# What can break on purpose, and with what.
BREAKS = st.tuples(
    st.sampled_from(sorted(SEAMS)),
    st.sets(st.integers(1, 40), min_size=1, max_size=6),
    st.sampled_from(sorted(ERRORS)),
)
BUDGETS = st.sampled_from(
    [
        UNLIMITED,
        Budget(level=1, frames_per_s=10, reason="warm"),
        Budget(level=2, detect_every=4, reason="hot"),
        Budget(level=4, paused=True, reason="too hot"),
    ]
)
PLANS = st.builds(
    plan,
    st.integers(1, 4),
    st.integers(0, 6),
    style=st.sampled_from([look.value for look in Look]),
    shape=st.sampled_from([shape.value for shape in Shape]),
)
CLOCKS = st.tuples(st.integers(0, 3600), st.integers(-(10**6), 10**6))
STEPS = st.lists(st.one_of(BUDGETS, PLANS, CLOCKS), max_size=4)


def spread(faults: tuple[T, ...], well: T, most: int) -> st.SearchStrategy[list[T]]:
    """Faults with stretches between them in which all is well."""
    one = st.tuples(st.integers(0, 12), st.sampled_from(faults))
    return st.lists(one, max_size=most).map(
        lambda parts: [each for calm, fault in parts for each in (*[well] * calm, fault)]
    )


@given(
    camera_faults=spread(CAMERA_FAULTS, CameraFault.NONE, 5),
    finder_faults=spread(FINDER_FAULTS, FinderFault.NONE, 6),
    output_faults=spread(OUTPUT_FAULTS, OutputFault.NONE, 4),
    breaks=st.lists(BREAKS, max_size=3, unique_by=lambda one: one[0]),
    steps=STEPS,
    first=PLANS,
    rate=st.sampled_from([60, 200, 1000]),
    form=st.sampled_from([PixelFormat.I420, PixelFormat.NV12, PixelFormat.GRAY]),
    copies=st.sampled_from([None, None, 2, 5]),
)
@settings(
    max_examples=12,
    deadline=None,
    # Runs that depend on threads do not shrink well, and each takes its time.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_no_sequence_of_faults_shows_a_face(
    camera_faults, finder_faults, output_faults, breaks, steps, first, rate, form, copies
):
    scene, hanging = Scene(there=passing_by), Hanging()
    camera_script = Script(camera_faults, CameraFault.NONE)
    finder_script = Script(finder_faults, FinderFault.NONE)

    def more(meters: Meters, quiet: Quiet) -> Iterable[Worker[SafeFrame]]:
        return [FaultyOutput(meters, quiet, taking=output_faults, hanging=hanging)]

    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        clocks = Clocks(patch)
        for seam, calls, error in breaks:
            Breaker(patch, seam, calls, ERRORS[error])
        house = House(
            Path(folder),
            scene,
            camera=filmed(scene, camera_script, hanging, rate=rate, form=form),
            finder=FaultyFinder(scene, finder_script, hanging),
            more=more,
            copies=copies,
            settings={**first, "detector": {**first["detector"], "timeout_ms": 100}},
        )
        house.wall_s = clocks.wall_s
        with house.start():
            try:
                for step in steps:
                    _more(house, 15)
                    _do(house, clocks, step)
                _more(house, 40)
            finally:
                hanging.release()
            house.budget = UNLIMITED
            until(lambda: camera_script.happened.total() > len(camera_faults))
            until(lambda: finder_script.happened.total() > len(finder_faults))
            ends_well(house)


def _more(house: House, frames: int) -> None:
    """Waits until so many more were filmed, unless something hangs."""
    filmed, end_s = house.scene.filmed, time.monotonic() + 1
    last, pause = filmed[-1] if filmed else 0, threading.Event()
    while (not filmed or filmed[-1] < last + frames) and time.monotonic() < end_s:
        pause.wait(0.003)


def _do(house: House, clocks: Clocks, step: Any) -> None:
    if isinstance(step, Budget):
        house.budget = step
    elif isinstance(step, dict):
        house.change(**step)
    else:
        ahead_s, clocks.wall_ahead_s = step
        clocks.ahead_ns += ahead_s * 10**9


def _is_same(one: Image, other: Image) -> bool:
    return all(map(np.array_equal, one.planes, other.planes))


def _file(scene: Scene, frames: int) -> Callable[[], Camera]:
    """Opens a camera that waits, so that each of its frames is processed."""
    return lambda: Watermarked(scene, frames=frames, paced=False, live=False, rate=50)
