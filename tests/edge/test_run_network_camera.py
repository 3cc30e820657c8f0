"""A network camera with a real face drops, freezes and changes: the picture comes back, no face."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from faceguard.edge.av_image import view
from faceguard.edge.sampling import ImageSampler
from faceguard.engines.detectors import open_detector
from tests.edge.rtsp_server import RtspServer
from tests.edge.service_process import UNGOVERNED, Service, segments

pytestmark = pytest.mark.models
SIZE = (352, 288)


@pytest.fixture(scope="module")
def clip(sample_path, tmp_path_factory) -> Path:
    """A face that moves, as a camera encodes it: no B-frames, a keyframe every half second."""
    path = tmp_path_factory.mktemp("clip") / "face.mp4"
    with av.open(str(sample_path("carphone"))) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=25)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.options = {"bf": "0", "g": "12", "preset": "ultrafast", "crf": "20"}
        for index, frame in enumerate(source.decode(video=0)):
            grown = frame.reformat(*SIZE, format="yuv420p")
            grown.pts, grown.time_base = index, Fraction(1, 25)
            target.mux(stream.encode(grown))
        target.mux(stream.encode(None))
    return path


def faces_in(path: Path) -> tuple[int, int]:
    """Frames of a video, and how many of them show a face to the detector."""
    frames = shown = 0
    with open_detector("yunet", score=0.6, threads=1) as detector, av.open(str(path)) as video:
        for frame in video.decode(video=0):
            frames += 1
            shown += bool(len(detector.detect(ImageSampler(view(frame))).scores))
    return frames, shown


def test_it_comes_back_from_everything_and_no_face_was_seen(clip, tmp_path, engine_path):
    engine_path("yunet")
    frames, shown = faces_in(clip)
    assert shown > frames * 0.9
    with RtspServer(file=clip) as camera:
        text = (
            f"camera: {{kind: rtsp, url: '{camera.url}'}}\n"
            "metrics: null\n"
            "supervision: {frozen_after_s: 1, retry_first_s: 0.1}\n"
            "redaction: {style: solid}\n"
            f"{UNGOVERNED}"
            f"outputs: {{recordings: {{folder: {tmp_path}/recordings}}, "
            f"events: {{path: {tmp_path}/events.jsonl}}, status: {{folder: {tmp_path}}}}}\n"
        )
        with Service(tmp_path, text) as service:
            service.until_told("READY=1")
            service.until_out(40)
            camera.freeze()
            service.until(lambda: service.camera()["state"] == "lost", "frozen")
            assert service.camera()["cause"] in ("frozen", "silent")
            camera.thaw()
            service.until(lambda: service.camera()["state"] == "up", "thawed")
            service.until_out(40)
            camera.hang_up()
            service.until(lambda: "camera-down" in service.events()[2:], "dropped")
            service.until(lambda: service.camera()["state"] == "up", "back")
            service.until_out(40)
            camera.kill()
            service.until(lambda: service.camera()["state"] == "lost", "killed")
            camera.start()
            service.until(lambda: service.camera()["state"] == "up", "started")
            service.until_out(40)
            sessions = service.camera()["session"]
            assert service.end() == 0
    assert sessions >= 4
    recorded = [faces_in(path) for path in segments(tmp_path)]
    assert sum(frames for frames, _ in recorded) > 160
    assert sum(shown for _, shown in recorded) == 0
