"""Animated GIF, written frame by frame.

Pillow's own writer holds every frame until the last has come. Here each one is reduced to its own
256 colours, compressed by Pillow, and its block goes to the file at once.

Source: GIF89a specification.
"""

from __future__ import annotations

from io import BytesIO
from typing import BinaryIO

import numpy as np
from PIL import Image as Pil

from faceguard.edge.sinks.area import Area, changed
from faceguard.engines.types import U8

_KEEP, _TO_BACKGROUND = 1, 2
_OPAQUE_FROM = 128
_COLOURS = 256


class GifWriter:
    """One GIF; frames all of one size."""

    def __init__(self, file: BinaryIO, loop: int) -> None:
        """Starts it.

        Args:
            file: Where to write, open.
            loop: How often it plays in all, 0 for without end.
        """
        self._file = file
        self._loop = loop
        # What a viewer shows when the waiting frame is about to be drawn; None for nothing.
        self._shown: U8 | None = None
        self._waiting: tuple[U8, int] | None = None
        self._late_ms = 0

    def add(self, pixels: U8, duration_ms: int) -> None:
        """Takes a frame, (height, width, 4): B, G, R, alpha; alpha is rounded to none or full."""
        frame = pixels.copy()
        frame[..., 3] = np.where(frame[..., 3] >= _OPAQUE_FROM, 255, 0)
        frame[frame[..., 3] == 0] = 0
        if self._waiting is None:
            self._start(frame.shape[1], frame.shape[0])
        else:
            # A pixel cannot become transparent by being drawn: what is there must be wiped first.
            self._flush(wipe=bool(np.any(self._waiting[0][..., 3] > frame[..., 3])))
        self._waiting = frame, duration_ms

    def finish(self) -> None:
        """Writes the last frame and the end mark."""
        self._flush(wipe=False)
        self._file.write(b";")

    def _start(self, width: int, height: int) -> None:
        sizes = width.to_bytes(2, "little") + height.to_bytes(2, "little")
        self._file.write(b"GIF89a" + sizes + b"\x70\0\0")
        if self._loop != 1:
            again = min(max(self._loop - 1, 0), 0xFFFF).to_bytes(2, "little")
            self._file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + again + b"\0")

    def _flush(self, *, wipe: bool) -> None:
        if self._waiting is None:
            return
        frame, duration_ms = self._waiting
        height, width = frame.shape[:2]
        # Wiping clears the frame's own rectangle, so that must then be all of it. A frame over
        # nothing is drawn whole, since viewers differ in what they take "nothing" for.
        area = Area(0, 0, width, height) if wipe else changed(self._shown, frame)
        palette, clear, block = _compressed(frame[area.rows, area.columns])
        disposal = _TO_BACKGROUND if wipe else _KEEP
        flags = disposal << 2 | (clear is not None)
        self._file.write(
            b"\x21\xf9\x04"
            + bytes([flags])
            + self._hundredths(duration_ms).to_bytes(2, "little")
            + bytes([clear or 0, 0])
        )
        places = (area.x, area.y, area.width, area.height)
        bits = (len(palette) // 3 - 1).bit_length() - 1
        self._file.write(b"," + b"".join(n.to_bytes(2, "little") for n in places))
        self._file.write(bytes([0x80 | bits]) + palette + block)
        self._shown = None if wipe else frame
        self._waiting = None

    def _hundredths(self, duration_ms: int) -> int:
        """The time in GIF's unit; what rounding drops is made up for by the next frame.

        Not under two units unless asked for: viewers take one for "as you please".
        """
        if duration_ms <= 0:
            return 0
        wanted = duration_ms + self._late_ms
        units = min(max(round(wanted / 10), 2 if duration_ms > 10 else 1), 0xFFFF)
        self._late_ms = max(-5, min(5, wanted - units * 10))
        return units


def _compressed(pixels: U8) -> tuple[bytes, int | None, bytes]:
    """Palette, transparent index if there is one, and the compressed indices of a picture."""
    clear = pixels[..., 3] == 0
    has_clear = bool(clear.any())
    index, colours = _indexed(pixels, _COLOURS - has_clear)
    if has_clear:
        index[clear] = len(colours)
        colours = np.vstack([colours, np.zeros((1, 3), np.uint8)])
    paletted = Pil.fromarray(index)
    paletted.putpalette(colours.tobytes())
    buffer = BytesIO()
    see_through = {"transparency": len(colours) - 1} if has_clear else {}
    paletted.save(buffer, "GIF", optimize=False, interlace=False, **see_through)
    return _parts(buffer.getvalue())


def _indexed(pixels: U8, most: int) -> tuple[U8, U8]:
    """Palette indices and R, G, B colours; without loss where there are few enough colours."""
    rgb = np.ascontiguousarray(pixels[..., 2::-1])
    packed = rgb[..., 0].astype(np.uint32) << 16 | rgb[..., 1].astype(np.uint32) << 8 | rgb[..., 2]
    few, inverse = np.unique(packed, return_inverse=True)
    if len(few) <= most:
        colours = np.stack([few >> 16, few >> 8 & 255, few & 255], axis=1).astype(np.uint8)
        return inverse.reshape(packed.shape).astype(np.uint8), colours
    reduced = Pil.fromarray(rgb).quantize(most, method=Pil.Quantize.MEDIANCUT)
    palette = np.array(reduced.getpalette(), np.uint8).reshape(-1, 3)[:most]
    return np.array(reduced, np.uint8), palette


def _parts(gif: bytes) -> tuple[bytes, int | None, bytes]:
    """Takes a GIF of one frame apart: colours, transparent index, compressed indices."""
    at = 13
    palette, clear = b"", None
    if gif[10] & 0x80:
        palette, at = _colours(gif, 10, at)
    while gif[at] == 0x21:
        if gif[at + 1] == 0xF9 and gif[at + 3] & 1:
            clear = gif[at + 6]
        at += 2
        while gif[at]:
            at += gif[at] + 1
        at += 1
    flags_at = at + 9
    at += 10
    if gif[flags_at] & 0x80:
        palette, at = _colours(gif, flags_at, at)
    return palette, clear, gif[at : gif.rindex(b";")]


def _colours(gif: bytes, flags_at: int, at: int) -> tuple[bytes, int]:
    end = at + (3 << ((gif[flags_at] & 7) + 1))
    return gif[at:end], end
