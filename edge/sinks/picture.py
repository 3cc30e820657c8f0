"""Picture files: pixels and times, and nothing else of what the input held.

Each frame is made into a fresh Pillow image from an array, so there is no EXIF, colour profile,
comment or thumbnail that could be written along.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

import cv2
import numpy as np
from PIL import Image as Pil

from faceguard.edge.atomic import Staged, one_line
from faceguard.edge.sampling import ImageSampler
from faceguard.edge.sinks.animation import ApngWriter, FrameWriter, TiffWriter, WebpWriter, rgba
from faceguard.edge.sinks.gif import GifWriter
from faceguard.edge.types import PixelFormat, SafeFrame
from faceguard.engines.closing import Closing
from faceguard.engines.errors import OutputError, UsageError
from faceguard.engines.types import Region

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from faceguard.edge.sources.base import SourceInfo
    from faceguard.edge.types import Image
    from faceguard.engines.types import U8

_FORMATS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".apng": "PNG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".gif": "GIF",
}
PICTURE_SUFFIXES = tuple(_FORMATS)
_MOVING = ("GIF", "PNG", "WEBP", "TIFF")
_NO_ALPHA = ("JPEG", "BMP")
_LARGEST_SIDE_PX = {"JPEG": 65500, "WEBP": 16383, "GIF": 65535, "BMP": 2**31 - 1}
# From here on, chroma at half size is the larger loss.
_FULL_CHROMA_FROM = 90
# Level 6 takes twice as long for 3 % less.
_PNG_LEVEL = 4


class PictureSink(Closing):
    """One picture, animation or TIFF with pages, which takes its name when it is whole."""

    def __init__(
        self,
        path: Path,
        info: SourceInfo | None = None,
        *,
        quality: int = 95,
        force: bool = False,
    ) -> None:
        """Makes the unfinished file beside its place.

        Args:
            path: Where it goes; the suffix names the format.
            info: What the frames will be like; None for one still picture.
            quality: 1 to 100, for JPEG and WebP. JPEG keeps chroma whole from 90 up.
            force: Whether to replace what stands at `path`.

        Raises:
            UsageError: An unknown suffix, or one that cannot hold what comes.
            OutputExists: Something stands at `path` and `force` is off.
            OutputError: The place cannot be written.
        """
        self._path = path
        self._format = _format_for(path, info)
        if info is not None:
            self._refuse_larger(info.width, info.height)
        if not 1 <= quality <= 100:
            raise UsageError(f"quality {quality} must be 1 to 100")
        self._quality = quality
        self._loop = info.loop if info is not None else 1
        # The first frame waits until it is known whether another one comes.
        self._first: SafeFrame | None = None
        self._size: tuple[int, int] | None = None
        self._frames = 0
        self._writer: FrameWriter | None = None
        self._pages: TiffWriter | None = None
        self._file: BinaryIO | None = None
        self._staged = Staged(path, force=force)

    def write(self, frame: SafeFrame) -> None:
        """Takes the next frame.

        Raises:
            OutputError: The place cannot be written, or the format cannot hold the frame.
        """
        if not isinstance(frame, SafeFrame):
            raise TypeError("a sink takes redacted frames only")
        self._check_size(frame.image)
        self._frames += 1
        with self._writing():
            if self._format == "TIFF":
                self._add_page(frame.image)
            elif self._frames == 1:
                self._first = frame
            else:
                self._add(frame)

    def finish(self) -> None:
        """Puts the file on disk under its own name.

        Raises:
            OutputExists: Something came to stand there meanwhile and `force` is off.
            OutputError: The place cannot be written, or there was no frame.
        """
        if not self._frames:
            raise OutputError(f"{one_line(self._path)}: there was no frame to write")
        with self._writing():
            if self._pages is not None:
                self._pages.finish()
            elif self._first is not None and self._format != "GIF":
                self._staged.part.write_bytes(self._still(self._first.image))
            else:
                self._animation().finish()
            self._close_file()
        self._staged.commit()

    def close(self) -> None:
        """Throws away what was not finished."""
        self._first = self._writer = self._pages = None
        with suppress(OSError):
            self._close_file()
        self._staged.close()

    def _check_size(self, image: Image) -> None:
        size = image.width, image.height
        self._refuse_larger(*size)
        if self._size not in (None, size) and self._format != "TIFF":
            raise OutputError(
                f"{one_line(self._path)}: frames of different sizes ({self._size} and {size}) "
                "need a .tif"
            )
        self._size = size

    def _refuse_larger(self, width: int, height: int) -> None:
        most = _LARGEST_SIDE_PX.get(self._format)
        if most is not None and max(width, height) > most:
            raise OutputError(
                f"{one_line(self._path)}: {width}x{height} is more than {self._format} can hold "
                f"({most} a side); name a .png or .tif"
            )

    def _add_page(self, image: Image) -> None:
        if self._pages is None:
            self._file = self._staged.part.open("w+b")
            self._pages = TiffWriter(self._file)
        self._pages.add(_pillow(image))

    def _add(self, frame: SafeFrame) -> None:
        if self._format not in _MOVING:
            raise OutputError(
                f"{one_line(self._path)}: {self._format} holds one picture and there are more; "
                "name a .gif, .webp, .png or .tif"
            )
        self._animation().add(_with_alpha(frame.image), _milliseconds(frame))

    def _animation(self) -> FrameWriter:
        """The writer of an animation, which has the first frame already."""
        if self._writer is None:
            self._file = self._staged.part.open("w+b")
            self._writer = self._new_writer(self._file)
            if self._first is not None:
                first, self._first = self._first, None
                self._writer.add(_with_alpha(first.image), _milliseconds(first))
        return self._writer

    def _new_writer(self, file: BinaryIO) -> FrameWriter:
        if self._format == "GIF":
            return GifWriter(file, self._loop)
        if self._format == "WEBP":
            return WebpWriter(file, self._loop, self._quality)
        return ApngWriter(file, self._loop, _PNG_LEVEL)

    def _still(self, image: Image) -> bytes:
        """One picture as a file's bytes."""
        picture = _pillow(image)
        if self._format in _NO_ALPHA and picture.mode == "RGBA":
            opaque = Pil.new("RGB", picture.size, "white")
            opaque.paste(picture, mask=picture.getchannel("A"))
            picture = opaque
        options: dict[str, Any] = {
            "JPEG": {
                "quality": self._quality,
                "subsampling": 0 if self._quality >= _FULL_CHROMA_FROM else 2,
            },
            "PNG": {"compress_level": _PNG_LEVEL},
            "WEBP": {"quality": self._quality},
        }.get(self._format, {})
        # Not straight into the file: Pillow's encoders lose the reason why a write failed.
        buffer = BytesIO()
        picture.save(buffer, self._format, **options)
        return buffer.getvalue()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Turns what Pillow and the disk say into an OutputError."""
        try:
            with self._staged.told():
                yield
        except (OSError, ValueError) as error:
            raise OutputError(
                f"{one_line(self._path)}: cannot be written as {self._format} ({one_line(error)}); "
                "name another format or place"
            ) from error

    def _close_file(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            file.close()


def _format_for(path: Path, info: SourceInfo | None) -> str:
    """Pillow's name of the format for this suffix.

    Raises:
        UsageError: The suffix is unknown, or its format cannot hold what comes.
    """
    name = _FORMATS.get(path.suffix.lower())
    shown = one_line(path)
    if name is None:
        raise UsageError(
            f"{shown}: cannot write {path.suffix or 'a name without suffix'!r} as a picture; "
            f"known: {' '.join(PICTURE_SUFFIXES)}"
        )
    if info is None:
        return name
    if info.kind == "animation" and name not in _MOVING:
        raise UsageError(
            f"{shown}: an animation does not fit in {path.suffix}; name a .gif, .webp, .png or .tif"
        )
    if info.kind == "picture" and (info.frames or 1) > 1 and name != "TIFF":
        raise UsageError(f"{shown}: {info.frames} pages do not fit in {path.suffix}; name a .tif")
    return name


def _milliseconds(frame: SafeFrame) -> int:
    return round(frame.duration * frame.time_base * 1000)


def _bgr(image: Image) -> U8:
    """The picture in one packed plane: B G R, or B G R A where it has alpha."""
    if not image.format.is_yuv:
        return np.ascontiguousarray(image.planes[0])
    # Chroma at half size is put together at even sizes only.
    width, height = image.width + image.width % 2, image.height + image.height % 2
    whole = Region(0, 0, image.width, image.height)
    pixels = ImageSampler(image).sample_bgr(whole, width, height)
    if pixels.shape[:2] == (image.height, image.width):
        return pixels
    return np.asarray(cv2.resize(pixels, (image.width, image.height)), np.uint8)


def _with_alpha(image: Image) -> U8:
    """The picture as (height, width, 4): B, G, R, alpha."""
    if image.format is PixelFormat.BGRA:
        return np.asarray(image.planes[0])
    if image.format is PixelFormat.GRAY:
        return np.asarray(cv2.cvtColor(image.planes[0], cv2.COLOR_GRAY2BGRA), np.uint8)
    return np.asarray(cv2.cvtColor(_bgr(image), cv2.COLOR_BGR2BGRA), np.uint8)


def _pillow(image: Image) -> Pil.Image:
    """The picture as Pillow has it, with nothing attached."""
    if image.format is PixelFormat.BGRA:
        return rgba(image.planes[0])
    if image.format is PixelFormat.GRAY:
        return Pil.fromarray(np.ascontiguousarray(image.planes[0]))
    return Pil.fromarray(cv2.cvtColor(_bgr(image), cv2.COLOR_BGR2RGB))
