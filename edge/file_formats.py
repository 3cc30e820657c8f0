"""Which source reads a file and which sink writes one: decided by content, and by suffix."""

from __future__ import annotations

from pathlib import Path

from faceguard.edge.sinks.base import Sink
from faceguard.edge.sinks.encoder import EncoderSettings
from faceguard.edge.sinks.picture import PICTURE_SUFFIXES, PictureSink
from faceguard.edge.sinks.video import VIDEO_SUFFIXES, VideoSink
from faceguard.edge.sources.base import Source, SourceInfo
from faceguard.edge.sources.picture import is_picture, open_picture
from faceguard.edge.sources.video import VideoInfo, VideoSource
from faceguard.engines.errors import InputError, UsageError

# What FFmpeg reads and cameras and phones write, beyond what is written here.
_MORE_VIDEO = (
    ".3gp", ".asf", ".avi", ".flv", ".h264", ".h265", ".hevc", ".m2ts", ".mpeg", ".mpg", ".mts",
    ".mxf", ".ogv", ".vob", ".wmv", ".y4m",
)  # fmt: skip
_MORE_PICTURES = (".jfif", ".jpe", ".apng", ".dib")
READ_SUFFIXES = frozenset((*PICTURE_SUFFIXES, *VIDEO_SUFFIXES, *_MORE_VIDEO, *_MORE_PICTURES))


def open_source(path: Path) -> Source:
    """Opens a picture, animation or video by what is in it.

    Raises:
        InputError: It cannot be read, and why.
    """
    if path.is_dir():
        raise InputError(f"{path}: a folder, not a file")
    return open_picture(path) if is_picture(path) else VideoSource(path)


def open_sink(
    path: Path, info: SourceInfo, source: Path, encoder: EncoderSettings, *, force: bool
) -> Sink:
    """Opens the sink for an output of this name.

    Args:
        path: Where it goes.
        info: What the frames will be like.
        source: The file they come from; never overwritten, and sound is copied from it.
        encoder: How video is encoded.
        force: Whether to replace what stands at `path`.

    Raises:
        UsageError: The name's suffix does not suit the source, or it is the source itself.
        OutputError: It cannot be written, or stands there already.
    """
    if path.exists() and path.samefile(source):
        raise UsageError(f"{path}: the output would replace the input; give another name")
    suffix = path.suffix.lower()
    if suffix in PICTURE_SUFFIXES:
        if info.kind == "video":
            raise UsageError(f"{path}: a video cannot be written as {suffix}; use .mp4 or .mkv")
        return PictureSink(path, info, force=force)
    if suffix in VIDEO_SUFFIXES:
        if info.kind == "picture":
            raise UsageError(f"{path}: a picture cannot be written as {suffix}; use .jpg or .png")
        has_audio = isinstance(info, VideoInfo) and info.has_audio
        audio_from = source if encoder.keep_audio and has_audio else None
        return VideoSink(path, info, encoder, force=force, audio_from=audio_from)
    known = " ".join((*PICTURE_SUFFIXES, *VIDEO_SUFFIXES))
    raise UsageError(f"{path}: unknown suffix {suffix or '(none)'!r}; known: {known}")


def output_name(source: Path) -> str:
    """The name that a file's redacted copy gets in a folder.

    The same name where its format can be written, else the whole old name and a suffix more, so
    that `clip.wmv` and `clip.mp4` never meet.
    """
    suffix = source.suffix.lower()
    if suffix in PICTURE_SUFFIXES or suffix in VIDEO_SUFFIXES:
        return source.name
    if suffix in _MORE_VIDEO:
        return source.name + ".mp4"
    try:
        return source.name + (".png" if is_picture(source) else ".mp4")
    except InputError:  # is said when its turn comes
        return source.name + ".mp4"
