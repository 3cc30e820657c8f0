"""The fake V4L2 device of tests/native/fake_v4l2.c: its place, and the films that it plays."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

DEVICE = "/dev/video7"
Read = Callable[..., dict[str, Any]]


def read_film(film: Path) -> list[bytes]:
    """The pictures of a film."""
    whole, place, packets = film.read_bytes(), 0, []
    while place < len(whole):
        (length,) = struct.unpack_from("<I", whole, place)
        packets.append(whole[place + 4 : place + 4 + length])
        place += 4 + length
    return packets


def write_film(path: Path, packets: list[bytes]) -> Path:
    path.write_bytes(b"".join(struct.pack("<I", len(packet)) + packet for packet in packets))
    return path
