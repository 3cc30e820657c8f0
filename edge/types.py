"""What travels through the camera: planes, frames, covers, and the one kind that may leave.

An `Image` is its planes in the form the camera or decoder gave them. Nothing between a source and
an encoder turns a whole frame into another colour space.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable

    from faceguard.engines.types import Region

# Samples of one plane: uint8, or uint16 where a sample has more than 8 bits.
Plane = npt.NDArray[Any]


@dataclass(frozen=True)
class PlaneSpec:
    """How one plane relates to the picture.

    Attributes:
        sub_x: One column of the plane stands for this many columns of the picture.
        sub_y: One row of the plane stands for this many rows of the picture.
        channels: Samples at each place; the plane's array has a third axis where it is over 1.
        neutral: Sample value of "no colour" on an 8-bit scale: 128 for chroma, 0 elsewhere.
    """

    sub_x: int
    sub_y: int
    channels: int
    neutral: int

    def shape(self, width: int, height: int) -> tuple[int, ...]:
        """Shape of this plane's array in a picture of this size; odd sizes round up."""
        rows, columns = -(-height // self.sub_y), -(-width // self.sub_x)
        return (rows, columns) if self.channels == 1 else (rows, columns, self.channels)


_LUMA = PlaneSpec(1, 1, 1, 0)


def _chroma(sub_x: int, sub_y: int, channels: int = 1) -> PlaneSpec:
    return PlaneSpec(sub_x, sub_y, channels, 128)


_I420 = (_LUMA, _chroma(2, 2), _chroma(2, 2))
_I422 = (_LUMA, _chroma(2, 1), _chroma(2, 1))
_I444 = (_LUMA, _chroma(1, 1), _chroma(1, 1))


class PixelFormat(Enum):
    """The arrangements of planes that faceguard works on as they are.

    Attributes:
        ffmpeg_name: FFmpeg's name of the format.
        planes: The planes, in order.
        bits: Bits of a sample.
    """

    I420 = ("yuv420p", _I420)
    I422 = ("yuv422p", _I422)
    I444 = ("yuv444p", _I444)
    NV12 = ("nv12", (_LUMA, _chroma(2, 2, 2)))
    GRAY = ("gray", (_LUMA,))
    I420_10 = ("yuv420p10le", _I420, 10)
    I422_10 = ("yuv422p10le", _I422, 10)
    I444_10 = ("yuv444p10le", _I444, 10)
    BGR = ("bgr24", (PlaneSpec(1, 1, 3, 0),))
    BGRA = ("bgra", (PlaneSpec(1, 1, 4, 0),))

    def __init__(self, ffmpeg_name: str, planes: tuple[PlaneSpec, ...], bits: int = 8) -> None:
        """Takes the member's value apart."""
        self.ffmpeg_name = ffmpeg_name
        self.planes = planes
        self.bits = bits

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type of the arrays: uint8, or uint16 above 8 bits."""
        return np.dtype(np.uint8 if self.bits <= 8 else np.uint16)

    @property
    def is_yuv(self) -> bool:
        """Whether the first plane is luma, with chroma (if any) in others."""
        return self not in (PixelFormat.BGR, PixelFormat.BGRA)


class ImageKind(NamedTuple):
    """What two images must have in common to go through one encoder.

    Attributes:
        format: What the planes are.
        width: Width in pixels.
        height: Height in pixels.
        full_range: See `Image`.
    """

    format: PixelFormat
    width: int
    height: int
    full_range: bool = False


@dataclass(frozen=True)
class Image:
    """A picture as its planes.

    Attributes:
        format: What the planes are.
        width: Width in pixels.
        height: Height in pixels.
        planes: One array a plane, rows by columns (by channels); rows may be padded in memory.
        full_range: Whether luma spans 0-255 (JPEG) and not 16-235 (television).
        owner: What the planes' memory belongs to where that is not numpy: a decoder's frame.
        make_blank: Makes an image of the same kind with memory of its own and content unset; lets
            the copy that gets redacted lie where the encoder can take it without copying again.
    """

    format: PixelFormat
    width: int
    height: int
    planes: tuple[Plane, ...]
    full_range: bool = False
    owner: object | None = None
    make_blank: Callable[[], Image] | None = None

    def __post_init__(self) -> None:
        """Checks the planes against the format."""
        for spec, plane in zip(self.format.planes, self.planes, strict=True):
            want = spec.shape(self.width, self.height)
            if plane.shape != want or plane.dtype != self.format.dtype:
                raise ValueError(
                    f"{self.format.ffmpeg_name} {self.width}x{self.height} has a plane "
                    f"{want} {self.format.dtype}, not {plane.shape} {plane.dtype}"
                )

    @property
    def kind(self) -> ImageKind:
        """What it has in common with others of its source."""
        return ImageKind(self.format, self.width, self.height, self.full_range)

    @classmethod
    def blank(
        cls, form: PixelFormat, width: int, height: int, *, full_range: bool = False
    ) -> Image:
        """An image in numpy's memory with its content unset."""
        planes = tuple(np.empty(spec.shape(width, height), form.dtype) for spec in form.planes)
        return cls(form, width, height, planes, full_range)

    @classmethod
    def from_bgr(cls, pixels: npt.NDArray[np.uint8]) -> Image:
        """An image over an array (height, width, 3) of B, G, R, or (height, width, 4) with alpha.

        Raises:
            ValueError: Another shape or dtype.
        """
        if pixels.ndim != 3 or pixels.shape[2] not in (3, 4):
            raise ValueError(f"want an array (height, width, 3 or 4), not {pixels.shape}")
        form = PixelFormat.BGR if pixels.shape[2] == 3 else PixelFormat.BGRA
        return cls(form, pixels.shape[1], pixels.shape[0], (pixels,), full_range=True)

    def clone(self) -> Image:
        """A copy with memory of its own, which may be written to."""
        blank = self.make_blank or (
            lambda: Image.blank(self.format, self.width, self.height, full_range=self.full_range)
        )
        copy = blank()
        for into, plane in zip(copy.planes, self.planes, strict=True):
            np.copyto(into, plane)
        return copy


@dataclass(frozen=True)
class Frame:
    """One picture of a source, uncovered: it must not leave the device.

    Attributes:
        image: The picture.
        index: 0 for the source's first frame, then one more each.
        pts: Presentation time in units of `time_base`.
        time_base: Seconds a unit.
        duration: How long it is shown, in units of `time_base`; 0 where the source does not say.
        captured_ns: When the camera took it, monotonic nanoseconds; 0 in files that are redacted.
        session: Which connection to the camera it came through, from 1; what is known of faces
            does not carry over from one to the next. 0 in files that are redacted.
    """

    image: Image
    index: int
    pts: int
    time_base: Fraction
    duration: int = 0
    captured_ns: int = 0
    session: int = 0

    @property
    def time_s(self) -> float:
        """Presentation time in seconds."""
        return float(self.pts * self.time_base)


class Shape(Enum):
    """Outline of a mask."""

    BOX = "box"
    ELLIPSE = "ellipse"


@dataclass(frozen=True)
class Mask:
    """One area to cover.

    Attributes:
        region: What must be covered, in source pixels; an ellipse is drawn around all of it.
        shape: Outline.
        track: Number of the track it stands for, 0 where there is none.
        score: Confidence of the detection behind it; 0 while a track coasts.
        face: The face's own box, before margins and growth.
    """

    region: Region
    shape: Shape
    track: int
    score: float
    face: Region


@dataclass(frozen=True)
class Cover:
    """The verdict on one frame: what to cover.

    Attributes:
        masks: Areas to cover.
        whole: Why the whole frame is to be covered, or None when the masks are enough.
    """

    masks: tuple[Mask, ...] = ()
    whole: str | None = None


class Seal:
    """The right to make a `SafeFrame`; `faceguard.edge.redact` holds the only one."""


@final
class SafeFrame:
    """A frame that has been redacted: the only kind a sink takes.

    Only `faceguard.edge.redact` makes one: `redact` of a frame, `changed` and `changed_together` of
    one that is safe already.
    """

    __slots__ = (
        "captured_ns",
        "cover",
        "duration",
        "image",
        "index",
        "pts",
        "session",
        "time_base",
    )

    image: Image
    index: int
    pts: int
    time_base: Fraction
    duration: int
    captured_ns: int
    session: int
    cover: Cover

    def __init__(self, seal: Seal, image: Image, source: Frame | SafeFrame, cover: Cover) -> None:
        """Takes over the redacted image; see `redact`.

        Raises:
            TypeError: Whoever calls does not hold the seal.
        """
        if not isinstance(seal, Seal):
            raise TypeError("only faceguard.edge.redact makes a SafeFrame")
        self.image = image
        self.index = source.index
        self.pts = source.pts
        self.time_base = source.time_base
        self.duration = source.duration
        self.captured_ns = source.captured_ns
        self.session = source.session
        self.cover = cover

    @property
    def time_s(self) -> float:
        """Presentation time in seconds."""
        return float(self.pts * self.time_base)
