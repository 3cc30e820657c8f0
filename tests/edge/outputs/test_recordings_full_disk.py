"""A disk that is full, tiny or read-only: recording makes room or pauses, and comes back."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge.outputs.recorded import numbers, safe, tmpfs
from tests.edge.outputs.recorder import all_numbers, opened, recorder
from tests.edge.outputs.waiting import until

MB = 1_000_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    try:
        with tmpfs(tmp_path / "disk", "size=3m") as place:
            yield place
    except subprocess.CalledProcessError:
        pytest.skip("this machine does not let tests mount a tmpfs")


BIG = {"size": (240, 160), "noise": True}  # some 15 kB a frame
ROOM = {"crf": 23, "most_kbps": None, "keyframe_s": 0.4}


def free(place: Path) -> int:
    disk = os.statvfs(place)
    return disk.f_bavail * disk.f_frsize


def fill(disk: Path, leave: int) -> Path:
    """Somebody else's file, which leaves so many bytes."""
    ballast = disk / "ballast"
    with ballast.open("ab") as file:
        os.posix_fallocate(file.fileno(), 0, file.tell() + free(disk) - leave)
    return ballast


def test_the_oldest_go_to_keep_the_disk_free(disk):
    # Noise is large: many times the disk in all.
    with recorder(disk, segment_s=1, free_mb=1, encoding=ROOM) as made:
        for number in range(300):
            made.encoder.take(safe(number, **BIG))
        made.end()
        assert made.kinds() == []
        assert free(disk) > 0.5 * MB
    assert made.meters.value("recordings_removed_total", cause="disk") >= 2
    assert made.meters.value("recorded_bytes_total") > 3 * MB
    assert made.meters.value("output_failures_total", output="recordings") == 0
    # What is left is the newest, without a hole.
    left = all_numbers(made.place)
    assert left == list(range(left[0], 300))
    assert len(left) > 25


@pytest.mark.parametrize("free_mb", [1, 0])
def test_a_full_disk_pauses_until_there_is_room(disk, free_mb):
    """Somebody fills it: once with a limit of ours, once until a write fails half-way."""
    with recorder(disk, segment_s=60, free_mb=free_mb, encoding=ROOM) as made:
        number = 0

        def give(frames: int) -> None:
            nonlocal number
            for _ in range(frames):
                made.encoder.take(safe(number, **BIG))
                number += 1
            until(lambda: len(made.recordings._slot) == 0)

        give(30)
        until(lambda: opened(made.place))
        ballast = fill(disk, leave=250_000)
        while not made.events:
            give(5)
        assert made.meters.value("recording_paused") == 1
        assert made.kinds() == ["recording-paused"]
        assert made.events[0].fields["free_mb"] in (0, 1)
        until(lambda: not opened(made.place))
        (path,) = made.closed()
        first = numbers(path)
        assert first == list(range(len(first)))
        assert len(first) >= 25
        give(50)
        assert made.closed() == [path]
        ballast.unlink()
        until(lambda: made.kinds()[-1] == "recording-resumed")
        assert made.meters.value("recording_paused") == 0
        begin = number
        give(10)
        made.end()
        second = numbers(made.closed()[1])
        assert second == list(range(begin, begin + 10))
    assert made.meters.value("output_failures_total", output="recordings") == 0
    assert made.meters.value("recordings_removed_total", cause="disk") == 0


def test_with_no_room_left_the_oldest_make_some_and_nothing_is_lost(disk):
    """No limit of ours: writes fail for want of space, and are done again."""
    with recorder(disk, segment_s=1, free_mb=0, encoding=ROOM) as made:
        for number in range(300):
            made.encoder.take(safe(number, **BIG))
        made.end()
    assert made.kinds() == []
    assert made.meters.value("recordings_removed_total", cause="disk") >= 2
    left = all_numbers(made.place)
    assert left == list(range(left[0], 300))


def test_where_all_of_ours_would_not_help_none_goes(disk):
    with recorder(disk, segment_s=1, free_mb=1, encoding=ROOM) as made:
        for number in range(60):
            made.encoder.take(safe(number, **BIG))
        until(lambda: len(made.recordings._slot) == 0)
        before = len(made.closed())
        fill(disk, leave=100_000)
        until(lambda: made.events and not opened(made.place))
        assert made.kinds() == ["recording-paused"]
        assert len(made.closed()) >= before
        assert made.meters.value("recordings_removed_total", cause="disk") == 0
    assert all_numbers(made.place)[0] == 0


def test_a_full_disk_holds_up_nobody_who_waits_for_room(disk):
    """Files wait for the recorder; while it pauses it takes what comes, and drops it."""
    with recorder(disk, segment_s=60, free_mb=1, encoding=ROOM, wait=True) as made:
        fill(disk, leave=100_000)
        # Twice as many as it can hold.
        numbered = [safe(number) for number in range(2 * made.recordings.holds)]
        offering = threading.Thread(
            target=lambda: [made.encoder.take(frame) for frame in numbered], daemon=True
        )
        offering.start()
        offering.join(60)
        assert not offering.is_alive()
        assert made.kinds() == ["recording-paused"]
        made.end()
    assert made.closed() == []


def test_a_disk_of_a_few_hundred_kib(small_disk):
    """So small that hardly a segment fits: whatever is left plays."""
    with recorder(small_disk, segment_s=1, encoding=ROOM) as made:
        for number in range(60):
            made.encoder.take(safe(number, **BIG))
        made.end()
    got = all_numbers(made.place)
    assert got == sorted(set(got))
    assert opened(made.place) == []


def test_a_read_only_disk_that_becomes_writable(disk):
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with recorder(disk, encoding={"keyframe_s": 0.2}) as made:
        made.encoder.take(safe(0))
        until(lambda: made.meters.value("output_failures_total", output="recordings") >= 1)
        assert made.meters.value("output_up", output="recordings") == 0
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        until(lambda: made.meters.value("output_up", output="recordings") == 1)
        for number in range(1, 20):
            made.encoder.take(safe(number))
        made.end()
    assert all_numbers(made.place)[-1] == 19
