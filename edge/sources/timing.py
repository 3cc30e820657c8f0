"""How long each frame of an animation is shown, read from the file's blocks without decoding.

Formats: GIF89a specification, section 23 and appendix A; WebP container specification (ANMF);
PNG, third edition, section 11.3.6 (fcTL).
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

_GIF_EXTENSION, _GIF_IMAGE, _GIF_END = 0x21, 0x2C, 0x3B
_GIF_CONTROL = 0xF9


def durations_ms(kind: str, file: BinaryIO) -> list[int]:
    """Milliseconds of each frame; 0 where it names none.

    Args:
        kind: "GIF", "WEBP" or "PNG"; others have no times.
        file: The open file; it is left at its beginning.

    Raises:
        EOFError: A GIF without its end mark: its last frames are missing.
    """
    walk = {"GIF": _gif, "WEBP": _webp, "PNG": _png}.get(kind)
    file.seek(0)
    try:
        return list(walk(file)) if walk else []
    finally:
        file.seek(0)


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise EOFError("end of file within a block")
    return data


def _gif(file: BinaryIO) -> Iterator[int]:
    _skip_colours(file, _exactly(file, 13)[10])
    delay_ms = 0
    # Pillow takes the end of the file for the end of the animation; only the end mark is proof.
    while (mark := _exactly(file, 1)[0]) != _GIF_END:
        if mark == _GIF_EXTENSION:
            label = _exactly(file, 1)[0]
            first = _gif_blocks(file)
            if label == _GIF_CONTROL and len(first) >= 4:
                delay_ms = int.from_bytes(first[1:3], "little") * 10
        elif mark == _GIF_IMAGE:
            _skip_colours(file, _exactly(file, 9)[8])
            _exactly(file, 1)
            _gif_blocks(file)
            yield delay_ms
            delay_ms = 0


def _skip_colours(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        _exactly(file, 3 << ((flags & 7) + 1))


def _gif_blocks(file: BinaryIO) -> bytes:
    """Runs over a chain of sub-blocks and returns the first."""
    first = b""
    while size := _exactly(file, 1)[0]:
        block = _exactly(file, size)
        first = first or block
    return first


def _webp(file: BinaryIO) -> Iterator[int]:
    file.seek(12)
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        start = file.tell()
        if name == b"ANMF":
            yield int.from_bytes(file.read(16)[12:15], "little")
        file.seek(start + size + (size & 1), os.SEEK_SET)


def _png(file: BinaryIO) -> Iterator[int]:
    file.seek(8)
    while len(head := file.read(8)) == 8:
        size, name = struct.unpack(">I4s", head)
        start = file.tell()
        if name == b"fcTL":
            part, whole = struct.unpack_from(">HH", file.read(26).ljust(26, b"\0"), 20)
            yield round(1000 * part / (whole or 100))
        file.seek(start + size + 4, os.SEEK_SET)
