"""Animated WebP and PNG, and TIFF with pages, written frame by frame.

Pillow compresses each frame; putting the compressed parts together is done here, so that no more
than two frames are in memory however long the animation is.

Sources: WebP container specification; PNG, third edition, sections 4.9 and 11.3.6.
"""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import BinaryIO, Protocol

from PIL import Image as Pil
from PIL.TiffImagePlugin import AppendingTiffWriter

from faceguard.edge.sinks.area import changed
from faceguard.engines.types import U8

_PNG_START = b"\x89PNG\r\n\x1a\n"
_RGBA_COLOUR_TYPE = 6
_WEBP_ANIMATED_WITH_ALPHA = 0x12
_WEBP_OVERWRITE = 0x02
_WEBP_LONGEST_MS = 0xFFFFFF
_PREDICTOR, _HORIZONTAL = 317, 2


class FrameWriter(Protocol):
    """Writes frames of one size to an open file."""

    def add(self, pixels: U8, duration_ms: int) -> None:
        """Takes a frame, (height, width, 4): B, G, R, alpha."""
        ...

    def finish(self) -> None:
        """Writes what comes after the last frame; the file stays open."""
        ...


def rgba(pixels: U8) -> Pil.Image:
    """An array of B, G, R, alpha as Pillow has it."""
    height, width = pixels.shape[:2]
    return Pil.frombuffer("RGBA", (width, height), pixels.tobytes(), "raw", "BGRA", 0, 1)


class WebpWriter:
    """One animated WebP."""

    def __init__(self, file: BinaryIO, loop: int, quality: int) -> None:
        """Starts it; `loop` is how often it plays in all, 0 for without end."""
        self._file = file
        self._loop = loop
        self._quality = quality
        self._before: U8 | None = None

    def add(self, pixels: U8, duration_ms: int) -> None:
        """Takes a frame; see `FrameWriter`."""
        if self._before is None:
            self._start(pixels.shape[1], pixels.shape[0])
        area = changed(self._before, pixels, even=True)
        buffer = BytesIO()
        rgba(pixels[area.rows, area.columns]).save(buffer, "WEBP", quality=self._quality)
        numbers = (area.x // 2, area.y // 2, area.width - 1, area.height - 1)
        head = b"".join(
            number.to_bytes(3, "little")
            for number in (*numbers, min(duration_ms, _WEBP_LONGEST_MS))
        )
        content = head + bytes([_WEBP_OVERWRITE]) + _webp_pixels(buffer.getvalue())
        self._file.write(_riff(b"ANMF", content))
        self._before = pixels

    def finish(self) -> None:
        """Fills in the file's size."""
        end = self._file.seek(0, 2)
        self._file.seek(4)
        self._file.write(struct.pack("<I", end - 8))
        self._file.seek(0, 2)

    def _start(self, width: int, height: int) -> None:
        size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        self._file.write(b"RIFF\0\0\0\0WEBP")
        self._file.write(_riff(b"VP8X", bytes([_WEBP_ANIMATED_WITH_ALPHA, 0, 0, 0]) + size))
        self._file.write(_riff(b"ANIM", struct.pack("<IH", 0, min(self._loop, 0xFFFF))))


def _riff(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) & 1)


def _webp_pixels(still: bytes) -> bytes:
    """The chunks of a still WebP that hold pixels."""
    found, at = b"", 12
    while at + 8 <= len(still):
        name, size = struct.unpack_from("<4sI", still, at)
        end = at + 8 + size + (size & 1)
        if name in (b"ALPH", b"VP8 ", b"VP8L"):
            found += still[at:end]
        at = end
    return found


class ApngWriter:
    """One animated PNG."""

    def __init__(self, file: BinaryIO, loop: int, compress_level: int) -> None:
        """Starts it; `loop` is how often it plays in all, 0 for without end."""
        self._file = file
        self._loop = loop
        self._level = compress_level
        self._before: U8 | None = None
        self._frames = 0
        self._sequence = 0
        self._counts_at = 0

    def add(self, pixels: U8, duration_ms: int) -> None:
        """Takes a frame; see `FrameWriter`."""
        first = self._before is None
        if first:
            self._start(pixels.shape[1], pixels.shape[0])
        area = changed(self._before, pixels)
        buffer = BytesIO()
        rgba(pixels[area.rows, area.columns]).save(buffer, "PNG", compress_level=self._level)
        self._chunk(
            b"fcTL",
            struct.pack(
                ">5I2H2B",
                self._next(),
                *(area.width, area.height, area.x, area.y),
                *_delay(duration_ms),
                0,  # leave it when the next one comes
                0,  # overwrite what was there
            ),
        )
        data = _png_pixels(buffer.getvalue())
        if first:
            self._chunk(b"IDAT", data)
        else:
            self._chunk(b"fdAT", struct.pack(">I", self._next()) + data)
        self._before = pixels
        self._frames += 1

    def finish(self) -> None:
        """Writes the end mark and fills in how many frames there are."""
        self._chunk(b"IEND", b"")
        self._file.seek(self._counts_at)
        self._counts()
        self._file.seek(0, 2)

    def _start(self, width: int, height: int) -> None:
        self._file.write(_PNG_START)
        self._chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, _RGBA_COLOUR_TYPE, 0, 0, 0))
        self._counts_at = self._file.tell()
        self._counts()

    def _counts(self) -> None:
        self._chunk(b"acTL", struct.pack(">2I", self._frames, self._loop))

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence - 1

    def _chunk(self, name: bytes, content: bytes) -> None:
        check = struct.pack(">I", zlib.crc32(name + content))
        self._file.write(struct.pack(">I", len(content)) + name + content + check)


def _delay(duration_ms: int) -> tuple[int, int]:
    """Numerator and denominator of the seconds, 16 bits each."""
    for units in (1000, 100, 1):
        count = round(duration_ms * units / 1000)
        if count <= 0xFFFF:
            return count, units
    return 0xFFFF, 1


def _png_pixels(still: bytes) -> bytes:
    """The compressed pixels of a still PNG."""
    found, at = b"", len(_PNG_START)
    while at + 8 <= len(still):
        size, name = struct.unpack_from(">I4s", still, at)
        if name == b"IDAT":
            found += still[at + 8 : at + 8 + size]
        at += size + 12
    return found


class TiffWriter:
    """One TIFF; each picture becomes a page, of its own size and kind."""

    def __init__(self, file: BinaryIO) -> None:
        """Starts it."""
        self._pages = AppendingTiffWriter(file)

    def add(self, picture: Pil.Image) -> None:
        """Takes a page."""
        picture.save(
            self._pages, "TIFF", compression="tiff_lzw", tiffinfo={_PREDICTOR: _HORIZONTAL}
        )
        self._pages.newFrame()

    def finish(self) -> None:
        """Ends it; each page was linked to the one before when it came."""
        self._pages.close()
