"""Video files through FFmpeg (PyAV): encodes the planes as they come, keeps times, drops the rest.

No metadata of the input is copied: no place, no device, no title. Sound is left out unless asked
for, since a voice is personal data; where it is kept, its packets are copied as they are.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np

from faceguard.edge.atomic import Staged
from faceguard.edge.av_image import JPEG_RANGE, as_av, av_name, view
from faceguard.edge.sinks.audio import AudioCopy
from faceguard.edge.sinks.encoder import EncoderSettings, find_encoder, options_for, prepare
from faceguard.edge.sources.base import SourceInfo
from faceguard.edge.sources.video import VideoInfo
from faceguard.edge.types import SafeFrame
from faceguard.engines.closing import Closing
from faceguard.engines.errors import OutputError, UsageError

# Not .avi: it keeps no times, so uneven rates and B-frames would play at the wrong moment.
VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".m4v", ".ts", ".webm")


class VideoSink(Closing):
    """One video file, which takes its name when it is whole."""

    def __init__(
        self,
        path: Path,
        info: SourceInfo,
        settings: EncoderSettings | None = None,
        *,
        force: bool = False,
        audio_from: Path | None = None,
    ) -> None:
        """Makes the file beside its place.

        Args:
            path: Where it goes; the suffix names the container.
            info: What the frames will be like.
            settings: How to encode.
            force: Whether to replace what stands at `path`.
            audio_from: File whose sound is copied; None leaves sound out.

        Raises:
            UsageError: Unknown suffix, or an encoder that this FFmpeg does not have.
            OutputExists: Something stands at `path` and `force` is False.
            OutputError: The place cannot be written.
        """
        settings = settings or EncoderSettings()
        if path.suffix.lower() not in VIDEO_SUFFIXES:
            raise UsageError(
                f"{path}: cannot write {path.suffix or 'a file without suffix'!r} as video; "
                f"known: {' '.join(VIDEO_SUFFIXES)}"
            )
        self._path = path
        self._info = info
        self._settings = settings
        self._codec = find_encoder(settings.codec_for(path))
        self._audio_from = audio_from
        self._audio: AudioCopy | None = None
        self._container: Any = None
        self._stream: Any = None
        with _as_output_errors(path):
            self._staged = Staged(path, force=force)
            try:
                self._container = av.open(av_name(self._staged.part), "w")
            except BaseException:
                self._staged.close()
                raise

    def write(self, frame: SafeFrame) -> None:
        """Encodes the next frame.

        Raises:
            UsageError: The encoder or the container does not take what it is asked for.
            OutputError: The place cannot be written.
            TypeError: The frame was not redacted.
        """
        if not isinstance(frame, SafeFrame):
            raise TypeError(f"a sink takes SafeFrame, not {type(frame).__name__}")
        with _as_output_errors(self._path):
            # A frame with nothing to cover is still the decoder's own, and captions and the like
            # ride on it, which encoders write out. A copy has nothing but its planes.
            untouched = frame.cover.whole is None and not frame.cover.masks
            picture = as_av(frame.image.clone() if untouched else frame.image)
            if self._stream is None:
                self._start(picture, frame.time_base)
            picture = self._fitted(picture)
            picture.pts, picture.time_base = frame.pts, frame.time_base
            picture.duration = frame.duration
            # The decoder's choice of I, P and B is not the encoder's.
            picture.pict_type = 0
            for packet in self._stream.encode(picture):
                self._container.mux(packet)
            if self._audio is not None:
                self._audio.up_to(frame.time_s)

    def finish(self) -> None:
        """Flushes the encoder, writes the index, and gives the file its name."""
        if self._stream is None:
            raise OutputError(f"{self._path}: there was no frame to write")
        with _as_output_errors(self._path):
            for packet in self._stream.encode(None):
                self._container.mux(packet)
            if self._audio is not None:
                self._audio.up_to(float("inf"))
            self._close_files()
        self._staged.commit()

    def close(self) -> None:
        """Throws away what was not finished."""
        with contextlib.suppress(av.error.FFmpegError, OSError):
            self._close_files()
        self._staged.close()

    def _close_files(self) -> None:
        if self._audio is not None:
            self._audio.close()
        self._container.close()

    def _start(self, first: av.VideoFrame, time_base: Fraction) -> None:
        """Opens the encoder once the first frame says what it will get."""
        info = self._info
        with _as_usage_errors(f"{self._path}: {self._path.suffix} cannot hold {self._codec.name}"):
            self._stream = self._container.add_stream(
                self._codec.name, rate=info.rate or Fraction(25)
            )
        prepare(self._stream, self._codec, first, time_base)
        context = self._stream.codec_context
        context.color_range = self._fitted(first).color_range
        options = options_for(self._codec, self._settings)
        if isinstance(info, VideoInfo):
            context.sample_aspect_ratio = info.pixel_aspect
            context.color_range, context.colorspace = info.color[0], info.color[1]
            context.color_primaries, context.color_trc = info.color[2], info.color[3]
            if first.format.name == "gray" and context.color_range == 0:
                # Where nothing is said, FFmpeg takes grey to span 0-255, but 4:2:0 not.
                context.color_range = JPEG_RANGE
            if info.interlaced and self._codec.name in ("libx264", "mpeg2video"):
                options["flags"] = "+ildct+ilme"
        self._stream.options = options
        sound = ""
        if self._audio_from is not None:
            self._audio = AudioCopy(self._audio_from, self._container, self._path)
            sound = f" and {self._audio.codec}"
        asked = " ".join(
            [
                f"{self._stream.width}x{self._stream.height}",
                *(f"{name}={value}" for name, value in options.items()),
            ]
        )
        with _as_usage_errors(f"{self._path}: the encoder {self._codec.name} refuses {asked}"):
            context.open()
        with _as_usage_errors(
            f"{self._path}: {self._path.suffix} cannot hold {self._codec.name}{sound}; .mkv can"
        ):
            self._container.start_encoding()

    def _fitted(self, picture: av.VideoFrame) -> av.VideoFrame:
        """The frame in the encoder's format and size.

        4:2:0 needs even sides: an odd one gets its last column or row twice, so nothing is lost.
        """
        if picture.format.name != self._stream.pix_fmt:
            picture = picture.reformat(format=self._stream.pix_fmt)
        width, height = self._stream.width, self._stream.height
        if (picture.width, picture.height) == (width, height):
            return picture
        wider = av.VideoFrame(width, height, picture.format.name)
        wider.color_range, wider.colorspace = picture.color_range, picture.colorspace
        for into, plane in zip(view(wider).planes, view(picture).planes, strict=True):
            rows, columns = into.shape[0] - plane.shape[0], into.shape[1] - plane.shape[1]
            more = ((0, rows), (0, columns)) + ((0, 0),) * (plane.ndim - 2)
            np.copyto(into, np.pad(plane, more, mode="edge"))
        return wider


@contextlib.contextmanager
def _as_output_errors(path: Path) -> Iterator[None]:
    """FFmpeg's and the system's errors while writing, in plain words."""
    try:
        yield
    except (av.error.FFmpegError, OSError, ValueError) as error:
        number = getattr(error, "errno", None)
        if number == errno.ENOSPC:
            raise OutputError(f"{path}: the disk is full; free some space and run again") from error
        reason = str(getattr(error, "strerror", None) or error).splitlines()[0]
        raise OutputError(f"{path}: cannot be written: {reason}") from error


@contextlib.contextmanager
def _as_usage_errors(what: str) -> Iterator[None]:
    """What an encoder or container refuses, as the wish that it refuses."""
    try:
        yield
    except (av.error.ArgumentError, av.error.InvalidDataError, ValueError) as error:
        raise UsageError(what) from error
    except av.error.FFmpegError as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        raise UsageError(what) from error
