"""No leak, whatever the camera does: faults, new connections, other sizes and formats."""

from __future__ import annotations

import random
import threading

import pytest

from faceguard.edge.cameras.base import Camera
from faceguard.edge.types import PixelFormat
from faceguard.engines.types import Detections, PixelSource
from tests.edge.live.camera_faults import CameraFault, FaultyCamera
from tests.edge.live.faults import Hanging, Script
from tests.edge.live.house import House, until
from tests.edge.live.no_leak import ends_well, filmed, passing_by, plan
from tests.edge.live.scene import SIZE, Scene, Truthful, Watermarked

pytestmark = pytest.mark.usefixtures("hasty")


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("change", ["connection", "size", "format"])
def test_the_first_frames_after_each_change_are_covered_whole_until_a_verdict(
    tmp_path, change, every
):
    scene = Scene()
    blind = threading.Event()

    class Shy(Truthful):
        """Fails for a while whenever it is told."""

        def detect(self, source: PixelSource) -> Detections:
            if blind.is_set():
                raise RuntimeError("not yet")
            return super().detect(source)

    opened = []

    def camera() -> Camera:
        number = len(opened)
        if number:
            blind.set()
        opened.append(number)
        size = (240, 144) if number % 2 and change == "size" else SIZE
        form = PixelFormat.NV12 if number % 2 and change == "format" else PixelFormat.I420
        script = Script(
            [*[CameraFault.NONE] * 20, *[CameraFault.LOST] * (number == 0)], CameraFault.NONE
        )
        return FaultyCamera(Watermarked(scene, size=size, form=form, rate=200), script)

    finder = Shy(scene)
    # The second connection must last, even on a machine that halts for a moment.
    settings = {**plan(every, 4), "supervision": {"frozen_after_s": 30}}
    with House(tmp_path, scene, camera=camera, finder=finder, settings=settings).start() as h:
        until(lambda: len([one for one in h.frames if one.session == 2]) > 10)
        second = [one for one in h.frames if one.session == 2]
        assert {one.cover.whole for one in second} == {"RuntimeError"}
        blind.clear()
        ends_well(h)
    first = [one for one in h.frames if one.session == 1]
    assert first[0].cover.whole is None


def test_no_fault_of_the_camera_shows_a_face(tmp_path):
    scene, hanging = Scene(there=passing_by), Hanging()
    faults = [fault for fault in CameraFault if fault is not CameraFault.END]
    random.Random(2).shuffle(faults)
    # A few good pictures between faults, or it would hardly ever be up.
    script = Script(
        [one for fault in faults for one in (fault, *[CameraFault.NONE] * 5)], CameraFault.NONE
    )
    camera = filmed(scene, script, hanging)
    with House(tmp_path, scene, camera=camera, settings=plan(2, 3)).start() as house:
        until(lambda: script.happened.total() > 6 * len(faults))
        hanging.release()
        ends_well(house)
    assert house.rooms.health.session > 5


def test_pictures_that_change_their_size_again_and_again_show_no_face(tmp_path):
    scene = Scene(there=passing_by)
    changing = [CameraFault.NONE, CameraFault.OTHER_SIZE, CameraFault.OTHER_FORMAT] * 20
    script = Script(changing, CameraFault.NONE)
    with House(
        tmp_path, scene, camera=filmed(scene, script, rate=50), settings=plan(3, 5)
    ).start() as house:
        until(lambda: script.happened.total() > len(changing))
        ends_well(house)
    assert len({(one.image.width, one.image.format) for one in house.frames}) > 2
