"""Segments that play, with everything in them that was given."""

from __future__ import annotations

import errno
import itertools
import logging
import os
import stat
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from faceguard.edge.av_image import view
from faceguard.edge.meters import Meters
from faceguard.edge.outputs import worker
from faceguard.edge.outputs.disk import Shelf
from faceguard.edge.outputs.part import whole_bytes
from faceguard.engines.errors import AlreadyRunning, OutputError
from tests.edge.outputs.recorded import encoded, image, numbers, safe
from tests.edge.outputs.recorder import all_numbers, closed, opened, recorder, set_up
from tests.edge.outputs.waiting import open_files, until

JUNE = 1_781_000_000.0  # 2026-06-09 10:13:20 UTC


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


def take_all(made) -> None:
    """Does the work of the recorder's thread."""
    while len(made.recordings._slot):
        made.recordings.take(made.recordings._slot.take())


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


def test_two_may_not_record_into_one_place(tmp_path):
    with Shelf(tmp_path, "door"):
        with pytest.raises(AlreadyRunning, match="door"):
            Shelf(tmp_path, "door")
        Shelf(tmp_path, "gate").close()
        with recorder(tmp_path) as made:
            made.encoder.take(safe(0))
            until(lambda: made.meters.value("output_failures_total", output="recordings"))
    Shelf(tmp_path, "door").close()


def test_left_overs_are_adopted(tmp_path):
    made = set_up(tmp_path, wall_s=lambda: JUNE)
    made.recordings.open_up()
    for number in range(60):
        made.encoder.take(safe(number))
        take_all(made)
    (left,) = opened(made.place)
    whole = left.read_bytes()
    made.recordings.shut(broken=False)
    (path,) = made.closed()
    path.unlink()
    # As a cut of power leaves them: a torn fragment, zeros at the end, no fragment, nothing.
    (left.parent / "10-00-00.part.mp4").write_bytes(whole)
    (left.parent / "10-00-01.part.mp4").write_bytes(whole[:-1])
    (left.parent / "10-00-02.part.mp4").write_bytes(whole + bytes(5000))
    (left.parent / "10-00-03.part.mp4").write_bytes(whole[:600])
    (left.parent / "10-00-04.part.mp4").write_bytes(b"")
    (left.parent / "10-00-05.part.mp4").symlink_to(tmp_path / "elsewhere")
    (left.parent / "10-00-02.mp4").write_bytes(b"taken")
    os.utime(left.parent / "10-00-02.part.mp4", (JUNE, JUNE))
    with Shelf(tmp_path, "door") as shelf:
        assert shelf.adopt() == 3
    names = sorted(entry.name for entry in left.parent.iterdir())
    assert names == [
        "10-00-00.mp4",
        "10-00-01.mp4",
        "10-00-02-2.mp4",
        "10-00-02.mp4",
        "10-00-05.part.mp4",
    ]
    assert numbers(left.parent / "10-00-00.mp4") == list(range(50))
    assert numbers(left.parent / "10-00-01.mp4") == list(range(25))
    assert numbers(left.parent / "10-00-02-2.mp4") == list(range(50))
    assert (left.parent / "10-00-02-2.mp4").stat().st_mtime == JUNE


class Stuck(Shelf):
    """A disk that hangs: nothing can be begun until the gate opens."""

    gate, reached = threading.Event(), threading.Event()

    def begin(self, wall_s):
        self.reached.set()
        self.gate.wait(60)
        return super().begin(wall_s)


def test_a_stuck_disk_holds_nobody_up(tmp_path):
    packets = encoded((safe(number) for number in range(900)), keyframe_s=1)
    Stuck.gate.clear()
    with recorder(tmp_path, wait=False, shelf=Stuck) as made:
        made.recordings.offer(packets[0])
        until(Stuck.reached.is_set)
        for packet in packets[1:]:
            made.recordings.offer(packet)
        assert not Stuck.gate.is_set()
        assert made.recordings.join(0.0) is False
        dropped = made.meters.value("output_dropped_total", output="recordings")
        assert dropped == 900 - made.recordings.holds
        Stuck.gate.set()
        made.end()
    # What it hung with, and what waited, from a keyframe on.
    got = all_numbers(made.place)
    assert got[0] == 0
    assert got[1:] == list(range(got[1], 900))
    assert got[1] % 25 == 0


