"""A video file as a camera."""

from __future__ import annotations

import itertools
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from faceguard.edge.cameras.file import VideoFile
from faceguard.edge.cameras.registry import open_camera
from faceguard.edge.config.camera import FileCamera
from faceguard.edge.sources.video import VideoSource
from faceguard.edge.types import PixelFormat
from faceguard.engines.errors import CameraAbsent, CameraCorrupt, CameraError, CameraLost
from tests.edge import videos

SAFE_S = 20.0


def opened(path: Path, *, paced=False, loop=False) -> VideoFile:
    return VideoFile(FileCamera(kind="file", path=path, paced=paced, loop=loop))


def all_of(camera: VideoFile) -> list:
    return list(iter(camera.read, None))


def test_pictures_are_those_that_redact_reads(tmp_path):
    clip = videos.make(tmp_path / "clip.mp4", frames=30, rate=25)
    with opened(clip) as camera, VideoSource(clip) as source:
        shots, frames = all_of(camera), list(source)
        assert camera.read() is None
    assert len(shots) == len(frames) == 30
    for shot, frame in zip(shots, frames, strict=True):
        assert shot.image.format is frame.image.format is PixelFormat.I420
        for mine, its in zip(shot.image.planes, frame.image.planes, strict=True):
            np.testing.assert_array_equal(mine, its)
    assert [shot.time_ns for shot in shots] == [index * 40_000_000 for index in range(30)]
    assert {shot.duration_ns for shot in shots} == {40_000_000}
    captured = [shot.captured_ns for shot in shots]
    assert captured == sorted(captured)
    info = camera.info
    assert (info.width, info.height, info.rate, info.live) == (96, 64, 25, False)


