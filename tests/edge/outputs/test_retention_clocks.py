"""What is old while clocks jump: nothing goes too early, whenever the clock was set."""

from __future__ import annotations

from pathlib import Path

import pytest

from faceguard.edge.outputs.part import Kept
from faceguard.edge.outputs.retention import Retention
from tests.edge.outputs.old_segments import DAY_S, NOW, Clocks, bounds, names, retention, segment


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
