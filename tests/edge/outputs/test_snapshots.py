"""Snapshots: whole redacted pictures, no more than were asked for, in their own folder only."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from faceguard.edge.config.outputs import SnapshotsOutput
from faceguard.edge.outputs.album import Album
from faceguard.edge.outputs.snapshots import Snapshots
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.types import PixelFormat
from faceguard.engines.types import Region
from tests.edge.outputs.safe_frames import image, quarters, safe
from tests.edge.outputs.snapshot_events import NOISE, drained, event, shots
from tests.edge.outputs.waiting import open_files, until


def test_a_face_that_appears_is_a_picture_of_that_name(taking, tmp_path):
    output = taking()
    output.offer((safe(), event()))
    drained(output)
    assert shots(tmp_path / "shots") == ["front/2031-05-06/12-30-15-appears-3.jpg"]
    path = tmp_path / "shots/front/2031-05-06/12-30-15-appears-3.jpg"
    with Pillow.open(path) as picture:
        assert picture.size == (160, 96)
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.parent.stat().st_mode & 0o027 == 0


def test_only_what_was_asked_for(taking, tmp_path):
    output = taking(on=("leaves",))
    for kind in ("face-appears", "camera-up", "covered-whole"):
        output.offer((safe(), event(kind)))
        until(lambda: len(output._slot) == 0)
    output.offer((safe(), event("face-leaves")))
    drained(output)
    assert shots(tmp_path / "shots") == ["front/2031-05-06/12-30-15-leaves-3.jpg"]


def test_two_are_at_least_so_far_apart(taking, tmp_path):
    output = taking(least_s=2.0)
    for track, at_s in ((1, 0), (2, 1.9), (3, 2.0), (4, 3.9), (5, 4.1)):
        output.offer((safe(), event(track=track, at_s=at_s)))
        until(lambda: len(output._slot) == 0)
    drained(output)
    assert [int(name.split("-")[-1][:-4]) for name in shots(tmp_path / "shots")] == [1, 3, 5]


def test_a_name_that_is_taken_is_not_taken_twice(taking, tmp_path):
    for _ in range(3):
        output = taking()
        output.offer((safe(), event()))
        drained(output)
    stem = "front/2031-05-06/12-30-15-appears-3"
    assert shots(tmp_path / "shots") == [f"{stem}-2.jpg", f"{stem}-3.jpg", f"{stem}.jpg"]


def test_a_covered_face_is_not_in_it(taking, tmp_path):
    picture = np.full((96, 160, 3), 40, np.uint8)
    picture[30:60, 40:80] = (255, 255, 255)
    frame = safe(image(PixelFormat.NV12, picture), faces=(Region(40, 30, 80, 60),))
    output = taking()
    output.offer((frame, event()))
    drained(output)
    (name,) = shots(tmp_path / "shots")
    with Pillow.open(tmp_path / "shots" / name) as shown:
        assert np.asarray(shown).max() < 80


def test_only_redacted_frames_are_taken(taking, tmp_path, meters):
    output = taking()
    output.offer((image(PixelFormat.I420, quarters()), event()))
    drained(output)
    assert meters.value("output_failures_total", output="snapshots") == 1
    assert shots(tmp_path / "shots") == []


def test_a_clock_that_shows_nonsense_is_survived(taking, tmp_path):
    output = taking(keep_days=None)
    for wall_s in (float("nan"), float("inf"), -1e9, 1e18):
        output.offer((safe(), event(wall_s=wall_s)))
        until(lambda: len(output._slot) == 0)
    drained(output)
    assert len(shots(tmp_path / "shots")) == 4
    assert all(name.startswith("front/1970-01-01/") for name in shots(tmp_path / "shots"))


def test_settings_change_while_it_runs(taking, tmp_path):
    output = taking(quality=95)
    output.offer((safe(image(PixelFormat.I420, NOISE)), event(track=1)))
    until(lambda: len(shots(tmp_path / "shots")) == 1)
    before = output.box["settings"]
    output.box["settings"] = before.model_copy(update={"quality": 5})
    output.offer((safe(image(PixelFormat.I420, NOISE)), event(track=2)))
    drained(output)
    one, two = (tmp_path / "shots" / name for name in shots(tmp_path / "shots"))
    assert two.stat().st_size < one.stat().st_size / 4


@pytest.mark.parametrize("at", ["front", "front/2031-05-06"])
def test_links_are_not_followed(taking, tmp_path, meters, caplog, at):
    outside, link = tmp_path / "outside", tmp_path / "shots" / at
    outside.mkdir()
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)
    output = taking()
    output.offer((safe(), event()))
    until(lambda: meters.value("output_failures_total", output="snapshots") and caplog.records)
    drained(output)
    assert list(outside.iterdir()) == []
    assert "link" in caplog.records[0].getMessage()
    assert "\n" not in caplog.records[0].getMessage()


def test_the_folder_that_is_named_may_be_a_link(taking, tmp_path):
    (tmp_path / "large").mkdir()
    (tmp_path / "shots").symlink_to(tmp_path / "large")
    output = taking()
    output.offer((safe(), event()))
    drained(output)
    assert shots(tmp_path / "large") == ["front/2031-05-06/12-30-15-appears-3.jpg"]


def test_a_folder_that_goes_away_is_made_again(taking, tmp_path, meters):
    output = taking()
    output.offer((safe(), event(track=1)))
    until(lambda: len(shots(tmp_path / "shots")) == 1)
    (tmp_path / "shots").rename(tmp_path / "moved")
    output.offer((safe(), event(track=2)))
    drained(output)
    assert shots(tmp_path / "shots") == ["front/2031-05-06/12-30-15-appears-2.jpg"]
    assert len(shots(tmp_path / "moved")) == 1
    assert meters.value("output_failures_total", output="snapshots") == 0


def test_a_full_disk_leaves_no_half_picture_and_goes_on_when_there_is_room(
    small_disk, taking, meters
):
    output = taking(folder=small_disk)
    frame = safe(image(PixelFormat.I420, np.tile(NOISE, (2, 2, 1))))  # a megabyte as JPEG
    output.offer((frame, event()))
    until(lambda: meters.value("output_failures_total", output="snapshots") == 1)
    assert shots(small_disk) == []

    def works():
        output.offer((safe(), event()))
        return shots(small_disk)

    assert until(works)


def test_a_folder_that_cannot_be_made_is_one_line(taking, tmp_path, meters, caplog):
    (tmp_path / "file").write_text("")
    taking(folder=tmp_path / "file").offer((safe(), event()))
    until(lambda: meters.value("output_failures_total", output="snapshots") == 1)
    until(lambda: caplog.records)
    (said,) = {record.getMessage() for record in caplog.records}
    assert "outputs.snapshots.folder" in said
    assert "\n" not in said


def test_nothing_is_left_after_the_end(tmp_path, meters):
    settings = SnapshotsOutput(folder=tmp_path, least_s=0)
    files, threads = open_files(), threading.active_count()
    for track in range(10):
        with Snapshots(lambda: settings, "front", meters, Quiet(meters)) as output:
            output.start()
            output.offer((safe(), event(track=track)))
    assert open_files() == files
    assert threading.active_count() == threads
    assert len(shots(tmp_path)) == 10


class Slow:
    """Enlarges nothing, and waits until it is let go or given up; may fail."""

    def __init__(self):
        self.go, self.asked = threading.Event(), threading.Semaphore(0)
        self.is_given_up = False
        self.found = []
        self.fails = 0

    def expect(self):
        self.is_given_up = False

    def give_up(self):
        self.is_given_up = True

    def __call__(self, frame):
        self.asked.release()
        if self.fails:
            self.fails -= 1
            raise MemoryError
        until(lambda: self.is_given_up or self.go.is_set())
        self.found.append(self.is_given_up)
        return frame


def test_one_that_waits_hastens_the_one_in_work_and_nothing_else(taking):
    enlarge = Slow()
    output = taking(enlarge=enlarge, on=("appears",), least_s=2.0)
    output.offer((safe(), event(track=1)))
    assert enlarge.asked.acquire(timeout=20)
    # Neither of these is going to be written.
    output.offer((safe(), event("face-leaves", track=1, at_s=5)))
    output.offer((safe(), event(track=2, at_s=1)))
    assert not enlarge.is_given_up
    output.offer((safe(), event(track=3, at_s=3)))
    assert enlarge.asked.acquire(timeout=20)
    enlarge.go.set()
    drained(output)
    assert enlarge.found == [True, False]


def test_one_that_waited_before_the_other_was_begun_hastens_it_too(taking):
    enlarge = Slow()
    output = taking(enlarge=enlarge)
    output.offer((safe(), event(track=1)))
    assert enlarge.asked.acquire(timeout=20)
    output.offer((safe(), event(track=2, at_s=1)))
    output.offer((safe(), event(track=3, at_s=2)))
    enlarge.go.set()
    drained(output)
    assert enlarge.found == [True, True, False]


def test_after_one_that_could_not_be_enlarged_none_is_hastened_for_it(taking, meters):
    enlarge = Slow()
    enlarge.fails = 1
    output = taking(enlarge=enlarge)
    output.offer((safe(), event(track=1)))
    until(lambda: meters.value("output_failures_total", output="snapshots") == 1)
    output.offer((safe(), event("camera-up")))
    output.offer((safe(), event(track=2, at_s=1)))
    assert not enlarge.is_given_up


KILLED = """
import sys
from pathlib import Path
from faceguard.edge.outputs.album import Album
album = Album(Path(sys.argv[1]), "front")
print("begun", flush=True)
n = 0
while True:
    n += 1
    album.add(b"\\xff\\xd8" + bytes(200_000) + b"\\xff\\xd9", "appears", n, 1.9e9)
"""


def test_a_kill_leaves_whole_pictures_only(tmp_path):
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE
        ) as child:
            child.stdout.readline()
            begun = len(shots(tmp_path))
            until(lambda begun=begun: len(shots(tmp_path)) > begun + 5)
            child.kill()
    for name in shots(tmp_path):
        if not re.search(r"/\.[^/]*\.part\.jpg$", name):
            assert (tmp_path / name).read_bytes().endswith(b"\xff\xd9")
    Album(tmp_path, "front")
    assert all(not Path(name).name.startswith(".") for name in shots(tmp_path))
