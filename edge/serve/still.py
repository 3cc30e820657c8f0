"""What came, decoded: one still picture in BGR, upright, without metadata.

Its bytes are a file in memory only while they are read: an uncovered picture never reaches a disk.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pil

from faceguard.edge.serve.refusal import Refusal
from faceguard.edge.sources.kinds import picture_kind
from faceguard.edge.sources.picture import open_picture
from faceguard.edge.sources.pillow import reading
from faceguard.edge.types import Image, PixelFormat
from faceguard.engines.errors import InputError

# Thumbnails, masks and smaller copies beside a TIFF's own page; no scan needs more.
_MOST_SIDE_PAGES = 32
_FORMAT = {"JPEG": "jpeg", "PNG": "png", "WEBP": "webp"}


@dataclass(frozen=True)
class Size:
    """What a picture's header says.

    Attributes:
        width: In pixels, as stored.
        height: In pixels, as stored.
        format: "jpeg" or "webp" where it came as one, else "png".
        channels: 4 where something in it may be transparent, else 3.
    """

    width: int
    height: int
    format: str
    channels: int

    @property
    def pixels(self) -> int:
        """Their number."""
        return self.width * self.height


@dataclass(frozen=True)
class Still:
    """A picture to work on.

    Attributes:
        image: In BGR or BGRA.
        size: As its header said.
        is_grey: Whether it came without colour, and shall go so.
        notes: What was lost or changed, a line each.
    """

    image: Image
    size: Size
    is_grey: bool = False
    notes: tuple[str, ...] = ()


def decode(data: bytes | bytearray, *, max_pixels: int, admit: Callable[[Size], None]) -> Still:
    """Decodes a JPEG, PNG, WebP, BMP, TIFF or GIF with one picture in it.

    Args:
        data: The file's bytes.
        max_pixels: What has more is refused before it is unfolded.
        admit: Called with what the header says, before anything large happens; may refuse.

    Raises:
        Refusal: It is no such picture, damaged, cut off, too large, or more than one.
    """
    with _as_file(data) as path:
        try:
            size = _size(path, max_pixels)
            admit(size)
            with open_picture(path, max_pixels=max_pixels) as source:
                info = source.info
                if info.kind == "animation" or (info.frames or 1) > 1:
                    raise _not_still()
                image = next(iter(source)).image
        except InputError as error:
            # Only we know under which name it was read.
            line = str(error).replace(str(path), "the picture")
            status = 413 if isinstance(error.__cause__, Pil.DecompressionBombError) else 400
            raise Refusal(status, line) from None
    if image.format is PixelFormat.GRAY:
        pixels = np.asarray(cv2.cvtColor(image.planes[0], cv2.COLOR_GRAY2BGR), np.uint8)
        return Still(Image.from_bgr(pixels), size, is_grey=True, notes=info.notes)
    return Still(image, size, notes=info.notes)


def _size(path: Path, max_pixels: int) -> Size:
    kind = picture_kind(path)
    if kind is None:
        raise Refusal(400, "the picture: is no JPEG, PNG, WebP, BMP, TIFF or GIF; send one")
    # Not by its path, which older versions of Pillow would follow to a name that leads nowhere.
    with (
        reading(path, max_pixels),
        path.open("rb") as file,
        Pil.open(file, formats=[kind]) as picture,
    ):
        if _has_more(picture, kind):
            raise _not_still()
        channels = 4 if picture.has_transparency_data else 3
        width, height = picture.size
    size = Size(width, height, _FORMAT.get(kind, "png"), channels)
    if size.pixels > max_pixels:
        raise Refusal(
            413,
            f"the picture: {width}x{height} = {size.pixels:,} pixels are over the limit of "
            f"{max_pixels:,}; make it smaller",
        )
    if not size.pixels:
        raise Refusal(400, "the picture: has no pixels; send a whole one")
    return size


def _has_more(picture: Pil.Image, kind: str) -> bool:
    """Whether it is clear from the file's beginning that there is more than one picture.

    To count all of a long animation takes most of a second.
    """
    if kind in ("GIF", "PNG", "WEBP"):
        return bool(getattr(picture, "is_animated", False))
    if kind != "TIFF":
        return False  # what else a JPEG holds is left out
    try:
        picture.seek(_MOST_SIDE_PAGES + 1)
    except EOFError:
        return False
    return True


def _not_still() -> Refusal:
    return Refusal(400, "the picture: is an animation or has several pages; send a still one")


@contextmanager
def _as_file(data: bytes | bytearray) -> Iterator[Path]:
    """The bytes under a path that leads to memory."""
    handle = os.memfd_create("picture", os.MFD_CLOEXEC)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        yield Path(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)
