"""A network camera of 1280x720 at 30 frames a second, in a process of its own.

It sends a clip with a face as it is stored, so that it costs little: no picture is encoded while
something is measured.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from benchmarks.parts.truth import ROOT, data_folder
from faceguard.engines.store import find_file

WIDTH, HEIGHT, RATE = 1280, 720, 30
# 720p as it is, in colour and daylight, taken from the hand: every block moves, as it does before
# no camera that hangs on a wall.
_IN_DATA = Path("video") / "liveportrait_source_s18.mp4"
_LEAST_FRAMES = 240
_OPTIONS = {
    # As cameras encode: high profile, no B-frames, a keyframe a second.
    "preset": "medium",
    "profile": "high",
    "crf": "23",
    "maxrate": "6000k",
    "bufsize": "6000k",
    "bf": "0",
    "g": str(RATE),
    "keyint_min": str(RATE),
    "sc_threshold": "0",
}


@dataclass(frozen=True)
class NetworkCamera:
    """One that runs.

    Attributes:
        url: Where it is.
        pid: Of its process.
    """

    url: str
    pid: int


class NoCamera(Exception):
    """There can be no network camera here; says why."""


def clip(given: Path | None = None) -> Path:
    """The clip that the camera sends, made once.

    Args:
        given: A video of one's own; None takes the larger data set's, or else the small sample.

    Raises:
        MissingModel: There is no video at all.
    """
    data = data_folder()
    source = given
    if source is None and data is not None and (data / _IN_DATA).is_file():
        source = data / _IN_DATA
    source = source or find_file("carphone")
    changed = source.stat()
    name = f"camera-{source.stem}-{changed.st_size}-{int(changed.st_mtime)}.mp4"
    made = ROOT / ".bench" / "clips" / name
    if not made.is_file():
        make_clip(source, made)
    return made


def make_clip(source: Path, into: Path) -> int:
    """Writes a video as a camera would send it.

    Scaled and padded to 1280x720; each picture is shown a thirtieth of a second, whatever its time
    was, so that none comes twice. A short one is played to and fro until it lasts.

    Returns:
        How many frames it has.
    """
    into.parent.mkdir(parents=True, exist_ok=True)
    part = into.with_name("part-" + into.name)
    written = 0
    with av.open(str(part), "w") as target:
        out: Any = target.add_stream("libx264", rate=RATE)
        out.width, out.height, out.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        out.codec_context.time_base = Fraction(1, RATE)
        out.options = _OPTIONS
        # One slice a picture: rtph264pay repeats parameter sets before each slice of a keyframe.
        out.thread_type, out.codec_context.thread_count = "FRAME", 0
        for frame in _enough(source):
            frame.pts, frame.time_base = written, Fraction(1, RATE)
            written += 1
            target.mux(out.encode(frame))
        target.mux(out.encode(None))
    part.replace(into)
    return written


@contextmanager
def camera(file: Path) -> Iterator[NetworkCamera]:
    """A camera that sends this file again and again: the one that the tests have.

    Raises:
        NoCamera: GStreamer's RTSP server is not installed.
    """
    server = importlib.import_module("tests.edge.rtsp_server")
    reason = server.why_not()
    if reason is not None:
        raise NoCamera(reason)
    with server.RtspServer(file=file) as running:
        yield NetworkCamera(running.url, running.pid)


def _enough(source: Path) -> Iterator[av.VideoFrame]:
    written, backwards = 0, False
    while written < _LEAST_FRAMES:
        with av.open(str(source)) as container:
            frames = _fitted(container)
            if written or backwards:  # only short ones come here, which memory holds
                kept = list(frames)
                frames = iter(kept[::-1] if backwards else kept)
            for frame in frames:
                written += 1
                yield frame
        backwards = not backwards
        if not written:
            return


def _fitted(container: Any) -> Iterator[av.VideoFrame]:  # noqa: ANN401 - PyAV's container
    for frame in container.decode(video=0):
        scale = min(WIDTH / frame.width, HEIGHT / frame.height)
        width, height = (2 * round(side * scale / 2) for side in (frame.width, frame.height))
        if (frame.width, frame.height) == (WIDTH, HEIGHT):
            fitted = frame.reformat(format="yuv420p")
            fitted.pict_type = av.video.frame.PictureType.NONE
            yield fitted
            continue
        pixels = cv2.resize(frame.to_ndarray(format="bgr24"), (width, height))
        whole = np.full((HEIGHT, WIDTH, 3), 16, np.uint8)
        top, left = (HEIGHT - height) // 2, (WIDTH - width) // 2
        whole[top : top + height, left : left + width] = pixels
        yield av.VideoFrame.from_ndarray(whole, format="bgr24").reformat(format="yuv420p")
