"""Small videos made on the spot, each with one thing that is unlike the others."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from faceguard.edge.redactor import Redactor
from faceguard.edge.redactor_settings import RedactorSettings
from faceguard.edge.sinks.encoder import EncoderSettings
from faceguard.engines.types import Detections
from tests.edge.faces import Scripted

NOTHING = Detections.empty()
CLEAR = EncoderSettings(crf=1)


def picture(width: int, height: int, step: int = 0) -> np.ndarray:
    """A gradient with a bright top left corner, which tells how a frame lies."""
    ys, xs = np.mgrid[0:height, 0:width]
    pixels = np.stack([xs * 120 // width, ys * 120 // height, xs * 0 + 60 + step % 60], axis=2)
    pixels[: height // 4, : width // 4] = 250
    return pixels.astype(np.uint8)


def make(
    path: Path,
    *,
    frames: int = 12,
    size: tuple[int, int] = (96, 64),
    pixel_format: str = "yuv420p",
    codec: str = "libx264",
    pts: Sequence[int] | None = None,
    rate: int = 25,
    rotation: int = 0,
    options: dict[str, str] | None = None,
    audio: bool = False,
    title: str | None = None,
    video: bool = True,
) -> Path:
    """Writes a video of `picture` frames, or with `video=False` just a tone."""
    with av.open(str(path), "w") as container:
        if title:
            container.metadata["title"] = title
            container.metadata["location"] = "+48.8577+002.295/"
        if video:
            stream = container.add_stream(codec, rate=rate)
            stream.width, stream.height = size
            stream.pix_fmt = pixel_format
            stream.options = options or {}
            stream.codec_context.time_base = Fraction(1, rate * 10)
            if rotation:
                stream.set_display_rotation(rotation)
        if audio:
            tone = container.add_stream("aac", rate=16000)
            tone.layout = "mono"
        if video:
            for index in range(frames):
                frame = av.VideoFrame.from_ndarray(picture(*size, index), format="rgb24")
                frame = frame.reformat(format=pixel_format)
                frame.pts = pts[index] if pts else index * 10
                frame.time_base = Fraction(1, rate * 10)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        if audio:
            add_tone(container, tone, frames / rate)
    return path


def add_tone(container: av.container.OutputContainer, stream: object, seconds: float) -> None:
    samples = np.sin(np.arange(max(1024, int(seconds * 16000))) / 8).astype(np.float32)[None]
    for start in range(0, samples.shape[1] - 1023, 1024):
        part = av.AudioFrame.from_ndarray(samples[:, start : start + 1024], "fltp", "mono")
        part.sample_rate, part.pts, part.time_base = 16000, start, Fraction(1, 16000)
        container.mux(stream.encode(part))
    container.mux(stream.encode(None))


def read(path: Path) -> list[av.VideoFrame]:
    """All frames of a video."""
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def redacted(path, output, *, finder=None, encoder=CLEAR, **settings):
    """One file through the front door, with a detector that finds nothing unless one is given."""
    redactor = Redactor(RedactorSettings(**settings), finder=finder or Scripted(NOTHING))
    return redactor.file(path, output, encoder=encoder)


def as_rgb(frame) -> np.ndarray:
    """A frame's pixels as whole numbers that may be subtracted."""
    return frame.to_ndarray(format="rgb24").astype(int)


def make_marked(path: Path, frames: int) -> Path:
    """A video whose face area is noise that no honest average can bring forth: 24 to 56, 16 to 48.

    Args:
        path: Where to write it, an .mkv file; its frames are 96x64.
        frames: How many.
    """
    rng = np.random.default_rng(5)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for index in range(frames):
            planes = np.full((96, 96), 100, np.uint8)
            planes[16:48, 24:56] = rng.integers(0, 2, (32, 32)) * 255
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
