"""Network cameras: real ones, each in a process of its own."""

from __future__ import annotations

import itertools
import os
import statistics
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest

from faceguard.edge.av_image import view
from faceguard.edge.cameras.rtsp import Rtsp
from faceguard.edge.config.camera import RtspCamera
from faceguard.edge.types import PixelFormat
from faceguard.engines.errors import (
    CameraAbsent,
    CameraCorrupt,
    CameraError,
    CameraLost,
    CameraSilent,
)
from tests.edge import videos
from tests.edge.rtsp_server import RtspServer

# No test is about speed: this much is only so that none hangs.
SAFE_S = 20.0


def opened(server: RtspServer, *, open_within_s=10.0, silent_after_s=5.0, **settings) -> Rtsp:
    config = RtspCamera(kind="rtsp", url=server.url, **settings)
    return Rtsp(config, open_within_s=open_within_s, silent_after_s=silent_after_s)


def noisy_clip(folder: Path) -> Path:
    """One whose pictures can be garbled: keyframes are near to one another."""
    return videos.make(
        folder / "clip.mp4", frames=100, size=(320, 240), rate=100, options={"g": "10"}
    )


def read_until(camera: Rtsp, done, *, most: int = 600):
    """Reads until a picture is as wanted, and returns it."""
    for _ in range(most):
        shot = camera.read()
        if done(shot):
            return shot
    raise AssertionError("no such picture came")


@pytest.fixture(scope="module")
def server():
    with RtspServer(rate=50) as server:
        yield server


def test_a_hundred_pictures_with_times_that_grow(server):
    with opened(server) as camera:
        shots = [camera.read() for _ in range(100)]
    info = camera.info
    assert (info.width, info.height, info.rate, info.live) == (320, 240, 50, True)
    assert info.format == "H.264 yuv420p"
    assert {(s.image.format, s.image.width, s.image.height) for s in shots} == {
        (PixelFormat.I420, 320, 240)
    }
    for before, after in itertools.pairwise(shots):
        assert after.time_ns > before.time_ns
        assert after.captured_ns > before.captured_ns
    assert all(abs(s.time_ns - s.captured_ns) <= 1_100_000_000 for s in shots)
    assert sum(s.damaged for s in shots) == 0
    assert shots[-1].duration_ns == 20_000_000
    # However the network shook them, the steps are the camera's own.
    steps_ns = [after.time_ns - before.time_ns for before, after in itertools.pairwise(shots)]
    assert statistics.median(steps_ns) == pytest.approx(20_000_000, abs=1_000_000)
    # Bars of white, yellow, cyan...: the picture is the right one and not an empty plane.
    assert shots[-1].image.planes[0][20, 10] > 150 > shots[-1].image.planes[0][20, 300]


@pytest.mark.parametrize(("media", "held"), [("h264", True), ("mjpeg", False)])
def test_what_ffmpeg_holds_back_is_not_taken_for_new(media, held):
    """A picture that is let go when the next one comes was captured when that before it came."""
    with RtspServer(media, rate=10) as server, opened(server) as camera:
        camera.read()
        before_the_last = []
        for _ in range(8):
            last_read_ns = time.monotonic_ns()
            before_the_last.append(camera.read().captured_ns <= last_read_ns)
    assert all(before_the_last) is held


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_both_ways_of_travelling(server, transport):
    with opened(server, transport=transport) as camera:
        assert camera.read().image.width == camera.read().image.width == 320


@pytest.mark.parametrize(("media", "name"), [("h265", "H.265"), ("mjpeg", "MJPEG")])
def test_other_encodings(media, name):
    with RtspServer(media) as server, opened(server) as camera:
        shot = camera.read()
        assert camera.info.format.startswith(name)
        assert shot.image.format is PixelFormat.I420
        assert shot.image.full_range == (media == "mjpeg")


@pytest.mark.parametrize("digest", [False, True])
def test_a_password_with_all_that_addresses_stumble_over(tmp_path, digest):
    user, password = "view er", "p@ss:w/ö?#%41&"
    secret = tmp_path / "password"
    secret.write_text(password + "\n", encoding="utf-8")
    with RtspServer(user=user, password=password, digest=digest) as server:
        with opened(server, user=user, password=password) as camera:
            camera.read()
        with opened(server, user=user, password_file=secret) as camera:
            camera.read()


def test_the_size_changes_in_the_middle():
    with RtspServer() as server, opened(server) as camera:
        assert camera.read().image.width == 320
        server.resize(480, 272)
        shot = read_until(camera, lambda shot: shot.image.width != 320)
        assert (shot.image.width, shot.image.height) == (480, 272)
        assert (camera.read().image.width, camera.info.width) == (480, 320)


