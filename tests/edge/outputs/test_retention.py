"""Old recordings go, for the right reasons and in the right order; and a full disk is survived."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from faceguard.edge.config.outputs import RecordingsOutput
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.disk import Shelf
from faceguard.edge.outputs.part import Kept
from faceguard.edge.outputs.retention import Retention
from faceguard.edge.service.quiet import Quiet
from tests.edge.outputs.recorded import numbers, safe, tmpfs
from tests.edge.outputs.recorder import NAME, all_numbers, opened, recorder
from tests.edge.outputs.waiting import until

DAY_S = 86_400
NOW = 1_781_000_000.0
MB = 1_000_000


class Clocks:
    """A wall clock that can be set, and one that only goes on."""

    def __init__(self) -> None:
        self.wall_s = NOW
        self.clock_s = 1000.0

    def go(self, seconds: float) -> None:
        self.wall_s += seconds
        self.clock_s += seconds


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def segment(folder: Path, name: str, *, mtime_s: float = NOW, size: int = 1000) -> Path:
    path = folder / NAME / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))
    os.utime(path, (mtime_s, mtime_s))
    return path


def names(folder: Path) -> list[str]:
    place = folder / NAME
    return sorted(p.relative_to(place).as_posix() for p in place.rglob("*") if p.name != ".lock")


def retention(
    folder: Path, clocks: Clocks, meters: Meters | None = None, earlier: Retention | None = None
) -> Retention:
    meters = meters or Meters()
    shelf = Shelf(folder, NAME)
    return Retention(
        shelf,
        meters,
        Quiet(meters),
        wall_s=lambda: clocks.wall_s,
        clock_s=lambda: clocks.clock_s,
        **({"earlier": earlier} if earlier else {}),
    )


def bounds(folder: Path, **settings) -> RecordingsOutput:
    return RecordingsOutput(folder=folder, **{"free_mb": 0, "keep_days": None, **settings})


def test_by_age(tmp_path, clocks):
    segment(tmp_path, "2026-06-01/10-00-00.mp4", mtime_s=NOW - 8 * DAY_S)
    segment(tmp_path, "2026-06-02/10-00-00.mp4", mtime_s=NOW - 7.1 * DAY_S)
    segment(tmp_path, "2026-06-02/11-00-00-12.mp4", mtime_s=NOW - 6.9 * DAY_S)
    meters = Meters()
    keeper = retention(tmp_path, clocks, meters)
    keeper.tick(bounds(tmp_path, keep_days=7), 0)
    assert names(tmp_path) == ["2026-06-02", "2026-06-02/11-00-00-12.mp4"]
    assert meters.value("recordings_removed_total", cause="age") == 2
    clocks.go(0.2 * DAY_S)
    keeper.tick(bounds(tmp_path, keep_days=7), 0)
    assert names(tmp_path) == []
    keeper.tick(bounds(tmp_path, keep_days=None, keep_gb=1), 0)


def test_by_size_the_oldest_first(tmp_path, clocks):
    for hour in range(10):
        segment(tmp_path, f"2026-06-01/{hour:02}-00-00.mp4", mtime_s=NOW + hour, size=100_000)
    meters = Meters()
    keeper = retention(tmp_path, clocks, meters)
    keeper.tick(bounds(tmp_path, keep_gb=5.5e-4), 0)
    assert [name[11:13] for name in names(tmp_path)[1:]] == ["05", "06", "07", "08", "09"]
    # The open segment counts, and the newest closed one stays.
    keeper.tick(bounds(tmp_path, keep_gb=5.5e-4), 250_000)
    assert [name[11:13] for name in names(tmp_path)[1:]] == ["08", "09"]
    keeper.tick(bounds(tmp_path, keep_gb=1e-9), 0)
    assert [name[11:13] for name in names(tmp_path)[1:]] == ["09"]
    assert meters.value("recordings_removed_total", cause="size") == 9


def test_a_few_at_a_time(tmp_path, clocks):
    for minute in range(50):
        segment(tmp_path, f"2026-06-01/10-{minute:02}-00.mp4", mtime_s=NOW - 9 * DAY_S)
    keeper = retention(tmp_path, clocks)
    left = [50]
    while left[-1]:
        keeper.tick(bounds(tmp_path, keep_days=7), 0)
        left.append(len(list(tmp_path.rglob("*.mp4"))))
        assert left[-2] - left[-1] <= 10
    assert len(left) > 5


def test_what_is_not_ours_stays(tmp_path, clocks):
    outside = tmp_path / "outside" / "2026-06-01" / "10-00-00.mp4"
    outside.parent.mkdir(parents=True)
    outside.write_bytes(b"precious")
    old = NOW - 100 * DAY_S
    place = tmp_path / "rec" / NAME
    ours = segment(tmp_path / "rec", "2026-06-01/10-00-00.mp4", mtime_s=old)
    others = [
        segment(tmp_path / "rec", name, mtime_s=old)
        for name in (
            "2026-06-01/holiday.mp4",
            "2026-06-01/10-00-00.mp4.bak",
            "2026-06-01/10-00-01.mkv",
            "2026-06-01/deep/10-00-00.mp4",
            "family/10-00-00.mp4",
            "10-00-00.mp4",
            "../gate/2026-06-01/10-00-00.mp4",
        )
    ]
    (place / "2026-06-02").symlink_to(outside.parent)
    (place / "2026-06-01" / "12-00-00.mp4").symlink_to(outside)
    os.utime(outside, (old, old))
    keeper = retention(tmp_path / "rec", clocks)
    keeper.tick(bounds(tmp_path / "rec", keep_days=1, keep_gb=1e-9), 0)
    assert not ours.exists()
    assert all(other.exists() for other in others)
    assert outside.read_bytes() == b"precious"
    assert (place / "2026-06-01" / "12-00-00.mp4").is_symlink()


def test_a_day_that_turns_into_a_link_meanwhile(tmp_path, clocks):
    old = segment(tmp_path, "2026-06-01/10-00-00.mp4", mtime_s=NOW - 9 * DAY_S)
    keeper = retention(tmp_path, clocks)
    aside = tmp_path / "aside"
    old.parent.rename(aside)
    (tmp_path / NAME / "2026-06-01").symlink_to(aside)
    keeper.tick(bounds(tmp_path, keep_days=7), 0)
    assert (aside / "10-00-00.mp4").exists()


def test_days_without_anything_go(tmp_path, clocks):
    (tmp_path / NAME / "2026-05-01").mkdir(parents=True)
    (tmp_path / NAME / "2026-05-02").mkdir()
    (tmp_path / NAME / "2026-05-02" / "notes").mkdir()
    retention(tmp_path, clocks)
    assert names(tmp_path) == ["2026-05-02", "2026-05-02/notes"]


def test_before_the_clock_is_set_nothing_is_old(tmp_path, clocks):
    early = segment(tmp_path, "1970-01-01/00-00-20.mp4", mtime_s=20)
    settings = bounds(tmp_path, keep_days=7)
    clocks.wall_s = 3000
    keeper = retention(tmp_path, clocks)
    keeper.tick(settings, 0)
    # The clock is set: that is a jump, after which it may jump back.
    clocks.wall_s = NOW
    keeper.tick(settings, 0)
    clocks.go(700)
    keeper.tick(settings, 0)
    # From the moment on at which the day is known, it counts.
    assert early.stat().st_mtime == NOW + 700
    clocks.go(6.9 * DAY_S)
    keeper.tick(settings, 0)
    assert early.exists()
    clocks.go(0.2 * DAY_S)
    keeper.tick(settings, 0)
    assert not early.exists()


def test_a_clock_that_jumps_ahead_for_a_while_costs_nothing(tmp_path, clocks):
    kept = segment(tmp_path, "2026-06-01/10-00-00.mp4", mtime_s=NOW - DAY_S)
    settings = bounds(tmp_path, keep_days=7)
    keeper = retention(tmp_path, clocks)
    keeper.tick(settings, 0)
    clocks.wall_s += 365 * DAY_S
    for _ in range(10):
        keeper.tick(settings, 0)
        clocks.go(10)
    clocks.wall_s -= 365 * DAY_S
    clocks.go(10_000)
    keeper.tick(settings, 0)
    assert kept.exists()


BOOT = NOW - 400 * DAY_S  # where a board without a clock of its own believes to be


def written(folder: Path, keeper: Retention, name: str, clocks: Clocks, size: int = 1000) -> Path:
    """A segment that this run has just finished."""
    path = segment(folder, name, mtime_s=clocks.wall_s, size=size)
    keeper.add(Kept(path.parent.name, path.name, path.stat().st_blocks * 512, clocks.wall_s))
    return path


@pytest.fixture
def booted(tmp_path, clocks):
    """What a run of yesterday left, and what this one wrote before and after the clock was set."""
    found = segment(tmp_path, "2026-06-08/10-00-00.mp4", mtime_s=NOW - DAY_S)
    clocks.wall_s = BOOT
    keeper = retention(tmp_path, clocks)
    early = []
    for minute in range(3):
        clocks.go(60)
        early.append(written(tmp_path, keeper, f"2025-05-05/10-{minute:02}-00.mp4", clocks))
        keeper.tick(bounds(tmp_path, keep_days=7), 0)
    clocks.wall_s += NOW - BOOT
    return keeper, found, early


def test_footage_from_before_the_clock_was_set_is_as_young_as_it_is(tmp_path, clocks, booted):
    keeper, _, early = booted
    settings = bounds(tmp_path, keep_days=7)
    keeper.tick(settings, 0)
    times = [NOW + 60, NOW + 120, NOW + 180]
    assert [path.stat().st_mtime for path in early] == times
    clocks.go(700)
    keeper.tick(settings, 0)
    assert [path.exists() for path in early] == [True] * 3
    # Not for ever, and so says the disk to the next run as well.
    clocks.go(6.9 * DAY_S)
    keeper.tick(settings, 0)
    keeper._shelf.close()
    keeper = retention(tmp_path, clocks)
    keeper.tick(settings, 0)
    assert [path.exists() for path in early] == [True] * 3
    clocks.go(0.2 * DAY_S)
    keeper.tick(settings, 0)
    assert names(tmp_path) == []


@pytest.mark.parametrize("looks", [False, True])
def test_footage_from_before_the_clock_was_set_is_newer_than_what_was_there(
    tmp_path, clocks, booted, looks
):
    keeper, found, early = booted
    if looks:
        clocks.go(601)
        keeper.tick(bounds(tmp_path), 0)
    last = written(tmp_path, keeper, "2026-06-09/10-14-00.mp4", clocks)
    for gone in (found, *early):
        assert keeper.remove_oldest("disk")
        assert not gone.exists()
    assert not keeper.remove_oldest("disk")
    assert last.exists()


def test_before_the_clock_is_set_what_was_there_goes_first(tmp_path, clocks):
    """It seems to be of the future by then."""
    found = segment(tmp_path, "2026-06-08/10-00-00.mp4", mtime_s=NOW - DAY_S)
    clocks.wall_s = BOOT
    keeper = retention(tmp_path, clocks)
    early = [written(tmp_path, keeper, f"2025-05-05/10-0{n}-00.mp4", clocks) for n in range(2)]
    clocks.go(601)
    keeper.tick(bounds(tmp_path), 0)
    assert keeper.remove_oldest("disk")
    assert (found.exists(), early[0].exists()) == (False, True)


def test_a_jump_that_is_taken_back_leaves_the_times_as_they_were(tmp_path, clocks):
    keeper = retention(tmp_path, clocks)
    before = written(tmp_path, keeper, "2026-06-09/10-00-00.mp4", clocks)
    clocks.go(300)
    clocks.wall_s += 30 * DAY_S
    between = written(tmp_path, keeper, "2026-07-09/10-05-00.mp4", clocks)
    assert before.stat().st_mtime == NOW + 30 * DAY_S
    clocks.go(300)
    clocks.wall_s -= 30 * DAY_S
    keeper.tick(bounds(tmp_path, keep_days=7), 0)
    assert (before.stat().st_mtime, between.stat().st_mtime) == (NOW, NOW + 300)
    clocks.go(700)
    keeper.tick(bounds(tmp_path, keep_days=7), 0)
    assert before.exists()
    assert between.exists()


def test_a_folder_that_is_opened_anew_forgets_nothing_of_this_run(tmp_path, clocks):
    clocks.wall_s = BOOT
    first = retention(tmp_path, clocks)
    early = written(tmp_path, first, "2025-05-05/10-00-00.mp4", clocks)
    first._shelf.close()
    clocks.wall_s += NOW - BOOT
    again = retention(tmp_path, clocks, earlier=first)
    again.tick(bounds(tmp_path, keep_days=7), 0)
    clocks.go(700)
    again.tick(bounds(tmp_path, keep_days=7), 0)
    assert early.exists()
    assert early.stat().st_mtime == NOW


def test_where_the_disk_s_own_clock_is_another_its_times_are_left_alone(tmp_path, clocks):
    """A network file system whose server knows the time."""
    clocks.wall_s = BOOT
    keeper = retention(tmp_path, clocks)
    path = segment(tmp_path, "2025-05-05/10-00-00.mp4", mtime_s=NOW)
    keeper.add(Kept(path.parent.name, path.name, 1000, NOW))
    clocks.wall_s += NOW - BOOT
    keeper.tick(bounds(tmp_path, keep_days=7), 0)
    assert path.stat().st_mtime == NOW


def test_what_others_removed_or_added_is_found_out(tmp_path, clocks):
    first = segment(tmp_path, "2026-06-01/10-00-00.mp4", mtime_s=NOW, size=100_000)
    second = segment(tmp_path, "2026-06-01/11-00-00.mp4", mtime_s=NOW + 1, size=100_000)
    third = segment(tmp_path, "2026-06-01/12-00-00.mp4", mtime_s=NOW + 2, size=100_000)
    meters = Meters()
    keeper = retention(tmp_path, clocks, meters)
    first.unlink()
    assert keeper.remove_oldest("size")
    assert (second.exists(), third.exists()) == (False, True)
    assert meters.value("recordings_removed_total", cause="size") == 1
    segment(tmp_path, "2026-06-01/13-00-00.mp4", size=400_000)
    clocks.go(601)
    keeper.tick(bounds(tmp_path), 0)
    assert keeper.total > 400_000


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
