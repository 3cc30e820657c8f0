"""No leak when tracker, redaction, memory, or a part of an output fails."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from faceguard.edge.budget import UNLIMITED, Budget
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.worker import Worker
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.types import Image, SafeFrame
from tests.edge.live.breaking import ERRORS, SEAMS, Breaker
from tests.edge.live.camera_faults import CameraFault
from tests.edge.live.faults import Script, copied
from tests.edge.live.house import House, until
from tests.edge.live.no_leak import ends_well, filmed, passing_by, plan
from tests.edge.live.scene import Scene

pytestmark = pytest.mark.usefixtures("hasty")


@pytest.mark.parametrize("seam", SEAMS)
def test_whatever_part_fails_shows_no_face(tmp_path, monkeypatch, seam):
    scene = Scene(there=passing_by)
    error = ERRORS["disk" if seam == "write segment" else "runtime"]
    breaker = Breaker(monkeypatch, seam, {2, 3, 7, 12, 13, 14, 20}, error)
    lost = [*[CameraFault.NONE] * 12, CameraFault.LOST] * 2
    # So that there are slates too, and a new pool now and then.
    changing = [*lost, *[CameraFault.NONE, CameraFault.OTHER_SIZE] * 12]
    camera = filmed(scene, Script(changing, CameraFault.NONE))
    with House(tmp_path, scene, camera=camera, settings=plan(2, 3)).start() as house:
        house.budget = Budget(paused=seam == "slate", reason="a test")
        until(lambda: breaker.broken > 1)
        house.budget = UNLIMITED
        ends_well(house)


def test_a_picture_that_is_covered_by_half_does_not_get_out(tmp_path, monkeypatch):
    """The second of two faces cannot be covered: the frame goes out covered whole."""
    scene = Scene()
    breaker = Breaker(monkeypatch, "cover one mask", range(2, 200, 2), ERRORS["value"])
    with House(tmp_path, scene).start() as house:
        until(lambda: breaker.is_over)
        ends_well(house)
    assert breaker.broken == 99
    assert house.meters.value("frames_whole_total", cause="redaction failed") >= 95


def test_a_frame_that_not_even_can_be_covered_whole_goes_nowhere(tmp_path, monkeypatch):
    scene = Scene()
    Breaker(monkeypatch, "copy", range(1, 30), ERRORS["memory"])
    breaker = Breaker(monkeypatch, "take memory", range(1, 30), ERRORS["memory"])
    with House(tmp_path, scene).start() as house:
        until(lambda: breaker.is_over)
        ends_well(house)
    assert house.dropped("redaction failed") >= 20


def test_without_memory_for_a_pool_frames_still_come_covered(tmp_path, monkeypatch):
    scene = Scene()
    breaker = Breaker(monkeypatch, "make pool", range(1, 20), ERRORS["memory"])
    with House(tmp_path, scene).start() as house:
        until(lambda: breaker.is_over)
        ends_well(house)
    assert house.dropped("failed") == 19


@pytest.mark.parametrize("copies", [1, 2])
def test_too_little_memory_drops_frames_and_never_shows_one_under_anothers_eyes(tmp_path, copies):
    """An output holds frames for long: they stay as they were, while others pass."""
    scene = Scene()

    class Holder(Worker[SafeFrame]):
        def __init__(self, meters: Meters, quiet: Quiet) -> None:
            super().__init__("holder", meters, quiet)
            self.wanted = copies
            self.held: list[tuple[SafeFrame, Image]] = []
            self.taken: list[Image] = []

        def take(self, thing: SafeFrame) -> None:
            self.taken.append(copied(thing.image))
            if len(self.held) < self.wanted:
                self.held.append((thing, self.taken[-1]))

    holders: list[Holder] = []

    def more(meters: Meters, quiet: Quiet) -> Iterable[Holder]:
        holders.append(Holder(meters, quiet))
        return holders

    with House(tmp_path, scene, more=more, copies=copies, outputs=["events"]).start() as house:
        holder = holders[0]
        until(lambda: house.dropped("pool") > 50)
        assert len(holder.held) == copies
        assert all(_is_same(safe.image, then) for safe, then in holder.held)
        holder.wanted = 0
        holder.held.clear()
        ends_well(house)


def _is_same(one: Image, other: Image) -> bool:
    return all(map(np.array_equal, one.planes, other.planes))
