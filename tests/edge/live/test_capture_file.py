"""Files as cameras: they wait, they end, and when they fail nothing is shown twice."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import pytest

from faceguard.edge.cameras.base import Shot
from faceguard.edge.cameras.file import VideoFile
from faceguard.edge.config.camera import FileCamera
from faceguard.edge.live import connection
from faceguard.edge.live.health import State
from faceguard.edge.types import Frame, Image, PixelFormat
from faceguard.engines.errors import CameraAbsent, CameraCorrupt, CameraError, CameraSilent
from tests.edge import videos
from tests.edge.live.shaky_camera import FILE, ONCE, Bench, Hang, Pictures, quick, wait_until

SOME = Pictures(3)
SECOND_NS = 1_000_000_000


@pytest.fixture(autouse=True)
def _no_thread_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(connection, "_GRACE_S", 0.02)
    before = set(threading.enumerate())
    yield
    wait_until(lambda: set(threading.enumerate()) <= before, "threads are left")


def bench_for(path: Path, *, loop: bool = False, paced: bool = False, **settings: float) -> Bench:
    """A capture room before a real file; what it opened is in `files`."""
    config = FileCamera(kind="file", path=path, loop=loop, paced=paced)
    settings = {"open_within_s": 5.0, "frozen_after_s": 5.0, **settings}
    bench = Bench(lambda _: [], settings=quick(**settings), capacity=50)
    bench.files = []

    def opening() -> VideoFile:
        bench.tries += 1
        bench.files.append(VideoFile(config))
        return bench.files[-1]

    bench.capture._open_camera = opening
    return bench


def first(bench: Bench, most: int) -> Iterator[Frame]:
    """Frames to the end; no more than this, where there is none."""
    return itertools.islice(bench.frames(), most)


def test_a_gap_between_two_pictures_is_no_silence(tmp_path):
    # Units of 1/250 s: the third picture is 2 s after the second.
    clip = videos.make(tmp_path / "clip.mp4", frames=4, rate=25, pts=[0, 10, 510, 520])
    with bench_for(clip, paced=True, open_within_s=1.0, frozen_after_s=0.2) as bench:
        frames = [(frame.pts, frame.session) for frame in first(bench, 9)]
    assert [pts for pts, _ in frames] == [0, 3600, 183_600, 187_200]
    assert {session for _, session in frames} == {1}
    assert bench.tries == 1
    assert bench.meters.value("camera_failures_total", cause="frozen") == 0


def test_a_paced_file_that_hangs_when_a_picture_is_due_is_frozen():
    class Late:
        """A file on a disk that went away while it waited for a picture's time."""

        info = replace(ONCE, rate=None)

        def __init__(self) -> None:
            self.due_ns = 0
            self.closed = threading.Event()
            self._first = Shot(Image.blank(PixelFormat.GRAY, 32, 16), time.monotonic_ns(), 0)

        def read(self):
            shot, self._first = self._first, None
            if shot is not None:
                return shot
            self.due_ns = time.monotonic_ns() + SECOND_NS // 2
            self.closed.wait(20)
            raise CameraAbsent("closed")

        def close(self) -> None:
            self.closed.set()

    bench = Bench(lambda _: [], settings=quick(open_within_s=0.3))
    opened: list[Late] = []

    def opening() -> Late:
        opened.append(Late())
        return opened[-1]

    bench.capture._open_camera = opening
    with bench:
        assert next(bench.frames()).session == 1
        began_ns = time.monotonic_ns()
        with pytest.raises(CameraSilent, match=r"no new picture came for 0\.3 s"):
            list(first(bench, 9))
        # Not before its time and what may pass after it.
        assert time.monotonic_ns() - began_ns > SECOND_NS // 2
    assert len(opened) == 1


