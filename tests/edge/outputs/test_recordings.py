"""Segments that play, with everything in them that was given."""

from __future__ import annotations

import stat
import time

import av
import numpy as np
import pytest

from faceguard.edge.av_image import view
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.part import whole_bytes
from tests.edge.outputs.recorded import encoded, image, numbers, safe
from tests.edge.outputs.recorder import (
    JUNE,
    all_numbers,
    closed,
    opened,
    recorder,
    set_up,
    take_all,
)
from tests.edge.outputs.waiting import until


def test_all_frames_are_in_the_segments(tmp_path):
    with recorder(tmp_path, segment_s=2, wall_s=lambda: JUNE) as made:
        for number in range(260):
            made.encoder.take(safe(number))
        made.end()
    paths = made.closed()
    assert [path.relative_to(made.place).as_posix() for path in paths[:2]] == [
        "2026-06-09/10-13-20.mp4",
        "2026-06-09/10-13-20-2.mp4",
    ]
    assert [len(numbers(path)) for path in paths] == [50, 50, 50, 50, 50, 10]
    assert all_numbers(made.place) == list(range(260))
    assert opened(made.place) == []
    size = sum(path.stat().st_size for path in paths)
    assert made.meters.value("recorded_bytes_total") == size
    assert made.meters.value("output_dropped_total", output="recordings") == 0


def test_a_segment_tells_its_length_and_nothing_else(tmp_path):
    with recorder(tmp_path, wall_s=lambda: JUNE) as made:
        for number in range(60):
            made.encoder.take(safe(1000 + number))
        made.end()
    (path,) = made.closed()
    with av.open(str(path)) as container:
        assert container.duration == pytest.approx(60 / 25 * 1e6, abs=2)
        assert container.start_time == 0
        assert container.metadata.pop("creation_time").startswith("2026-06-09T10:13:20")
        assert set(container.metadata) == {"major_brand", "minor_version", "compatible_brands"}
        (stream,) = container.streams
        assert set(stream.metadata) <= {"creation_time", "handler_name", "language", "vendor_id"}
    written = path.read_bytes()
    for name in (b"Lav", b"x264", b"faceguard", b"door"):
        assert name not in written
    assert stat.S_IMODE(path.stat().st_mode) & ~0o640 == 0
    assert stat.S_IMODE(path.parent.stat().st_mode) & ~0o750 == 0


def test_the_pictures_and_their_times_are_right(tmp_path):
    times = [0, 1, 2, 10, 11, 30, 31, 90, 91]
    with recorder(tmp_path, encoding={"crf": 1, "most_kbps": None, "keyframe_s": 60}) as made:
        for number, at in enumerate(times):
            made.encoder.take(safe(number, pts=at, noise=True))
        made.end()
    (path,) = made.closed()
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert [round(frame.time * 25) for frame in frames] == times
    for number, frame in enumerate(frames):
        for want, got in zip(image(number, noise=True).planes, view(frame).planes, strict=True):
            assert np.abs(want.astype(int) - got).mean() < 2


def test_the_open_segment_plays_to_its_last_fragment(tmp_path):
    made = set_up(tmp_path)
    with made.recordings as recordings:
        recordings.open_up()
        for number in range(101):
            made.encoder.take(safe(number))
            take_all(made)
            for path in opened(made.place):
                with path.open("rb") as file:
                    assert whole_bytes(file.fileno()) == path.stat().st_size
        # Four seconds are over; the frame after them waits for its fragment.
        (path,) = opened(made.place)
        assert numbers(path) == list(range(100))
        recordings.shut(broken=False)
    assert all_numbers(made.place) == list(range(101))


def test_another_size_is_another_segment(tmp_path):
    with recorder(tmp_path) as made:
        for number in range(30):
            made.encoder.take(safe(number, size=(128, 48) if number < 10 else (192, 64)))
        made.end()
    assert [len(numbers(path)) for path in made.closed()] == [10, 20]


def test_a_camera_that_comes_back_goes_on_in_the_same_segment(tmp_path):
    with recorder(tmp_path) as made:
        for number in range(20):
            made.encoder.take(safe(number))
        for number in range(20, 40):
            made.encoder.take(safe(number, pts=number + 100))
        made.end()
    assert [len(numbers(path)) for path in made.closed()] == [40]


def test_a_long_gap_is_another_segment(tmp_path):
    with recorder(tmp_path) as made:
        for number in range(20):
            made.encoder.take(safe(number, pts=number + (500 if number >= 10 else 0)))
        made.end()
    assert [numbers(path) for path in made.closed()] == [[*range(10)], [*range(10, 20)]]


def test_nothing_is_begun_in_the_middle(tmp_path):
    packets = encoded((safe(number) for number in range(60)), keyframe_s=1)
    with recorder(tmp_path) as made:
        for packet in packets[10:]:
            made.recordings.offer(packet)
        made.end()
        # It asked for a keyframe: the next frame of its encoder is one.
        made.encoder.take(safe(0))
        assert made.encoder._wanted.is_set() is False
    assert all_numbers(made.place) == list(range(25, 60))
    assert made.meters.value("output_dropped_total", output="recordings") == 15


def test_after_lost_packets_it_waits_for_a_keyframe(tmp_path):
    packets = encoded((safe(number) for number in range(100)), keyframe_s=1)
    with recorder(tmp_path) as made:
        for packet in packets[:35] + packets[37:]:
            made.recordings.offer(packet)
        made.end()
    assert all_numbers(made.place) == [*range(35), *range(50, 100)]
    assert len(made.closed()) == 1


def test_only_packets(tmp_path):
    made = set_up(tmp_path)
    with pytest.raises(TypeError, match="SafePacket, not SafeFrame"):
        made.recordings.take(safe(0))


@pytest.mark.parametrize("start_s", [JUNE, 12.0])
def test_clocks_that_jump_back(tmp_path, start_s):
    """A name that is taken gets a number; a clock that was never set will do."""
    clock = [start_s]
    with recorder(tmp_path, segment_s=1, wall_s=lambda: clock[0], keep_days=1) as made:
        for number in range(100):
            made.encoder.take(safe(number))
            if number % 25 == 24:
                until(lambda: len(made.recordings._slot) == 0)
                clock[0] = max(0.0, clock[0] - 3600) if number == 49 else start_s
        made.end()
    assert sorted(all_numbers(made.place)) == list(range(100))
    assert len(made.closed()) == 4
    assert len({path.name[:8] for path in made.closed()}) <= 3


def test_names_tell_when_the_first_picture_was_taken(tmp_path):
    made = set_up(tmp_path, wall_s=lambda: JUNE)
    made.recordings.open_up()
    (packet,) = encoded([safe(0)])
    late = type(packet)(**{**vars(packet), "captured_ns": time.monotonic_ns() - 40 * 10**9})
    made.recordings.take(late)
    made.recordings.shut(broken=False)
    (path,) = closed(made.place)
    assert path.name.startswith("10-12-")


def test_figures_of_an_output(tmp_path):
    meters = Meters()
    with recorder(tmp_path, meters=meters) as made:
        made.encoder.take(safe(0))
        until(lambda: meters.value("output_up", output="recordings") == 1)
    assert meters.value("output_up", output="recordings") == 0
