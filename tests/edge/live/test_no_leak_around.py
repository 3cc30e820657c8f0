"""No leak by what is around the pictures: outputs, disk, clocks, errors, reloads."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pytest

from faceguard.edge.meters import Meters
from faceguard.edge.outputs.worker import Worker
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.types import SafeFrame
from faceguard.engines.errors import UsageError
from faceguard.engines.types import Detections, PixelSource
from tests.edge.live.breaking import Clocks
from tests.edge.live.camera_faults import CameraFault
from tests.edge.live.faults import Hanging, Script
from tests.edge.live.house import House, until
from tests.edge.live.no_leak import ends_well, filmed, passing_by, plan
from tests.edge.live.output_faults import FaultyOutput, OutputFault
from tests.edge.live.scene import Scene, Truthful

pytestmark = pytest.mark.usefixtures("hasty")


def fill_up(place: Path) -> None:
    """Leaves not a byte on a small disk."""
    with suppress(OSError), place.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


@pytest.mark.parametrize("fault", [one for one in OutputFault if one is not OutputFault.NONE])
def test_an_output_that_fails_takes_no_other_with_it(tmp_path, fault):
    scene, hanging = Scene(there=passing_by), Hanging()

    def more(meters: Meters, quiet: Quiet) -> Iterable[Worker[SafeFrame]]:
        broken = [OutputFault.NONE, fault, fault] * 10
        how = {"taking": broken, "ticking": [fault], "opening": [fault], "shutting": [fault]}
        return [FaultyOutput(meters, quiet, hanging=hanging, **how)]

    with House(tmp_path, scene, more=more).start() as house:
        until(lambda: house.more[0].happened[fault] > 1 or hanging.entered.is_set())
        before = len(house.frames)
        until(lambda: len(house.frames) > before + 30)
        hanging.release()
        ends_well(house)
    assert len(house.recorded()) > 30


def test_a_disk_that_fills_up_shows_no_face_and_stops_no_other_output(small_disk, tmp_path):
    scene = Scene(there=passing_by)
    parts = {"recordings": {"folder": str(small_disk / "v"), "free_mb": 0, "segment_s": 1}}
    parts["snapshots"] = {"folder": str(small_disk / "s"), "least_s": 0}
    parts["events"] = {"path": str(tmp_path / "events.jsonl")}
    how = {"outputs": parts, "encoder": {"crf": 0}}
    filler = small_disk / "filler"
    with House(tmp_path, scene, settings=how).start() as house:
        until(lambda: house.meters.value("recorded_bytes_total") > 0)
        fill_up(filler)
        until(lambda: house.meters.value("recording_paused") == 1)
        before = len(house.frames)
        until(lambda: len(house.frames) > before + 30)
        filler.unlink()
        (tmp_path / "recordings").symlink_to(small_disk / "v")
        (tmp_path / "snapshots").symlink_to(small_disk / "s")
        ends_well(house)
    assert "recording-paused" in [event.kind for event in house.events]


def test_clocks_that_leap_show_no_face_and_stop_nothing(tmp_path, monkeypatch):
    scene, clocks = Scene(there=passing_by), Clocks(monkeypatch)
    script = Script([*[CameraFault.NONE] * 30, CameraFault.LOST] * 4, CameraFault.NONE)
    with House(tmp_path, scene, camera=filmed(scene, script), settings=plan(2, 3)).start() as house:
        house.wall_s = clocks.wall_s
        for ahead_s, wall_s in ((0, -86400), (3600, 0), (3600, 10**9), (7200, -(10**9)), (7200, 0)):
            clocks.ahead_ns, clocks.wall_ahead_s = ahead_s * 10**9, wall_s
            before = len(house.kept)
            until(lambda before=before: len(house.kept) > before + 25)
        ends_well(house)
    times = [one.pts for one in house.kept]
    assert times == sorted(set(times))


def test_a_picture_in_the_words_of_an_error_does_not_get_into_the_log(tmp_path):
    scene = Scene()

    class Talkative(Truthful):
        def detect(self, source: PixelSource) -> Detections:
            found = super().detect(source)
            if self.looks < 10:
                face = scene.faces(self.seen[-1])[0]
                raise ValueError(f"cannot take {source.sample_bgr(face, 12, 12)[..., 1]}")
            return found

    with House(tmp_path, scene, finder=Talkative(scene)).start() as house:
        ends_well(house)
    assert any("cannot take" in text for text in house.texts())


def test_a_configuration_that_is_refused_changes_nothing(tmp_path):
    scene = Scene(there=passing_by)
    with House(tmp_path, scene, settings=plan(2, 3)).start() as house:
        until(lambda: house.frames)
        for _ in range(5):
            with pytest.raises(UsageError):
                house.change(detector={"every": "never"})
            house.change(**plan(2, 3, style="blur"))
        ends_well(house)