@pytest.mark.parametrize("loop", [False, True])
def test_a_wrong_path_ends_it_with_one_line(tmp_path, caplog, loop):
    with bench_for(tmp_path / "none.mp4", loop=loop) as bench:
        with pytest.raises(CameraAbsent, match=r"none\.mp4: no such file") as caught:
            list(first(bench, 9))
        wait_until(lambda: bench.health.state is State.ENDED)
    assert caught.value.exit_code == 1
    assert bench.tries == 1
    assert bench.failures("absent") == 1
    assert [(event.kind, event.fields["cause"]) for event in bench.events] == [
        ("camera-down", "absent")
    ]
    # Whoever ends with the error says it.
    assert "no such file" not in caplog.text


def test_a_file_that_is_damaged_in_the_middle_ends_it_and_is_shown_once(tmp_path):
    clip = half_noise(videos.make(tmp_path / "clip.mkv", frames=700, options={"bf": "0"}), 60)
    indices = []
    with bench_for(clip) as bench, pytest.raises(CameraCorrupt, match=r"clip\.mkv: damaged"):
        indices.extend(frame.index for frame in first(bench, 99))
    assert indices == list(range(60))
    assert bench.tries == 1
    assert bench.failures("corrupt") == 1


def half_noise(clip: Path, sound: int) -> Path:
    """The clip with noise in the place of all pictures but the first ones."""
    noise, out = random.Random(1), clip.with_name("noise.mkv")
    with av.open(str(clip)) as source, av.open(str(out), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for index, packet in enumerate(p for p in source.demux(stream) if p.size):
            data = bytes(packet) if index < sound else noise.randbytes(packet.size)
            other = av.Packet(data)
            other.pts, other.dts, other.time_base = packet.pts, packet.dts, packet.time_base
            other.is_keyframe, other.stream = packet.is_keyframe, copy
            target.mux(other)
    return out.rename(clip)


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (CameraCorrupt("clip.mp4: damaged"), CameraCorrupt, "clip.mp4: damaged"),
        (ValueError("no word of this"), CameraError, "ValueError in shaky_camera.py"),
        (Hang(), CameraSilent, "no new picture came"),
        (Hang(stubborn=True), CameraSilent, "no new picture came"),
        ("no shot at all", CameraError, "TypeError in connection.py"),
    ],
    ids=["corrupt", "foreign", "hangs", "hangs on", "no shot"],
)
def test_a_file_that_fails_in_the_middle_ends_it_and_is_shown_once(fault, kind, words):
    with Bench(lambda _: [SOME, fault], info=ONCE) as bench:
        frames = []
        with pytest.raises(kind, match=words) as caught:
            frames += [next(bench.frames()).index for _ in range(9)]
        wait_until(lambda: bench.health.state is State.ENDED)
        if isinstance(fault, Hang):
            fault.over.set()
    assert caught.value.exit_code == 1
    assert bench.tries == 1
    assert bench.meters.value("frames_in_total") == 3
    assert bench.meters.value("camera_reconnects_total") == 0


def test_a_file_that_loops_is_opened_again(tmp_path):
    """It begins anew anyway; and a file that is being replaced comes back."""
    clip = videos.make(tmp_path / "clip.mp4", frames=3)
    aside = tmp_path / "aside.mp4"
    bench = bench_for(clip, loop=True)
    with bench:
        frames = bench.frames()
        for _ in range(5):
            next(frames)
        clip.rename(aside)
        wait_until(lambda: bench.failures("absent") >= 2)
        aside.rename(clip)
        assert any(frame.session == 2 for frame in frames)


def test_a_camera_is_always_tried_again():
    final = CameraAbsent("gone")
    final.is_final = True
    # Once it gave a frame, even this.
    with Bench(lambda n: [SOME, final] if n == 1 else [final] if n < 4 else [SOME]) as bench:
        assert any(frame.session == 2 for frame in bench.frames())
    with Bench(lambda n: [CameraAbsent("not yet")] if n < 4 else [SOME], info=FILE) as bench:
        assert len(list(bench.frames())) == 3