def test_pictures_out_of_order_come_in_order_and_none_is_lost(tmp_path):
    clip = videos.make(
        tmp_path / "clip.mp4",
        frames=50,
        rate=50,
        options={"bf": "3", "g": "50", "x264-params": "b-adapt=0"},
    )
    with RtspServer(file=clip) as server, opened(server) as camera:
        shots = [camera.read() for _ in range(40)]
    for shot, frame in zip(shots, videos.read(clip), strict=False):
        np.testing.assert_array_equal(shot.image.planes[0], view(frame).planes[0])
    assert all(b.time_ns > a.time_ns for a, b in itertools.pairwise(shots))


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_pictures_of_several_slices_come_whole(tmp_path, codec):
    options = {"bf": "0", "g": "10"}
    if codec == "libx264":
        options["x264-params"] = "slices=4:sliced-threads=0"
    else:
        options["x265-params"] = "slices=4:log-level=none"
    size = (320, 256)
    clip = videos.make(
        tmp_path / "clip.mp4", frames=40, size=size, rate=50, codec=codec, options=options
    )
    if codec == "libx264":
        assert slices_of(clip) == 4
    with RtspServer(file=clip) as server, opened(server) as camera:
        shots = [camera.read() for _ in range(35)]
    assert sum(shot.damaged for shot in shots) == 0
    for shot, frame in zip(shots, videos.read(clip), strict=False):
        for mine, its in zip(shot.image.planes, view(frame).planes, strict=True):
            np.testing.assert_array_equal(mine, its)


def test_frozen_is_silent_and_goes_on_after_a_new_connection():
    with RtspServer() as server:
        with opened(server, silent_after_s=0.5) as camera:
            camera.read()
            server.freeze()
            began_s = time.monotonic()
            with pytest.raises(CameraSilent, match=r"sent nothing for 0\.5 s"):
                read_until(camera, lambda _: False)
            assert time.monotonic() - began_s < SAFE_S
        with pytest.raises(CameraSilent, match="no answer within 1 s"):
            opened(server, open_within_s=1.0)
        server.thaw()
        with opened(server) as camera:
            camera.read()


def test_killed_is_lost_then_absent_then_there_again():
    with RtspServer() as server:
        with opened(server) as camera:
            camera.read()
            server.kill()
            with pytest.raises(CameraLost):
                read_until(camera, lambda _: False)
            with pytest.raises(CameraLost):
                camera.read()
        with pytest.raises(CameraAbsent, match="nothing listens there"):
            opened(server)
        server.start()
        with opened(server) as camera:
            camera.read()


def test_a_camera_that_hangs_up_is_lost():
    with RtspServer() as server, opened(server) as camera:
        camera.read()
        server.hang_up()
        with pytest.raises(CameraLost, match="ended the connection"):
            read_until(camera, lambda _: False)


def test_no_such_stream(server):
    config = RtspCamera(kind="rtsp", url=server.url + "/other")
    with pytest.raises(CameraAbsent, match="knows no such stream"):
        Rtsp(config, open_within_s=10, silent_after_s=5)


def test_some_damage_is_counted_and_too_much_is_corrupt(tmp_path):
    clip = noisy_clip(tmp_path)
    with RtspServer(file=clip) as server, opened(server, silent_after_s=1.0) as camera:
        assert camera.read().damaged == 0
        server.garble(0.3)
        damaged = [camera.read().damaged for _ in range(40)]
        assert 0 < sum(damaged) < 100
        server.garble(1.0)
        with pytest.raises(CameraCorrupt, match="could not be decoded"):
            read_until(camera, lambda _: False)


def test_nothing_but_noise_from_the_beginning(tmp_path):
    with RtspServer(file=noisy_clip(tmp_path)) as server:
        server.garble(1.0)
        with pytest.raises(CameraCorrupt, match="could not be decoded"):
            opened(server, open_within_s=2.0)


def test_no_keyframe_in_time(tmp_path):
    clip = videos.make(tmp_path / "clip.mp4", frames=500, options={"g": "500", "bf": "0"})
    with RtspServer(file=clip) as server, opened(server) as first:
        read_until(first, lambda _: True)
        with pytest.raises(CameraSilent, match="set a shorter keyframe interval"):
            opened(server, open_within_s=0.7)


def test_closing_under_a_reader_waits_for_nobody_and_breaks_nothing():
    with RtspServer() as server:
        camera = opened(server, silent_after_s=0.7)
        camera.read()
        server.freeze()
        ended: list[BaseException] = []

        def reader() -> None:
            try:
                read_until(camera, lambda _: False)
            except CameraError as error:
                ended.append(error)

        thread = threading.Thread(target=reader)
        thread.start()
        camera.close()
        camera.close()
        thread.join(SAFE_S)
        assert not thread.is_alive()
        assert isinstance(ended[0], (CameraSilent, CameraLost))
        with pytest.raises(CameraLost, match="closed by faceguard itself"):
            camera.read()


def test_fifty_connections_leave_nothing_behind(server):
    def one() -> None:
        with opened(server) as camera:
            camera.read()

    def left() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), threading.active_count()  # noqa: PTH208

    with opened(server):  # keeps the camera's encoder running
        for _ in range(10):
            one()
        before, memory_kb = left(), resident_kb()
        for _ in range(40):
            one()
        assert left() == before
        # Each connection holds some 3 MB while it is open: ten of them left would show.
        assert resident_kb() - memory_kb < 8_000


def slices_of(clip: Path) -> int:
    """How many slices the keyframe that a clip begins with has."""
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        to_stream = av.BitStreamFilterContext("h264_mp4toannexb", in_stream=stream)
        (packet, *_) = to_stream.filter(next(container.demux(stream)))
        parts = bytes(packet).split(b"\0\0\1")[1:]
    return sum(part[0] & 0x1F == 5 for part in parts)


def resident_kb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])
