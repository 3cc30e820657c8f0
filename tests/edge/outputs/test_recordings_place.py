"""The place of segments: locks, left-overs, links; it hangs, fails or vanishes; open files."""

from __future__ import annotations

import errno
import itertools
import logging
import os
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from faceguard.edge.outputs import worker
from faceguard.edge.outputs.disk import Shelf
from faceguard.engines.errors import AlreadyRunning, OutputError
from tests.edge.outputs.recorded import encoded, numbers, safe
from tests.edge.outputs.recorder import JUNE, all_numbers, opened, recorder, set_up, take_all
from tests.edge.outputs.waiting import open_files, until


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
