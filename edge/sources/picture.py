"""Still pictures, animations and pages, read through Pillow one frame at a time.

Nothing but pixels and times comes out of here. Orientation and colour profile are applied and
then forgotten, with all other metadata; further pictures inside a file (thumbnails, the second
eye of a stereo picture, a film behind a photo) are never looked at.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, BinaryIO

from PIL import ExifTags
from PIL import Image as Pil

from faceguard.edge.atomic import one_line
from faceguard.edge.sources.base import SourceInfo
from faceguard.edge.sources.kinds import is_picture, picture_kind
from faceguard.edge.sources.pillow import PILLOW_ERRORS, reading
from faceguard.edge.sources.pixels import REDUCED_16, UPRIGHT, Upright, image_from
from faceguard.edge.sources.timing import durations_ms
from faceguard.edge.types import Frame
from faceguard.engines.closing import Closing
from faceguard.engines.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from faceguard.edge.types import Image

__all__ = ["MAX_PIXELS", "PictureSource", "is_picture", "open_picture"]

# Twice what Pillow warns at: 178,956,970, or 0.7 GB unfolded.
MAX_PIXELS = 2 * (1024 * 1024 * 1024 // 4 // 3)

# Several frames of an animation are in memory at a time.
_ANIMATED_SHARE = 8

_MILLISECOND = Fraction(1, 1000)
# Frames that name no time are shown for this long by browsers.
_UNNAMED_MS = 100
_PNG_DEPTH_AT = 24
_NEW_SUBFILE_TYPE, _BITS_PER_SAMPLE, _SUB_IFDS, _DNG_VERSION = 254, 258, 330, 50706
_REDUCED, _TRANSPARENCY_MASK = 1, 4


def open_picture(path: Path, *, max_pixels: int = MAX_PIXELS) -> PictureSource:
    """Opens a JPEG, PNG, APNG, WebP, BMP, TIFF or GIF.

    Args:
        path: The file; what it is gets told by its content.
        max_pixels: Refuse pictures with more pixels than this, and animations with more than an
            eighth of it in a frame.

    Returns:
        A source that has read its first frame already.

    Raises:
        InputError: It cannot be read, is damaged, cut off, too large, or no such picture.
    """
    return PictureSource(path, max_pixels=max_pixels)


class PictureSource(Closing):
    """The frames of one picture file; see `open_picture`."""

    def __init__(self, path: Path, *, max_pixels: int = MAX_PIXELS) -> None:
        """Opens the file and reads the first frame."""
        kind = picture_kind(path)
        if kind is None:
            raise InputError(
                f"{one_line(path)}: is no JPEG, PNG, WebP, BMP, TIFF or GIF, whatever its name "
                "says; name a picture"
            )
        self._path = path
        self._kind = kind
        self._max_pixels = max_pixels
        self._notes: list[str] = []
        self._file: BinaryIO | None = None
        self._first: Image | None = None
        self._upright: Upright | None = None
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    @property
    def info(self) -> SourceInfo:
        """What to expect; notes grow while frames are read."""
        return replace(self._info, notes=tuple(self._notes))

    def __iter__(self) -> Iterator[Frame]:
        """The frames, each decoded when it is asked for.

        Raises:
            InputError: A later frame is damaged or missing.
        """
        image, self._first = self._first, None
        if image is None:
            raise ValueError("a source can be read only once")
        if len(self._places) == 1:
            self.close()
        pts = 0
        for index in range(len(self._places)):
            if index:
                image = self._read(index)
            duration_ms = self._duration_ms(index)
            yield Frame(image, index, pts, _MILLISECOND, duration_ms)
            pts += duration_ms or _UNNAMED_MS
        self.close()

    def close(self) -> None:
        """Lets go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> None:
        with reading(self._path, self._max_pixels):
            self._file = self._path.open("rb")
            self._durations = durations_ms(self._kind, self._file)
            self._head = self._file.read(_PNG_DEPTH_AT + 1)
            self._file.seek(0)
            self._picture = Pil.open(self._file, formats=[self._kind])
            self._check_size()
            count = int(getattr(self._picture, "n_frames", 1))
            if self._kind == "JPEG" and count > 1:
                self._note("further pictures inside the file were left out")
                count = 1
            self._animated = count > 1 and self._kind != "TIFF"
            self._places = self._pages(count) if self._kind == "TIFF" else list(range(count))
            if self._animated and getattr(self._picture, "default_image", False):
                # This still is not played, so no one may notice what face it shows.
                self._places = self._places[1:]
                self._note("the still that stands in for the animation was left out")
        self._has_alpha = self._animated and self._kind == "GIF"
        self._first = image = self._read(0)
        self._info = self._described(image)

    def _described(self, image: Image) -> SourceInfo:
        still = SourceInfo("picture", image.width, image.height, frames=len(self._places))
        if not self._animated:
            return still
        times = [self._duration_ms(index) or _UNNAMED_MS for index in range(len(self._places))]
        loop = self._picture.info.get("loop")
        if self._kind == "GIF":
            # A GIF counts repetitions, and one that does not say is played once.
            loop = 1 if loop is None else loop + 1 if loop else 0
        return replace(
            still,
            kind="animation",
            rate=Fraction(1000, times[0]) if len(set(times)) == 1 else None,
            duration_s=sum(times) / 1000,
            loop=int(loop or 0),
        )

    def _duration_ms(self, index: int) -> int:
        if not self._animated or index >= len(self._durations):
            return 0
        return self._durations[index]

    def _pages(self, count: int) -> list[int]:
        """The pages to show: all, but no thumbnails and masks.

        A detector may miss a face in a thumbnail for its size, which a viewer would still know.
        """
        places = []
        for place in range(count):
            self._picture.seek(place)
            tags = getattr(self._picture, "tag_v2", {})
            role = tags.get(_NEW_SUBFILE_TYPE, 0)
            small = isinstance(role, int) and bool(role & (_REDUCED | _TRANSPARENCY_MASK))
            if _DNG_VERSION in tags or (place == 0 and small and _SUB_IFDS in tags):
                raise InputError(
                    f"{one_line(self._path)}: raw camera pictures are not read; save it as JPEG, "
                    "PNG, WebP or TIFF"
                )
            if place == 0 or not small:
                places.append(place)
        if len(places) < count:
            self._note("thumbnails and masks among its pages were left out")
        self._picture.seek(0)
        return places

    def _read(self, index: int) -> Image:
        """Decodes one frame; frames must be asked for in order."""
        with reading(self._path, self._max_pixels):
            if self._file is None:
                raise InputError(f"{one_line(self._path)}: was closed while it was read; open it")
            if self._places[index] != self._picture.tell():
                self._picture.seek(self._places[index])
            self._check_size()
            self._picture.load()
            self._note_depth()
            if self._upright is None or not self._animated:
                self._upright = self._orientation()
            self._has_alpha |= self._animated and self._picture.has_transparency_data
            return image_from(self._picture, self._upright, self._note, alpha=self._has_alpha)

    def _orientation(self) -> Upright:
        """How EXIF says the picture is to be turned; Pillow has turned a TIFF already."""
        data = self._picture.info.get("exif")
        if self._kind == "TIFF" or not isinstance(data, bytes):
            return UPRIGHT[1]
        exif = Pil.Exif()
        try:
            exif.load(data)
            tag = exif.get(ExifTags.Base.Orientation)
        except PILLOW_ERRORS:
            self._note("its EXIF block is damaged, so it may lie on its side")
            return UPRIGHT[1]
        return UPRIGHT.get(tag, UPRIGHT[1]) if isinstance(tag, int) else UPRIGHT[1]

    def _check_size(self) -> None:
        width, height = self._picture.size
        most, what = self._max_pixels, ""
        if getattr(self._picture, "is_animated", False) and self._kind not in ("JPEG", "TIFF"):
            most, what = most // _ANIMATED_SHARE, " for an animation"
        if width * height > most:
            raise InputError(
                f"{one_line(self._path)}: {width}x{height} = {width * height:,} pixels are over "
                f"the limit of {most:,}{what}; make it smaller"
            )

    def _note_depth(self) -> None:
        """Says so where Pillow drops bits by itself: 16 bits of colour."""
        bits: object = 8
        if self._kind == "PNG":
            bits = self._head[_PNG_DEPTH_AT]
        elif self._kind == "TIFF":
            tags = getattr(self._picture, "tag_v2", {})
            said = tags.get(_BITS_PER_SAMPLE, (8,))
            bits = max(said) if isinstance(said, tuple) else said
        if bits == 16:
            self._note(REDUCED_16)

    def _note(self, line: str) -> None:
        if line not in self._notes:
            self._notes.append(line)
