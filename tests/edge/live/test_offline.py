"""A file through the camera's rooms gets the same masks as through `faceguard redact`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest

from faceguard.edge.cameras.file import VideoFile
from faceguard.edge.config.camera import FileCamera
from faceguard.edge.redactor import Redactor
from faceguard.edge.redactor_settings import RedactorSettings
from faceguard.edge.types import Cover, SafeFrame
from faceguard.edge.verdict import FaceFinder
from faceguard.engines.detectors import open_detector
from faceguard.engines.types import Detections, PixelSource
from tests.edge.live.house import House, Kept, decoded, until
from tests.edge.live.scene import Scene, Truthful, boxed
from tests.edge.outputs.recorder import closed
from tests.edge.service_process import UNGOVERNED

SIZE = (160, 96)


@dataclass(frozen=True)
class Shown:
    """What of a frame must be the same."""

    cover: Cover
    tracks: tuple[int, ...]
    scores: tuple[float, ...]


def shown(frame: SafeFrame | Kept) -> Shown:
    masks = frame.cover.masks
    return Shown(frame.cover, tuple(m.track for m in masks), tuple(m.score for m in masks))


class Wavering(Truthful):
    """Misses a face now and then, is sure of it or not, and sees one where there is none."""

    def detect(self, source: PixelSource) -> Detections:
        index = self.look(source)
        self.looks += 1
        if index is None:
            return Detections.empty()
        rng = np.random.default_rng(index)
        faces = [
            face.grown(*rng.uniform(0, 3, 2))
            for face in self.scene.faces(index, (source.width, source.height))
            if rng.random() > 0.3
        ]
        return boxed(faces, float(rng.uniform(0.45, 1)))


def film(path: Path, frames: int) -> Scene:
    """Writes the scene to a file, without loss."""
    scene = Scene(there=lambda index, face: (index + 13 * face) // 20 % 3 != 2)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for index in range(frames):
            image = scene.image(index)
            packed = np.concatenate([plane.ravel() for plane in image.planes])
            rows = packed.reshape(SIZE[1] * 3 // 2, SIZE[0])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rows, format="yuv420p")))
        container.mux(stream.encode(None))
    return scene


def redacted(
    source: Path, folder: Path, finder: FaceFinder | None, every: int, look_ahead: int
) -> list[Shown]:
    """What `faceguard redact` makes of a file."""
    settings = RedactorSettings(detector="yunet", detect_every=every, look_ahead=look_ahead)
    frames: list[Shown] = []
    with Redactor(settings, finder=finder) as redactor:
        redactor.file(
            source, folder / "redact.mkv", on_frame=lambda safe: frames.append(shown(safe))
        )
    return frames


def run(source: Path, folder: Path, finder: FaceFinder, every: int, look_ahead: int) -> House:
    """The same file through the rooms, to its end."""
    config = FileCamera(kind="file", path=source, paced=False)
    with House(
        folder,
        Scene(faces=0),
        camera=lambda: VideoFile(config),
        finder=finder,
        wait=True,
        settings={"detector": {"every": every}, "tracking": {"look_ahead": look_ahead}},
    ).start() as house:
        until(house.ended.is_set, within_s=120)
        assert house.finish() == []
    return house


@pytest.mark.parametrize(
    ("every", "look_ahead", "frames"),
    [(1, 0, 60), (2, 5, 60), (2, 1, 61), (3, 15, 62), (5, 4, 63), (5, 30, 20)],
)
def test_masks_are_the_same_frame_by_frame(tmp_path, every, look_ahead, frames):
    source = tmp_path / "scene.mkv"
    scene = film(source, frames)
    offline = redacted(source, tmp_path, Wavering(scene), every, look_ahead)
    house = run(source, tmp_path, Wavering(scene), every, look_ahead)
    live = [shown(one) for one in house.frames]
    assert len(live) == frames
    assert live == offline
    assert sum(map(len, (one.tracks for one in live))) > frames / 2
    assert 0 in {score for one in live for score in one.scores}  # tracks coast, reach back, wait
    assert len(house.recorded()) == frames


@pytest.fixture
def yunet(engine_path: Callable[[str], Path]) -> None:
    engine_path("yunet")


@pytest.mark.models
def test_masks_of_a_real_clip_are_the_same_frame_by_frame(tmp_path, yunet, sample_path):
    source = sample_path("carphone")
    offline = redacted(source, tmp_path, None, 2, 5)
    with open_detector("yunet", score=0.3, threads=1) as detector:
        # As Current works it out for the configuration.
        house = run(source, tmp_path, detector, 2, 5)
        assert house.current.scores.keep == pytest.approx(0.3)
    live = [shown(one) for one in house.frames]
    assert sum(len(one.tracks) for one in offline) > 100
    assert live == offline
    assert len(house.recorded()) == len(live)


@pytest.mark.models
def test_the_command_records_as_many_frames_as_redact_writes(tmp_path, yunet, sample_path):
    source = sample_path("carphone")
    config = tmp_path / "faceguard.yaml"
    config.write_text(
        f"""
name: clip
camera: {{kind: file, path: "{source}", paced: false}}
detector: {{model: yunet, engine: none, every: 2}}
tracking: {{look_ahead: 5}}
outputs:
  recordings: {{folder: recordings, free_mb: 0}}
  events: {{path: events.jsonl}}
  status: {{folder: .}}
metrics: null
{UNGOVERNED}"""
    )
    command = [sys.executable, "-m", "faceguard.edge.cli", "run", "--config", str(config)]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    offline = redacted(source, tmp_path, None, 2, 5)
    segments = closed(tmp_path / "recordings" / "clip")
    assert sum(len(decoded(path)) for path in segments) == len(offline)
