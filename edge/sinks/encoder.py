"""Choosing a video encoder and setting it up for the frames that it will get."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error

from faceguard.engines.errors import UsageError

_CODEC = {".webm": "libvpx-vp9"}
_TAKES_PRESET = {"libx264", "libx264rgb", "libx265"}
_WORST_CRF = 51
_TAKES_CRF = _TAKES_PRESET | {"libvpx", "libvpx-vp9", "libaom-av1", "libsvtav1"}


@dataclass(frozen=True)
class EncoderSettings:
    """How a video is encoded.

    Attributes:
        codec: FFmpeg's name of an encoder; None takes libx264, or libvpx-vp9 for `.webm`.
        crf: Constant rate factor, lower is better and larger; None leaves it to the encoder.
        preset: Speed against size. The default suits devices without an encoder in hardware.
        keep_audio: Whether sound is copied.
    """

    codec: str | None = None
    crf: int | None = 21
    preset: str = "veryfast"
    keep_audio: bool = False

    def __post_init__(self) -> None:
        """Refuses what no encoder can mean.

        Raises:
            UsageError: Naming the setting and what it may be.
        """
        if self.crf is not None and not 0 <= self.crf <= 63:
            raise UsageError(f"--crf {self.crf} must be 0 to 63, for libx264 0 to 51")

    def codec_for(self, path: Path) -> str:
        """The encoder for a file of this name."""
        return self.codec or _CODEC.get(path.suffix.lower(), "libx264")


def find_encoder(name: str) -> av.Codec:
    """The encoder of this name.

    Raises:
        UsageError: This FFmpeg has none, or it does not encode pictures.
    """
    try:
        codec = av.Codec(name, "w")
    except (ValueError, av.error.FFmpegError) as error:
        raise UsageError(
            f"this FFmpeg has no encoder {name!r}; try --codec libx264, or see `faceguard doctor`"
        ) from error
    if codec.type != "video":
        raise UsageError(f"--codec {name}: that encodes {codec.type}, not pictures")
    return codec


def _pixel_format(codec: av.Codec, name: str) -> str:
    """The frames' own format where the encoder takes it, else the nearest that it takes."""
    known = [form.name for form in codec.video_formats or ()]
    if not known or name in known:
        return name
    deep = any(component.bits > 8 for component in av.VideoFormat(name, 16, 16).components)
    for choice in (["yuv420p10le"] if deep else []) + ["yuv420p"]:
        if choice in known:
            return choice
    return known[0]


def prepare(stream: Any, codec: av.Codec, first: av.VideoFrame, time_base: Fraction) -> None:  # noqa: ANN401
    """Gives an output stream its format, size and times.

    4:2:0 needs even sides, so an odd side becomes one longer.

    Args:
        stream: PyAV's new stream.
        codec: Its encoder.
        first: The first frame.
        time_base: Seconds a unit of the frames' times.
    """
    stream.pix_fmt = _pixel_format(codec, first.format.name)
    form = av.VideoFormat(stream.pix_fmt, 16, 16)
    stream.width = first.width + (first.width % 2 if form.chroma_width(16) == 8 else 0)
    stream.height = first.height + (first.height % 2 if form.chroma_height(16) == 8 else 0)
    # Several frames at a time. PyAV's default, slices of one frame, is slower and larger.
    stream.thread_type = "FRAME"
    stream.codec_context.time_base = stream.time_base = time_base


def options_for(codec: av.Codec, settings: EncoderSettings) -> dict[str, str]:
    """The encoder's own options; those that it does not know are left out.

    Raises:
        UsageError: A quality beyond its range, which it would take for its worst.
    """
    options = {}
    if codec.name in _TAKES_PRESET and settings.crf is not None and settings.crf > _WORST_CRF:
        raise UsageError(f"crf {settings.crf} is not between 0 and {_WORST_CRF} for {codec.name}")
    if codec.name in _TAKES_PRESET:
        options["preset"] = settings.preset
    if settings.crf is not None and codec.name in _TAKES_CRF:
        options["crf"] = str(settings.crf)
    return options