def test_paced_by_its_own_times(tmp_path):
    stamps = [0, 1, 2, 40, 41, 60]  # of 10 ms
    clip = videos.make(tmp_path / "clip.mp4", frames=6, rate=10, pts=stamps)
    with opened(clip, paced=True) as camera:
        shots = all_of(camera)
    assert [shot.time_ns // 10_000_000 for shot in shots] == stamps
    begin_ns = shots[0].captured_ns
    for shot in shots:
        # Never before it is due.
        assert shot.captured_ns - begin_ns >= shot.time_ns


def test_who_is_slow_gets_late_ones_at_once_and_does_not_drift(tmp_path):
    clip = videos.make(tmp_path / "clip.mp4", frames=40, rate=50)
    with opened(clip, paced=True) as camera:
        first = camera.read()
        threading.Event().wait(0.5)
        late = [camera.read() for _ in range(20)]
        rest = all_of(camera)
    # A camera that paused after each would give the 20th at 0.5 + 0.4 s and more.
    assert late[-1].time_ns == 20 * 20_000_000
    assert late[0].captured_ns - first.captured_ns >= 500_000_000
    assert rest[-1].captured_ns - first.captured_ns >= rest[-1].time_ns
    steps_ns = [b.captured_ns - a.captured_ns for a, b in itertools.pairwise(late)]
    assert sorted(steps_ns)[len(steps_ns) // 2] < 20_000_000


@pytest.mark.parametrize("first_stamp", [0, 500])
def test_in_a_loop_times_go_on_growing(tmp_path, first_stamp):
    stamps = [first_stamp + index * 10 for index in range(5)]
    clip = videos.make(tmp_path / "clip.mkv", frames=5, rate=25, pts=stamps)
    with opened(clip, loop=True) as camera:
        shots = [camera.read() for _ in range(23)]
    assert [shot.time_ns for shot in shots] == [index * 40_000_000 for index in range(23)]
    bright = [shot.image.planes[1].mean() for shot in shots]
    assert bright[:5] == bright[5:10] == bright[15:20]


def test_a_loop_whose_file_goes_away_is_lost(tmp_path):
    clip = videos.make(tmp_path / "clip.mp4", frames=3)
    with opened(clip, loop=True) as camera:
        for _ in range(3):
            camera.read()
        clip.unlink()
        with pytest.raises(CameraLost, match="no such file"):
            camera.read()


@pytest.mark.parametrize(
    ("pixel_format", "size", "wanted", "kept"),
    [
        ("yuv420p10le", (96, 64), PixelFormat.I420, (96, 64)),
        ("yuv422p", (96, 64), PixelFormat.I420, (96, 64)),
        ("yuv444p", (97, 65), PixelFormat.I420, (96, 64)),
        ("gray", (96, 64), PixelFormat.GRAY, (96, 64)),
        ("nv12", (96, 64), PixelFormat.I420, (96, 64)),
    ],
)
def test_what_is_not_worked_on_is_made_so(tmp_path, pixel_format, size, wanted, kept):
    codec = "libx264" if pixel_format != "gray" else "ffv1"
    clip = videos.make(
        tmp_path / "clip.mkv", frames=4, size=size, pixel_format=pixel_format, codec=codec
    )
    with opened(clip) as camera:
        shots = all_of(camera)
    assert (camera.info.width, camera.info.height) == kept
    for shot in shots:
        assert shot.image.format is wanted
        assert (shot.image.width, shot.image.height) == kept
        # The corner is bright, what is far from it is not.
        assert shot.image.planes[0][4, 4] > 200 > shot.image.planes[0][60, 90]


def test_turned_upright(tmp_path):
    clip = videos.make(tmp_path / "clip.mp4", rotation=90)
    with opened(clip) as camera, VideoSource(clip) as source:
        shot, frame = camera.read(), next(iter(source))
    assert (camera.info.width, camera.info.height) == (64, 96)
    np.testing.assert_array_equal(shot.image.planes[0], frame.image.planes[0])


def test_missing_broken_or_something_else(tmp_path):
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(os.urandom(5000))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(videos.make(tmp_path / "whole.mp4").read_bytes()[:200])
    sound = videos.make(tmp_path / "sound.mp4", video=False, audio=True)
    for path, words in (
        (tmp_path / "none.mp4", "no such file"),
        (noise, "neither a picture nor a video"),
        (cut, "neither a picture nor a video"),
        (sound, "no video in it"),
    ):
        with pytest.raises(CameraAbsent, match=words) as caught:
            opened(path)
        assert len(str(caught.value).splitlines()) == 1


def test_damage_is_counted(tmp_path):
    clip = videos.make(tmp_path / "clip.mkv", frames=60, size=(320, 240), options={"g": "5"})
    data = bytearray(clip.read_bytes())
    rng = np.random.default_rng(3)
    for at in rng.integers(2000, len(data) - 2000, 60):
        data[at : at + 40] = rng.bytes(40)
    clip.write_bytes(bytes(data))
    with opened(clip) as camera:
        damaged = 0
        try:
            for shot in iter(camera.read, None):
                damaged += shot.damaged
        except CameraCorrupt:
            damaged += 1
    assert damaged > 0


def test_closing_ends_a_wait(tmp_path):
    clip = videos.make(tmp_path / "clip.mp4", frames=2, rate=10, pts=[0, 360_000])  # an hour apart
    camera = opened(clip, paced=True)
    camera.read()
    ended: list[BaseException] = []

    def reader() -> None:
        try:
            camera.read()
        except CameraError as error:
            ended.append(error)

    thread = threading.Thread(target=reader)
    began_s = time.monotonic()
    thread.start()
    camera.close()
    thread.join(SAFE_S)
    assert not thread.is_alive()
    assert time.monotonic() - began_s < SAFE_S
    assert isinstance(ended[0], CameraLost)
    with pytest.raises(CameraLost):
        camera.read()


def test_nothing_is_left_open(tmp_path):
    clip = videos.make(tmp_path / "clip.mp4", frames=3)
    config = FileCamera(kind="file", path=clip, loop=True, paced=False)

    def left() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), threading.active_count()  # noqa: PTH208

    before = left()
    for _ in range(20):
        with open_camera(config, open_within_s=5, silent_after_s=2) as camera:
            for _ in range(7):
                camera.read()
    assert left() == before