def test_it_ends_in_time_with_the_segment_closed(tmp_path):
    threads, files = threading.active_count(), open_files()
    with recorder(tmp_path) as made:
        for number in range(30):
            made.encoder.take(safe(number))
        made.recordings.finish()
        assert made.recordings.join(10)
        assert all_numbers(made.place) == list(range(30))
    del made
    assert threading.active_count() == threads
    until(lambda: open_files() == files)


def test_many_segments_leave_no_open_files(tmp_path):
    with recorder(tmp_path, segment_s=1) as made:
        made.encoder.take(safe(0))
        until(lambda: opened(made.place))
        files = open_files()
        for number in range(1, 500):
            made.encoder.take(safe(number))
        until(lambda: len(made.recordings._slot) == 0)
        assert open_files() <= files + 2
        made.end()


def remove_tree(place: Path) -> None:
    for path in sorted(place.rglob("*"), reverse=True):
        with suppress(FileNotFoundError):
            path.rmdir() if path.is_dir() else path.unlink()
    place.rmdir()


@pytest.mark.parametrize("how", ["removed", "moved", "segment"])
def test_a_folder_that_vanishes_is_made_again(tmp_path, how):
    with recorder(tmp_path / "rec", encoding={"keyframe_s": 0.2}) as made:
        for number in range(30):
            made.encoder.take(safe(number))
        until(lambda: opened(made.place))
        if how == "removed":
            remove_tree(tmp_path / "rec")
        elif how == "moved":
            (tmp_path / "rec").rename(tmp_path / "moved")
        else:
            opened(made.place)[0].unlink()
        until(lambda: made.meters.value("output_failures_total", output="recordings") == 1)
        number = 30
        while not opened(made.place):
            made.encoder.take(safe(number))
            until(lambda: len(made.recordings._slot) == 0)
            number += 1
        made.end()
    assert all_numbers(made.place)[-1] == number - 1
    if how == "moved":  # what was there is whole
        assert all_numbers(tmp_path / "moved" / "door") == list(range(30))


def test_a_place_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    made = set_up(tmp_path / "file")
    with pytest.raises(OutputError, match="cannot record there") as caught:
        made.recordings.open_up()
    assert "\n" not in str(caught.value)


class Worn(Shelf):
    """A card that is worn out: it can be opened, and takes no byte."""

    def begin(self, wall_s):
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_disk_that_takes_nothing_is_one_line_and_is_left_more_and_more_alone(
    tmp_path, monkeypatch, caplog
):
    """What cannot begin with a keyframe is passed over, which is no success."""
    monkeypatch.setattr(worker, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(worker, "_LONGEST_PAUSE_S", 0.1)
    packets = encoded((safe(number) for number in range(50)), keyframe_s=0.2)
    assert sum(packet.keyframe for packet in packets) == 10
    numbered = itertools.count()
    with recorder(tmp_path, shelf=Worn) as made:

        def failed() -> bool:
            for packet in (*packets[1:], packets[0]):
                made.recordings.offer(replace(packet, index=next(numbered)))
            return made.meters.value("output_failures_total", output="recordings") > 8

        until(failed)
    (record,) = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert "Input/output error" in record.getMessage()
    assert made.recordings._pause_s == 0.1


def test_a_link_at_the_camera_s_name_is_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "rec").mkdir()
    (tmp_path / "rec" / "door").symlink_to(outside)
    with pytest.raises(OutputError, match="link") as caught:
        Shelf(tmp_path / "rec", "door")
    assert "\n" not in str(caught.value)
    assert list(outside.iterdir()) == []


def test_a_link_that_comes_to_stand_there_later_is_found_out(tmp_path):
    with Shelf(tmp_path, "door") as shelf:
        shelf.check()
        shelf.place.rename(tmp_path / "aside")
        shelf.place.symlink_to(tmp_path / "aside")
        with pytest.raises(OutputError, match="went away"):
            shelf.check()


def test_a_link_at_a_day_is_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    with Shelf(tmp_path, "door") as shelf:
        (shelf.place / "2026-06-09").symlink_to(outside)
        with pytest.raises(NotADirectoryError):
            shelf.begin(JUNE)
    assert list(outside.iterdir()) == []


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
