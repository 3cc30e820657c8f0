"""Telling pictures by their first bytes: a file's name proves nothing."""

from __future__ import annotations

import stat
from pathlib import Path

from faceguard.edge.atomic import one_line
from faceguard.engines.errors import InputError

_HEAD_BYTES = 64
_BMP_HEADER_BYTES = {12, 40, 52, 56, 64, 108, 124}
_HEIF_BRANDS = {
    b"heic": "HEIC",
    b"heix": "HEIC",
    b"heim": "HEIC",
    b"heis": "HEIC",
    b"hevc": "HEIC",
    b"hevx": "HEIC",
    b"mif1": "HEIF",
    b"msf1": "HEIF",
    b"avif": "AVIF",
    b"avis": "AVIF",
    b"crx ": "CR3 raw",
}
_READ = {
    "JPEG": (b"\xff\xd8\xff",),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "GIF": (b"GIF87a", b"GIF89a"),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
}
_REFUSED = {
    "JPEG XL": (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"),
    "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
    "Photoshop": (b"8BPS",),
    "icon": (b"\0\0\1\0\1\0", b"\0\0\2\0\1\0"),
    "OpenEXR": (b"\x76\x2f\x31\x01",),
    "Radiance HDR": (b"#?RADIANCE", b"#?RGBE"),
    "QOI": (b"qoif",),
    "raw camera": (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"IIU\0", b"FOVb"),
    "PNM": tuple(b"P%d%c" % (n, gap) for n in range(1, 8) for gap in b"\n \r\t"),
}


def picture_kind(path: Path) -> str | None:
    """Pillow's name of the picture's format, or None for what is no still-picture file.

    Raises:
        InputError: No file, no permission, a folder, a device, an empty file, or a picture of a
            format that is known but not read (HEIC, AVIF, raw and others), which must not reach a
            video reader that would show a part of it.
    """
    head = _head(path)
    for name, starts in _READ.items():
        if head.startswith(starts):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_BYTES:
        return "BMP"
    refused = _HEIF_BRANDS.get(head[8:12]) if head[4:8] == b"ftyp" else None
    for name, starts in _REFUSED.items():
        if head.startswith(starts):
            refused = name
    if refused:
        raise InputError(
            f"{one_line(path)}: {refused} pictures are not read; save it as JPEG, PNG, WebP or TIFF"
        )
    return None


def is_picture(path: Path) -> bool:
    """Whether the file's content is a picture or animation that `open_picture` takes.

    Raises:
        InputError: As `picture_kind`.
    """
    return picture_kind(path) is not None


def _head(path: Path) -> bytes:
    """The file's first bytes.

    Raises:
        InputError: It cannot be read, and why.
    """
    shown = one_line(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{shown}: is a folder; name a file")
        if not stat.S_ISREG(mode):
            raise InputError(f"{shown}: is a device or a pipe; name a file")
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError:
        raise InputError(f"{shown}: no such file; check the name") from None
    except NotADirectoryError:
        raise InputError(f"{shown}: a part of the path is no folder; check the name") from None
    except PermissionError:
        raise InputError(f"{shown}: no permission to read it; change its rights") from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{shown}: cannot be read ({one_line(error)}); check the name and the disk"
        ) from error
    if not head:
        raise InputError(f"{shown}: is empty (0 bytes); get a whole copy of it")
    return head
