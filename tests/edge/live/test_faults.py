"""Faults on order are faults: detectors, cameras and outputs fail as asked, once, and go on."""

from __future__ import annotations

import threading
from contextlib import suppress
from fractions import Fraction

import pytest

from faceguard.edge.cameras.base import Shot
from faceguard.edge.meters import Meters
from faceguard.edge.redact import redact
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.style import Style
from faceguard.edge.types import Cover, Frame, SafeFrame
from faceguard.edge.verdict import Blind, Judge
from faceguard.engines.errors import CameraError
from faceguard.engines.types import Detections
from tests.edge.live.camera_faults import CameraFault, FaultyCamera
from tests.edge.live.faults import FINDER_FAULTS, FaultyFinder, FinderFault, Hanging, Script
from tests.edge.live.marks import find_watermarks
from tests.edge.live.output_faults import FaultyOutput, OutputFault
from tests.edge.live.scene import SIZE, Scene, Watermarked, number_of


@pytest.mark.parametrize("fault", [fault for fault in FINDER_FAULTS if fault.name != "HANG"])
def test_a_detectors_fault_blinds_or_still_holds_the_faces(fault):
    scene = Scene()
    finder = FaultyFinder(scene, Script([fault], FinderFault.NONE))
    judge = Judge(finder, timeout_s=20)
    found = judge.look(scene.image(3))
    if fault in (FinderFault.NONE, FinderFault.FAR, FinderFault.HUGE):
        assert isinstance(found, Detections)
        boxes = {tuple(box) for box in found.boxes.tolist()}
        truth = {(r.x0, r.y0, r.x1, r.y1) for r in scene.faces(3)}
        assert truth <= boxes
        assert len(boxes) > len(truth) or fault is FinderFault.NONE
    else:
        assert isinstance(found, Blind)
    assert isinstance(judge.look(scene.image(4)), Detections)
    assert finder.script.happened[fault] >= 1
    judge.close()


def test_a_detector_that_hangs_is_let_go():
    scene, hanging = Scene(), Hanging()
    judge = Judge(FaultyFinder(scene, Script([FinderFault.HANG], FinderFault.NONE), hanging))
    judge.timeout_s = 0.05
    assert judge.look(scene.image(0)) == Blind("time-out")
    assert hanging.entered.wait(20)
    hanging.release()
    judge.close()


def follows(shot: object, before: Shot) -> bool:
    """Whether a shot is what a camera without a fault gives next."""
    minute_ns = 60_000_000_000
    return (
        isinstance(shot, Shot)
        and (shot.image.width, shot.image.height) == SIZE
        and shot.image.format is before.image.format
        and shot.damaged == 0
        and 0 <= shot.captured_ns - before.captured_ns < minute_ns
        and 0 < shot.time_ns - before.time_ns < minute_ns
    )


@pytest.mark.parametrize(
    "fault", [fault for fault in CameraFault if not fault.name.startswith("HANG")]
)
def test_a_cameras_fault_comes_once_and_then_it_goes_on(fault):
    scene = Scene()
    first = [CameraFault.NONE, fault]
    with FaultyCamera(Watermarked(scene, paced=False), Script(first, CameraFault.NONE)) as camera:
        before = camera.read()
        try:
            bent = camera.read()
        except (CameraError, RuntimeError, MemoryError, OSError):
            bent = "raised"
        after = camera.read()
        assert after is not None
        assert number_of(after.image.planes[0]) == scene.filmed[-1] > 0
        assert follows(bent, before) == (fault is CameraFault.NONE)
        if fault in (CameraFault.OTHER_SIZE, CameraFault.OTHER_FORMAT):
            assert find_watermarks(bent.image, scene)
    assert camera.read() is None


@pytest.mark.parametrize("hard", [False, True])
def test_a_camera_that_hangs_is_let_go(hard):
    fault = CameraFault.HANG_HARD if hard else CameraFault.HANG
    hanging, ended = Hanging(), threading.Event()
    camera = FaultyCamera(Watermarked(Scene()), Script([fault], CameraFault.NONE), hanging)

    def read() -> None:
        with suppress(CameraError):
            camera.read()
        ended.set()

    thread = threading.Thread(target=read)
    thread.start()
    assert hanging.entered.wait(20)
    camera.close()
    if hard:
        assert not ended.wait(0.1)
        hanging.release()
    assert ended.wait(20)
    thread.join(20)


def safe_frame(scene: Scene, index: int) -> SafeFrame:
    frame = Frame(scene.image(index), index, index, Fraction(1, 25))
    return redact(frame, Cover(whole="test"), Style())


@pytest.mark.parametrize("seam", ["taking", "opening", "ticking", "shutting"])
@pytest.mark.parametrize("fault", [fault for fault in OutputFault if fault.name != "HANG"])
def test_an_output_fails_and_goes_on(seam, fault):
    scene, meters = Scene(), Meters()
    output = FaultyOutput(meters, Quiet(meters), capacity=50, **{seam: [fault]})
    output.start()
    for index in range(50):
        output.offer(safe_frame(scene, index))
    output.finish()
    assert output.join(20)
    failures = meters.value("output_failures_total", output="faulty")
    met = output.happened[fault] > 0 and fault is not OutputFault.NONE
    assert failures == (1 if met else 0)
    assert met or fault is OutputFault.NONE or seam == "ticking"
    assert len(output.taken) == 50 or (met and seam in ("taking", "opening"))


def test_an_output_that_hangs_holds_nobody_up_and_is_let_go():
    scene, meters, hanging = Scene(), Meters(), Hanging()
    output = FaultyOutput(meters, Quiet(meters), taking=[OutputFault.HANG], hanging=hanging)
    output.start()
    output.offer(safe_frame(scene, 0))
    assert hanging.entered.wait(20)
    for index in range(10):
        output.offer(safe_frame(scene, index))
    assert meters.value("output_dropped_total", output="faulty") == 6
    output.finish()
    assert not output.join(0.1)
    hanging.release()
    assert output.join(20)
    assert len(output.taken) == 5
