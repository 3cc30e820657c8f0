"""libx264 through FFmpeg, for one stream: pictures in, units of H.264 out, and nothing else.

What reaches libx264 is a frame of our own into which the planes were copied. A decoder's frame
carries more than its picture: captions, user data, colour profiles, which libx264 writes out as
SEI units. As a second wall, no unit but the pictures' own slices passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import av
import av.error
import numpy as np

from faceguard.edge.av_image import JPEG_RANGE, view
from faceguard.edge.config.outputs import EncoderConfig
from faceguard.edge.outputs.packet import StreamFormat
from faceguard.edge.types import Image, PixelFormat
from faceguard.engines.errors import OutputError

CLOCK = 90_000  # ticks a second of all times, as MPEG systems and RTP have it
_TAKEN = (PixelFormat.I420, PixelFormat.NV12, PixelFormat.GRAY)
_TV_RANGE = 1  # AVCOL_RANGE_MPEG
_PICTURE_I, _PICTURE_ANY = 1, 0  # AV_PICTURE_TYPE_I, AV_PICTURE_TYPE_NONE
_NO_COLOUR = 128
_SLICES = (1, 5)  # types of units: a slice, and one of a picture to begin with
_START = re.compile(rb"\x00\x00\x01")


class Coded(NamedTuple):
    """One encoded picture.

    Attributes:
        data: Its slices, in Annex B.
        pts: Its time in ticks.
        keyframe: Whether a decoder may begin here.
    """

    data: bytes
    pts: int
    keyframe: bool


class H264:
    """One stream: pictures of one kind.

    Without B-frames and look-ahead each picture gives its packet at once.
    """

    def __init__(
        self, image: Image, settings: EncoderConfig, rate: float | None, number: int
    ) -> None:
        """Opens libx264.

        Args:
            image: What all pictures will be like.
            settings: How to encode.
            rate: Pictures per second to expect, which the limit of `most_kbps` goes by; None where
                nobody knows.
            number: Of the stream, for its format.

        Raises:
            OutputError: The pictures are not of a kind that can be encoded, or libx264 refuses.
        """
        self._kind = _kind(image)
        if image.format not in _TAKEN or image.width % 2 or image.height % 2:
            raise OutputError(
                f"encoder: {image.format.ffmpeg_name} {image.width}x{image.height} is not taken; "
                "give yuv420p, nv12 or gray with even sides"
            )
        # Grey as 4:2:0: players that know H.264 without colour are rare.
        form = PixelFormat.I420 if image.format is PixelFormat.GRAY else image.format
        self._frame = av.VideoFrame(image.width, image.height, form.ffmpeg_name)
        self._frame.color_range = JPEG_RANGE if image.full_range else _TV_RANGE
        self._frame.time_base = Fraction(1, CLOCK)
        self._planes = view(self._frame).planes
        for plane in self._planes:
            plane[...] = _NO_COLOUR
        fps = Fraction(min(240.0, max(1.0, rate or 30.0))).limit_denominator(1001)
        self._context = self._opened(form, settings, fps)
        self.is_new = True
        self.format = StreamFormat(
            number,
            "h264",
            image.width,
            image.height,
            Fraction(1, CLOCK),
            fps,
            bytes(self._context.extradata or b""),
        )

    def fits(self, image: Image) -> bool:
        """Whether a picture may go into this stream."""
        return _kind(image) == self._kind

    def encode(self, image: Image, pts: int, *, keyframe: bool) -> Iterator[Coded]:
        """Encodes one picture.

        Args:
            image: The picture; not looked at any more afterwards.
            pts: Its time in ticks, later than the one before.
            keyframe: Whether a decoder must be able to begin here.

        Raises:
            av.error.FFmpegError: libx264 failed.
        """
        for into, plane in zip(self._planes, image.planes, strict=False):  # grey has only luma
            np.copyto(into, plane)
        self._frame.pts = pts
        self._frame.pict_type = _PICTURE_I if keyframe else _PICTURE_ANY
        self.is_new = False
        yield from map(_coded, self._context.encode(self._frame))

    def rest(self) -> Iterator[Coded]:
        """What libx264 still holds; ends the stream."""
        if not self.is_new:
            yield from map(_coded, self._context.encode(None))

    def _opened(self, form: PixelFormat, settings: EncoderConfig, fps: Fraction) -> Any:  # noqa: ANN401
        context: Any = av.CodecContext.create("libx264", "w")
        context.width, context.height = self._frame.width, self._frame.height
        context.pix_fmt = form.ffmpeg_name
        context.color_range = self._frame.color_range
        context.time_base, context.framerate = Fraction(1, CLOCK), fps
        # Slices of one picture at a time; whole pictures at a time would hold some back.
        context.thread_type, context.thread_count = "SLICE", settings.threads
        options = {
            "preset": settings.preset,
            "tune": "zerolatency",
            # 0 would be lossless, which is a profile that few players know.
            "crf": str(max(1, settings.crf)),
            "bf": "0",
            # Keyframes come by time, and only when asked for.
            "g": str(2**30),
            "sc_threshold": "0",
            "forced-idr": "1",
            "flags": "+global_header+cgop",
            "a53cc": "0",
        }
        if settings.most_kbps is not None:
            options["maxrate"] = options["bufsize"] = f"{settings.most_kbps}k"
        context.options = options
        try:
            context.open()
        except (av.error.FFmpegError, ValueError) as error:
            raise OutputError(
                f"encoder: libx264 refuses {form.ffmpeg_name} {context.width}x{context.height}, "
                f"preset {settings.preset}: {getattr(error, 'strerror', None) or error}"
            ) from error
        return context


def units(data: bytes) -> list[bytes]:
    """The units of a stream in Annex B, without their start codes of three or four bytes."""
    starts = [found.end() for found in _START.finditer(data)]
    ends = [start - 3 for start in starts[1:]] + [len(data)]
    # A unit never ends in a zero: those are of the next start code.
    found = (data[start:end].rstrip(b"\0") for start, end in zip(starts, ends, strict=False))
    return [unit for unit in found if unit]


def only_slices(data: bytes) -> bytes:
    """The units of a picture itself, without those that tell something else (SEI and others)."""
    all_units = units(data)
    kept = [unit for unit in all_units if unit[0] & 31 in _SLICES]
    if len(kept) == len(all_units):
        return data
    return b"".join(b"\0\0\0\1" + unit for unit in kept)


def _coded(packet: Any) -> Coded:  # noqa: ANN401 - PyAV's packet
    return Coded(only_slices(bytes(packet)), int(packet.pts), bool(packet.is_keyframe))


def _kind(image: Image) -> tuple[PixelFormat, int, int, bool]:
    return image.format, image.width, image.height, image.full_range
