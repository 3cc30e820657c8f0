"""Old recordings go, for the right reasons and in the right order, and nothing else does."""

from __future__ import annotations

import os

from faceguard.edge.meters import Meters
from tests.edge.outputs.old_segments import DAY_S, NOW, bounds, names, retention, segment
from tests.edge.outputs.recorder import NAME


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
