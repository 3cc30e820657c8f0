"""Snapshots: which go and when, and that nothing else does."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceguard.edge.outputs.album import Album
from faceguard.edge.outputs.steady_clock import SteadyClock, since_boot_s
from faceguard.engines.errors import OutputError
from tests.edge.outputs.safe_frames import safe
from tests.edge.outputs.snapshot_events import DAY_S, NOON, drained, event, shots
from tests.edge.outputs.waiting import until


class TestRetention:
    @pytest.fixture
    def album(self, tmp_path):
        return Album(tmp_path, "front")

    def test_old_ones_go_and_so_do_their_folders(self, album, tmp_path):
        for number in range(6):
            album.add(b"x" * 5000, "appears", number, NOON - number * DAY_S)
        assert album.remove_older(NOON - 2.5 * DAY_S) == 3
        assert [name[6:16] for name in shots(tmp_path)] == [
            "2031-05-04",
            "2031-05-05",
            "2031-05-06",
        ]
        assert len(list((tmp_path / "front").iterdir())) == 3

    def test_within_a_day_the_time_counts(self, album, tmp_path):
        album.add(b"x", "appears", 1, NOON - 10)
        album.add(b"x", "appears", 2, NOON + 10)
        assert album.remove_older(NOON) == 1
        assert shots(tmp_path) == ["front/2031-05-06/12-30-25-appears-2.jpg"]

    def test_those_from_before_the_clock_was_set_have_no_age(self, album, tmp_path):
        album.add(b"x", "appears", 1, 0.0)
        assert album.remove_older(NOON) == 0
        assert album.remove_beyond(0) == 1
        assert shots(tmp_path) == []

    def test_beyond_the_size_the_oldest_go(self, album, tmp_path):
        for number in range(10):
            album.add(b"x" * 8000, "appears", number, NOON + number * DAY_S / 2)
        one = album.total / 10
        album.remove_beyond(one * 4)
        assert [int(name.split("-")[-1][:-4]) for name in shots(tmp_path)] == [6, 7, 8, 9]
        assert album.total == one * 4
        album.look()
        assert album.total == one * 4

    def test_nothing_else_is_ever_touched(self, album, tmp_path):
        outside = tmp_path / "outside" / "2031-05-05"
        outside.mkdir(parents=True)
        (outside / "12-30-15-appears-3.jpg").write_bytes(b"mine")
        front = tmp_path / "front"
        day = front / "2031-05-06"
        day.mkdir()
        (front / "2031-05-05").symlink_to(outside)
        (front / "2031-05-04").write_text("a file")
        (front / "notes.txt").write_text("mine")
        (front / "other").mkdir()
        (front / "other" / "12-30-15-appears-3.jpg").write_bytes(b"mine")
        (day / "holiday.jpg").write_bytes(b"mine")
        (day / "12-30-16-appears-1.jpg").symlink_to(day / "holiday.jpg")
        (day / "12-30-17-appears-1.jpg").mkdir()
        before = shots(tmp_path)
        album.add(b"x", "appears", 3, NOON)
        album.look()
        assert album.remove_older(NOON + 100 * DAY_S) == 1
        assert album.remove_beyond(0) == 0
        assert shots(tmp_path) == before

    def test_the_output_keeps_its_bounds(self, taking, tmp_path, meters):
        now = time.time()
        album = Album(tmp_path, "front")
        for number in range(4):
            album.add(b"x" * 3000, "appears", number, now - number * 10 * DAY_S)
        output = taking(folder=tmp_path, keep_days=15.0)
        until(lambda: len(shots(tmp_path)) == 2)
        output.box["settings"] = output.box["settings"].model_copy(update={"keep_mb": 0.020})
        for number in range(10):
            output.offer((safe(), event(track=number, wall_s=now)))
            until(lambda: len(output._slot) == 0)
        drained(output)
        assert sum((tmp_path / n).stat().st_blocks * 512 for n in shots(tmp_path)) <= 20_000
        assert meters.value("output_failures_total", output="snapshots") == 0

    @settings(max_examples=25)
    @given(
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 40_000)), max_size=12),
        st.integers(0, 100_000),
    )
    def test_what_goes_is_always_the_oldest_and_no_more_than_need_be(
        self, tmp_path_factory, pictures, most
    ):
        folder = tmp_path_factory.mktemp("album")
        album = Album(folder, "front")
        for number, (day, size) in enumerate(pictures):
            album.add(b"x" * size, "appears", number, NOON + day * DAY_S + number)
        before = shots(folder)
        sizes = {name: (folder / name).stat().st_blocks * 512 for name in before}
        album.remove_beyond(most)
        left = shots(folder)
        assert left == before[len(before) - len(left) :]
        assert sum(sizes[name] for name in left) <= most
        if len(left) < len(before):
            assert sum(sizes[name] for name in [before[-len(left) - 1], *left]) > most


class Clocks:
    wall_s = NOON
    now_s = 100.0


def test_after_a_jump_of_the_clock_nothing_is_old_for_a_while():
    clocks = Clocks()
    steady = SteadyClock(wall_s=lambda: clocks.wall_s, clock_s=lambda: clocks.now_s)
    assert steady.is_trusted()
    clocks.wall_s += 365 * DAY_S
    assert not steady.is_trusted()
    for _ in range(59):
        clocks.wall_s += 10
        clocks.now_s += 10
        assert not steady.is_trusted()
    clocks.wall_s += 10
    clocks.now_s += 10
    assert steady.is_trusted()


def test_a_clock_that_was_never_set_is_not_trusted():
    assert not SteadyClock(wall_s=lambda: 1000.0, clock_s=lambda: 0.0).is_trusted()


def test_a_jump_is_told_once_and_by_how_much():
    clocks = Clocks()
    steady = SteadyClock(wall_s=lambda: clocks.wall_s, clock_s=lambda: clocks.now_s)
    assert steady.jumped_s() == 0
    clocks.wall_s += 300
    assert not steady.is_trusted()
    clocks.wall_s -= 100
    clocks.now_s += 10
    assert steady.jumped_s() == 190
    assert steady.jumped_s() == 0
    for _ in range(100):  # a clock that is drawn to the right time bit by bit
        clocks.wall_s += 10
        assert steady.jumped_s() == 0


def test_sleep_is_no_jump():
    """The clock that the wall clock is held against goes on while the machine sleeps."""
    assert abs(since_boot_s() - float(Path("/proc/uptime").read_text().split()[0])) < 60


def test_too_many_of_one_second_is_an_error(tmp_path):
    album = Album(tmp_path, "front")
    for _ in range(99):
        album.add(b"x", "appears", 1, NOON)
    with pytest.raises(OutputError, match="too many"):
        album.add(b"x", "appears", 1, NOON)
