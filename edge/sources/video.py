"""Video files through FFmpeg (PyAV): the planes as they were decoded, upright, with their times."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np

from faceguard.edge.av_image import nearest_format, open_input, view
from faceguard.edge.sources.base import SourceInfo
from faceguard.edge.types import Frame, Image, PixelFormat
from faceguard.engines.closing import Closing
from faceguard.engines.errors import InputError

# A stream of noise must not keep a run busy for ever: so many damaged packets in a row are the end.
_DAMAGED_IN_A_ROW = 500


@dataclass(frozen=True)
class VideoInfo(SourceInfo):
    """What is known of a video beforehand, with what its copy needs to look the same.

    Attributes:
        time_base: Seconds a unit of the frames' times.
        pixel_aspect: Width of a pixel over its height, turned upright.
        color: FFmpeg's numbers for range, matrix, primaries and transfer.
        interlaced: Whether frames are made of two fields.
        has_audio: Whether there is sound.
    """

    time_base: Fraction = Fraction(1, 90000)
    pixel_aspect: Fraction = Fraction(1)
    color: tuple[int, int, int, int] = (0, 2, 2, 2)
    interlaced: bool = False
    has_audio: bool = False


class VideoSource(Closing):
    """The best video stream of a file."""

    def __init__(self, path: Path) -> None:
        """Opens the file and decodes the first frame, so that bad files are found at once.

        Raises:
            InputError: No such file, not a video, no video stream, or nothing in it can be decoded.
        """
        self._path = path
        try:
            self._container = open_input(path)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise InputError(f"{path}: {_why(path, error)}") from error
        try:
            self._stream = self._best_stream()
            self._stream.thread_type = "AUTO"
            self._damaged = 0
            self._packets = self._decoded()
            self._first = next(self._packets, None)
            if self._first is None:
                raise InputError(
                    f"{path}: nothing in it can be decoded; is it whole, and a picture or video?"
                )
            self._turns = _quarter_turns(self._first)
            self._size = (self._first.width, self._first.height)
            self._info = self._describe(self._first)
        except BaseException:
            self._container.close()
            raise

    @property
    def info(self) -> VideoInfo:
        """What to expect; notes grow when damage is met."""
        if not self._damaged:
            return self._info
        note = f"damaged: {self._damaged} packets could not be decoded"
        return replace(self._info, notes=(*self._info.notes, note))

    @property
    def damaged(self) -> int:
        """Packets so far that could not be decoded."""
        return self._damaged

    def __iter__(self) -> Iterator[Frame]:
        """The frames in the order they are shown.

        Raises:
            InputError: The stream is damaged beyond going on.
        """
        first, self._first = self._first, None
        base = self._info.time_base
        step = max(1, round(1 / (self._info.rate or 25) / base))
        last: int | None = None
        shift = 0
        index = 0
        while first is not None or (first := next(self._packets, None)) is not None:
            # A frame without a time, or not after the one before, gets the next time there is.
            pts = first.pts
            if pts is None:
                pts = 0 if last is None else last + step
            else:
                pts += shift
                if last is not None and pts < last:
                    # The clock was set back, as after a camera's restart: go on from here.
                    shift += last + step - pts
                    pts = last + step
                elif pts == last:
                    pts = last + 1
            last = pts
            yield Frame(self._upright(first), index, pts, base, int(first.duration or 0))
            index += 1
            first = None

    def close(self) -> None:
        """Closes the file."""
        self._container.close()

    def _best_stream(self) -> Any:  # noqa: ANN401 - PyAV's stream class has no public name
        """The largest video stream that is not a cover picture."""
        pictures = av.stream.Disposition.attached_pic
        streams = [s for s in self._container.streams.video if not s.disposition & pictures]
        if not streams:
            kinds = ", ".join(sorted({s.type for s in self._container.streams})) or "nothing"
            raise InputError(f"{self._path}: no video in it, only {kinds}")
        return max(streams, key=lambda s: (s.width or 0) * (s.height or 0))

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """Decoded frames; damaged packets are counted and left out, as FFmpeg does."""
        in_a_row = 0
        try:
            for packet in self._container.demux(self._stream):
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError:
                    self._damaged += 1
                    in_a_row += 1
                    if in_a_row >= _DAMAGED_IN_A_ROW:
                        raise
                    continue
                if frames:
                    in_a_row = 0
                yield from frames
        except (av.error.FFmpegError, OSError) as error:
            raise InputError(f"{self._path}: damaged: {_plain(error)}") from error

    def _upright(self, frame: av.VideoFrame) -> Image:
        """The frame's image, turned as it is meant to be seen.

        Raises:
            InputError: Its format cannot be turned into one that is worked on.
        """
        try:
            return self._turned(frame)
        except (av.error.FFmpegError, ValueError) as error:
            raise InputError(
                f"{self._path}: frames in {frame.format.name} cannot be used: {_plain(error)}"
            ) from error

    def _turned(self, frame: av.VideoFrame) -> Image:
        name = nearest_format(frame.format.name)
        if name != frame.format.name or (frame.width, frame.height) != self._size:
            # Another format or, after a change in the middle of the stream, another size.
            frame = frame.reformat(*self._size, format=name)
        image = view(frame)
        if not self._turns:
            return image
        turned = tuple(np.ascontiguousarray(np.rot90(p, self._turns)) for p in image.planes)
        width, height = image.width, image.height
        if self._turns % 2:
            width, height = height, width
            # Turned 4:2:2 has its chroma halved downward, which no format here describes.
            if image.format in (PixelFormat.I422, PixelFormat.I422_10):
                wide = PixelFormat.I444 if image.format.bits == 8 else PixelFormat.I444_10
                return self._turned(frame.reformat(format=wide.ffmpeg_name))
        return Image(image.format, width, height, turned, image.full_range)

    def _describe(self, first: av.VideoFrame) -> VideoInfo:
        stream = self._stream
        width, height = self._size
        aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
        if self._turns % 2:
            width, height, aspect = height, width, 1 / aspect
        duration_s = None
        if stream.duration is not None and stream.time_base is not None:
            duration_s = float(stream.duration * stream.time_base)
        elif self._container.duration is not None:
            duration_s = self._container.duration / 1_000_000
        rate = stream.average_rate or stream.guessed_rate
        frames = stream.frames or None
        if frames is None and rate and duration_s:
            frames = round(duration_s * rate)
        notes = []
        name = first.format.name
        if nearest_format(name) != name:
            lost = ", transparency dropped" if _has_alpha(first) else ""
            notes.append(f"{name} is worked on as {nearest_format(name)}{lost}")
        others = len(self._container.streams.video) - 1
        if others:
            notes.append(f"{others} other picture streams dropped")
        return VideoInfo(
            "video",
            width,
            height,
            frames,
            Fraction(rate) if rate else None,
            duration_s,
            tuple(notes),
            time_base=Fraction(stream.time_base or Fraction(1, 90000)),
            pixel_aspect=aspect,
            color=(
                int(first.color_range),
                int(first.colorspace),
                int(first.color_primaries),
                int(first.color_trc),
            ),
            interlaced=bool(first.interlaced_frame),
            has_audio=bool(self._container.streams.audio),
        )


def _quarter_turns(frame: av.VideoFrame) -> int:
    """Counter-clockwise quarter turns that put the frame upright."""
    return round(frame.rotation / 90) % 4


def _has_alpha(frame: av.VideoFrame) -> bool:
    return any(component.is_alpha for component in frame.format.components)


def _why(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if path.is_file() and path.stat().st_size == 0:
        return "the file is empty (0 bytes)"
    if isinstance(error, PermissionError) or getattr(error, "errno", None) == errno.EACCES:
        return "not allowed to read it"
    return f"neither a picture nor a video that can be read ({_plain(error)})"


def _plain(error: Exception) -> str:
    """FFmpeg's message without the path, which is said already."""
    return str(getattr(error, "strerror", None) or error).splitlines()[0]
