"""Picture files made for tests: with planted marks, orientations, odd modes and animations."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pil
from PIL import PngImagePlugin, TiffImagePlugin

from faceguard.edge.sinks.picture import PictureSink
from faceguard.edge.sources.picture import open_picture
from faceguard.edge.types import Cover, Frame, Image, PixelFormat, SafeFrame, Seal

MARK = b"PLANTED-MARK"
ORIENTATION = 274


def scene(width: int = 48, height: int = 32, seed: int = 0) -> np.ndarray:
    """A smooth picture, R, G, B, whose corners and edges all differ."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def rgb(image: Image) -> np.ndarray:
    """What a frame's image shows, as R, G, B (and alpha)."""
    pixels = image.planes[0]
    if image.format is PixelFormat.GRAY:
        return np.repeat(pixels[..., None], 3, axis=2)
    order = [2, 1, 0, 3] if image.format is PixelFormat.BGRA else [2, 1, 0]
    return pixels[..., order]


def safe(image: Image, index: int = 0, duration_ms: int = 0) -> SafeFrame:
    frame = Frame(image, index, index * 100, Fraction(1, 1000), duration_ms)
    return SafeFrame(Seal(), image, frame, Cover())


def frames(path: Path) -> list[Frame]:
    with open_picture(path) as source:
        return list(source)


def read(path: Path) -> np.ndarray:
    (frame,) = frames(path)
    return rgb(frame.image)


def passed_through(path: Path, output: Path, **options: int) -> Path:
    """A file read and written with nothing covered."""
    with open_picture(path) as source, PictureSink(output, source.info, **options) as sink:
        for frame in source:
            sink.write(SafeFrame(Seal(), frame.image, frame, Cover()))
        sink.finish()
    return output


def exif_with_place(orientation: int = 1) -> Pil.Exif:
    exif = Pil.Exif()
    exif[ORIENTATION] = orientation
    exif[271] = MARK.decode()
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2] = "N", (52.0, 31.0, 12.0)
    gps[29] = MARK.decode()
    return exif


def segments(jpeg: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and content of each segment up to the scan, then (0xDA, the rest)."""
    at = 2
    while True:
        marker = jpeg[at + 1]
        size = struct.unpack_from(">H", jpeg, at + 2)[0]
        if marker == 0xDA:
            yield marker, jpeg[at:]
            return
        yield marker, jpeg[at + 4 : at + 2 + size]
        at += 2 + size


def _segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def marked_jpeg(pixels: np.ndarray) -> bytes:
    """A JPEG with all that phones and editors hide in one, each with the mark.

    EXIF with GPS and a thumbnail, XMP, a colour profile, IPTC in Photoshop's block, a maker's
    segment, a comment, a second picture, and a film behind the end.
    """
    thumbnail = BytesIO()
    Pil.fromarray(pixels).resize((16, 12)).save(thumbnail, "JPEG", comment=MARK)
    exif = exif_with_place().tobytes()
    # A second image file directory is where a thumbnail stands; its offset ends the first one.
    tiff = bytearray(exif[6:] if exif.startswith(b"Exif") else exif)
    order = "<" if tiff[:2] == b"II" else ">"
    first = struct.unpack_from(order + "I", tiff, 4)[0]
    entries = struct.unpack_from(order + "H", tiff, first)[0]
    small = thumbnail.getvalue()
    second = len(tiff)
    struct.pack_into(order + "I", tiff, first + 2 + 12 * entries, second)
    tiff += struct.pack(
        order + "HHHIIHHIII", 2, 0x201, 4, 1, second + 30, 0x202, 4, 1, len(small), 0
    )
    tiff += small
    body = BytesIO()
    Pil.fromarray(pixels).save(body, "JPEG", quality=95, subsampling=0)
    jpeg = body.getvalue()
    planted = b"".join(
        [
            _segment(0xE1, b"Exif\0\0" + bytes(tiff)),
            _segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x>" + MARK + b"</x>"),
            _segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x10\x1c\x02\x78\0\x0c" + MARK),
            _segment(0xE5, b"MAKER" + MARK),
            _segment(0xFE, MARK),
        ]
    )
    film = struct.pack(">I4s", 24, b"ftyp") + b"isom" + MARK + struct.pack(">I4s", 8, b"mdat")
    return jpeg[:2] + planted + jpeg[2:] + small + film


def marked_png(pixels: np.ndarray) -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", MARK.decode())
    text.add_itxt("XML:com.adobe.xmp", MARK.decode())
    text.add(b"prVt", MARK)
    out = BytesIO()
    Pil.fromarray(pixels).save(out, "PNG", pnginfo=text, exif=exif_with_place(), dpi=(77, 77))
    return out.getvalue() + MARK


def marked_webp(pixels: np.ndarray) -> bytes:
    out = BytesIO()
    Pil.fromarray(pixels).save(
        out, "WEBP", lossless=True, exif=exif_with_place(), xmp=b"<x>" + MARK + b"</x>"
    )
    return out.getvalue() + MARK


def marked_gif(pixels: np.ndarray) -> bytes:
    out = BytesIO()
    Pil.fromarray(pixels).save(out, "GIF", comment=MARK)
    return out.getvalue() + MARK


def marked_tiff(pixels: np.ndarray) -> bytes:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[270] = tags[315] = MARK.decode()
    tags[700] = MARK
    tags[34377] = MARK
    out = BytesIO()
    Pil.fromarray(pixels).save(out, "TIFF", tiffinfo=tags, compression="tiff_lzw")
    return out.getvalue() + MARK


def marked_bmp(pixels: np.ndarray) -> bytes:
    out = BytesIO()
    Pil.fromarray(pixels).save(out, "BMP")
    return out.getvalue() + MARK


MARKED = {
    "jpg": marked_jpeg,
    "png": marked_png,
    "webp": marked_webp,
    "gif": marked_gif,
    "tif": marked_tiff,
    "bmp": marked_bmp,
}


def animation(
    kind: str, count: int = 5, durations: Sequence[int] | int = 100, *, alpha: bool = False, **more
) -> bytes:
    """An animation in which a block moves; with alpha, over nothing."""
    pictures = []
    for number in range(count):
        if alpha:
            pixels = np.zeros((24, 32, 4), np.uint8)
            pixels[4:12, 2 + 3 * number : 10 + 3 * number] = (200, 40, 90, 255)
        else:
            pixels = np.full((24, 32, 3), (30, 60, 120), np.uint8)
            pixels[4:12, 2 + 3 * number : 10 + 3 * number] = (200, 40, 90)
        pictures.append(Pil.fromarray(pixels))
    out = BytesIO()
    extra = {"lossless": True} if kind == "WEBP" else {}
    if alpha and kind == "GIF":
        extra["disposal"] = 2
    pictures[0].save(
        out, kind, save_all=True, append_images=pictures[1:], duration=durations, **extra, **more
    )
    return out.getvalue()
