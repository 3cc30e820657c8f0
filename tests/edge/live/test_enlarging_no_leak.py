"""A whole camera that enlarges: one size whatever happens, and no face however it breaks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from faceguard.edge.budget import UNLIMITED, Budget
from faceguard.edge.config.upscale import StreamUpscale
from faceguard.edge.live import enlarging, pace
from faceguard.edge.live import sharpener as module
from faceguard.edge.live.upscaling import Use, open_model
from faceguard.edge.live.zoom import Zoom, enlarged_plainly
from faceguard.edge.types import Image, PixelFormat
from faceguard.engines.errors import InferenceError, NoRoom
from tests.edge.live.camera_faults import CameraFault
from tests.edge.live.faults import Script
from tests.edge.live.house import House, assert_none_leaks, until
from tests.edge.live.marks import find_watermarks
from tests.edge.live.no_leak import filmed, passing_by, plan
from tests.edge.live.scene import SIZE, Scene, number_of
from tests.edge.live.sharp import Marking, is_sharp, shrunk

LARGE = (2 * SIZE[0], 2 * SIZE[1])
UPSCALE = {"upscale": {"stream": {"model": "espcn-x2"}, "snapshots": {"model": "fsrcnn-x3"}}}


@pytest.fixture(autouse=True)
def soon_again(monkeypatch: pytest.MonkeyPatch, hasty: None) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(module, "_LONGEST_PAUSE_S", 0.05)
    monkeypatch.setattr(pace, "_FIRST_REST_NS", 20_000_000)
    monkeypatch.setattr(pace, "_LONGEST_REST_NS", 50_000_000)


class Both:
    """Opens a model for each use."""

    def __init__(self) -> None:
        self.stream, self.snapshots = Marking(), Marking()

    def open(self, use: Use) -> Marking:
        return (self.stream if isinstance(use, StreamUpscale) else self.snapshots).open()


def sizes(images: Iterable[Image]) -> set[tuple[int, int]]:
    return {(image.width, image.height) for image in images}


def assert_nothing_leaked(house: House, *models: Marking) -> int:
    """Looks at all that came out, at the size that was filmed, and at all that models were shown.

    Returns:
        How many pictures showed a number, and were thus not covered whole.
    """
    scene = house.scene
    house.assert_no_pixels_in_text()
    shown = assert_none_leaks((shrunk(one.image, 2) for one in house.frames), scene)
    assert_none_leaks((shrunk(image, 2) for image in house.recorded()), scene)
    for image in house.snapshots():
        assert_none_leaks([shrunk(image, 3)], scene)
    for model in models:
        for luma in model.seen:
            size = (luma.shape[1], luma.shape[0])
            assert_none_leaks([Image(PixelFormat.GRAY, *size, (luma,))], scene)
    return shown


def test_the_search_finds_a_bare_face_that_was_enlarged() -> None:
    scene = Scene()
    bare = scene.image(5)
    for scale in (2, 3):
        large = enlarged_plainly(bare, Zoom(scale).view(*SIZE))
        assert find_watermarks(shrunk(large, scale), scene, [5])


def test_video_is_twice_as_large_and_snapshots_three_times(tmp_path: Path) -> None:
    scene, both = Scene(there=passing_by), Both()
    with House(tmp_path, scene, sharpen_with=both.open, settings=UPSCALE).start() as house:
        until(lambda: len(house.frames) > 60 and len(house.snapshots()) > 1)
        until(lambda: sum(is_sharp(one.image) for one in house.frames) > 10)
        until(lambda: how_many(house, "snapshots", "sharp") > 0)
        until_large(house)
        assert house.finish() == []
    frames = house.frames
    assert sizes(one.image for one in frames) == {LARGE}
    assert [one.pts for one in frames] == sorted({one.pts for one in frames})
    assert [one.index for one in frames] == sorted({one.index for one in frames})
    # What is told of faces is in the camera's pixels.
    boxes = [e.fields["box"] for e in house.events if e.kind == "face-appears"]
    assert all(box[2] <= SIZE[0] and box[3] <= SIZE[1] for box in boxes if isinstance(box, list))
    assert sizes(house.recorded()) == {LARGE}
    assert sizes(house.snapshots()) == {(3 * SIZE[0], 3 * SIZE[1])}
    assert assert_nothing_leaked(house, both.stream, both.snapshots) > 0


def how_many(house: House, use: str, how: str) -> float:
    return house.meters.value("pictures_upscaled_total", use=use, how=how)


def until_large(house: House) -> None:
    """Waits until something is seen again that happened after now."""
    last = len(house.frames)
    until(lambda: len(house.frames) > last + 5 and house.frames[-1].cover.whole is None)


def test_whatever_breaks_the_size_stays_and_no_face_is_shown(tmp_path: Path, monkeypatch) -> None:
    """The camera breaks off, the model fails, hangs and has no room, and it gets hot."""
    monkeypatch.setattr(enlarging, "_LIVE_LIMIT_S", 0.05)
    scene, both = Scene(there=passing_by), Both()
    faults = [*[CameraFault.NONE] * 12, CameraFault.LOST] * 4
    camera = filmed(scene, Script(faults, CameraFault.NONE))
    settings = {**plan(2, 3), **UPSCALE}

    def stream(how: str) -> float:
        return how_many(house, "stream", how)

    with House(
        tmp_path, scene, camera=camera, sharpen_with=both.open, settings=settings
    ).start() as house:
        until(lambda: stream("sharp") > 5)
        house.budget = Budget(level=1, upscale=False, reason="a test")
        until(lambda: stream("heat") > 5)
        house.budget = UNLIMITED
        for error, how in ((InferenceError("gone"), "failed"), (NoRoom("full"), "no room")):
            both.stream.breaks = both.snapshots.breaks = error
            until(lambda how=how: stream(how) > 3)
        both.stream.breaks = both.snapshots.breaks = None
        both.stream.hold.clear()
        until(lambda: stream("slow") > 1)
        both.stream.hold.set()
        house.budget = Budget(paused=True, reason="a test")
        slates = house.meters.value("slates_total")
        until(lambda: house.meters.value("slates_total") > slates + 2)
        house.budget = UNLIMITED
        sharp = stream("sharp")
        until(lambda: stream("sharp") > sharp + 5)
        until_large(house)
        assert house.finish() == []
    first = next(n for n, one in enumerate(house.kept) if not one.is_slate)
    assert sizes(one.image for one in house.kept[first:]) == {LARGE}
    assert sum(one.is_slate for one in house.kept[first:]) > 2
    assert sizes(house.recorded()) - {(2560, 1440)} == {LARGE}
    assert assert_nothing_leaked(house, both.stream, both.snapshots) > 0


@pytest.mark.models
def test_a_real_model_does_not_bring_a_face_back(tmp_path: Path, engine_path) -> None:
    engine_path("espcn-x2")
    with open_model(StreamUpscale(model="espcn-x2", threads=1)) as model:
        bare = model.sharpened(Scene().image(5), Zoom(2).view(*SIZE), lambda: None)
    assert find_watermarks(shrunk(bare, 2), Scene(), [5])
    scene = Scene(there=passing_by)
    settings = {"upscale": {"stream": {"model": "espcn-x2", "threads": 1}}}
    camera = filmed(scene, Script([], CameraFault.NONE), rate=20)
    with House(tmp_path, scene, camera=camera, settings=settings).start() as house:
        until(lambda: how_many(house, "stream", "sharp") > 20, within_s=60)
        assert house.finish() == []
    assert sizes(one.image for one in house.frames) == {LARGE}
    shown = assert_none_leaks((shrunk(one.image, 2) for one in house.frames), scene)
    assert shown > 0
    assert_none_leaks((shrunk(image, 2) for image in house.recorded()), scene)


def test_a_region_can_be_moved_while_it_runs(tmp_path: Path) -> None:
    scene, both = Scene(), Both()
    settings = {"upscale": {"stream": {"model": "espcn-x2", "region": [0, 0, 1, 0.5]}}}
    with House(
        tmp_path, scene, sharpen_with=both.open, outputs=["recordings"], settings=settings
    ).start() as house:
        until(lambda: len(house.frames) > 10)
        # The upper half has the number of the picture in it, the lower half has not.
        assert sizes(one.image for one in house.frames) == {(LARGE[0], LARGE[1] // 2)}
        until(lambda: any(shown_number(one.image) is not None for one in house.frames))
        lower = {"stream": {"model": "espcn-x2", "region": [0, 0.5, 1, 0.5]}}
        house.change(upscale=lower)
        # Those before it may still be on their way.
        until(lambda: {shown_number(one.image) for one in house.frames[-5:]} == {None})
        moved = len(house.frames)
        until(lambda: len(house.frames) > moved + 10)
        assert {shown_number(one.image) for one in house.frames[moved:]} == {None}
        assert house.finish() == []
    assert sizes(one.image for one in house.frames) == {(LARGE[0], LARGE[1] // 2)}


def shown_number(image: Image) -> int | None:
    return number_of(shrunk(image, 2).planes[0])


def test_snapshots_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """One that takes long is enlarged plainly as soon as another is to be written."""
    scene, both = Scene(there=passing_by), Both()
    both.snapshots.hold.clear()
    settings = {"upscale": {"snapshots": {"model": "fsrcnn-x3", "within_s": 40}}}
    with House(tmp_path, scene, sharpen_with=both.open, settings=settings).start() as house:
        until(lambda: how_many(house, "snapshots", "late") > 1)
        assert sizes(one.image for one in house.frames) == {SIZE}
        assert house.finish() == []
    assert sizes(house.snapshots()) == {(3 * SIZE[0], 3 * SIZE[1])}
    assert len(house.snapshots()) > 1
    assert (both.stream.opened, both.snapshots.seen) == (0, [])
