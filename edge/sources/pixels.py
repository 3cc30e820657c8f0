"""From Pillow's many modes to the three that faceguard works on: B G R, B G R A, and grey."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as Pil
from PIL import ImageCms

from faceguard.edge.types import Image, PixelFormat

if TYPE_CHECKING:
    from collections.abc import Callable

    from faceguard.engines.types import U8

REDUCED_16 = "reduced from 16 to 8 bits"
# What a colour profile's colour space is called in Pillow.
_SPACE_MODE = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_PLAIN_MODES = ("L", "RGB", "RGBA", "CMYK", "LAB")
_FULL_16_BITS = 65535
# LittleCMS calls it cmsFLAGS_BLACKPOINTCOMPENSATION; Pillow names it from 10.3 on.
_BLACK_POINT_COMPENSATION: Any = 0x2000


@dataclass(frozen=True)
class Upright:
    """An orientation of EXIF undone by swapping axes and mirroring.

    Attributes:
        swap: Rows become columns first.
        flip_rows: Then top and bottom change places.
        flip_columns: Then left and right change places.
    """

    swap: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    def turned(self, pixels: U8) -> U8:
        """The array upright, C-contiguous."""
        if self.swap:
            pixels = np.swapaxes(pixels, 0, 1)
        if self.flip_rows:
            pixels = pixels[::-1]
        if self.flip_columns:
            pixels = pixels[:, ::-1]
        return np.ascontiguousarray(pixels)


# By EXIF's tag 274 (EXIF 2.3, 4.6.4 A): where the stored first row and first column really lie.
UPRIGHT = {
    1: Upright(),
    2: Upright(flip_columns=True),
    3: Upright(flip_rows=True, flip_columns=True),
    4: Upright(flip_rows=True),
    5: Upright(swap=True),
    6: Upright(swap=True, flip_columns=True),
    7: Upright(swap=True, flip_rows=True, flip_columns=True),
    8: Upright(swap=True, flip_rows=True),
}


def image_from(
    picture: Pil.Image, upright: Upright, note: Callable[[str], None], *, alpha: bool = False
) -> Image:
    """Pixels of a loaded picture, in sRGB, 8 bits and upright.

    Colour under fully transparent pixels is set to 0: a face can hide there.

    Args:
        picture: A picture whose pixels are loaded.
        upright: How it is to be turned.
        note: Called with a line for each thing that is lost or changed.
        alpha: Whether the answer is to have alpha in any case (frames of one animation are alike).

    Returns:
        A full-range image in BGR, BGRA or GRAY.
    """
    flat = _with_standard_colour(_plain(picture, note), picture.info.get("icc_profile"), note)
    if alpha and flat.mode != "RGBA":
        flat = flat.convert("RGBA")
    if flat.mode == "L":
        return _image(PixelFormat.GRAY, upright.turned(_array(flat, "L", 1)[..., 0]))
    if flat.mode == "RGB":
        return _image(PixelFormat.BGR, upright.turned(_array(flat, "BGR", 3)))
    pixels = _array(flat, "BGRA", 4).copy()
    pixels[pixels[..., 3] == 0] = 0
    return _image(PixelFormat.BGRA, upright.turned(pixels))


def _array(picture: Pil.Image, raw_mode: str, channels: int) -> U8:
    data = picture.tobytes("raw", raw_mode)
    return np.frombuffer(data, np.uint8).reshape(picture.height, picture.width, channels)


def _image(form: PixelFormat, pixels: U8) -> Image:
    return Image(form, pixels.shape[1], pixels.shape[0], (pixels,), full_range=True)


def _plain(picture: Pil.Image, note: Callable[[str], None]) -> Pil.Image:
    """The picture in one of the plain modes."""
    mode = picture.mode
    if mode.startswith("I;16") or mode in ("I", "F"):
        return _from_deep(picture, note)
    if picture.has_transparency_data and mode != "RGBA":
        # Covers grey with alpha, palettes and single colours that stand for "transparent".
        return picture.convert("RGBA")
    if mode in _PLAIN_MODES:
        return picture
    return picture.convert("L" if mode == "1" else "RGB")


def _from_deep(picture: Pil.Image, note: Callable[[str], None]) -> Pil.Image:
    """Grey of 16 or 32 bits as 8 bits; scaled, where Pillow's own conversion would clip."""
    values = np.asarray(picture, np.float32)
    low, high = 0.0, float(_FULL_16_BITS)
    # Older Pillow gives a PNG's 16 bits as 32.
    if picture.mode.startswith("I;16") or picture.format == "PNG":
        note(REDUCED_16)
    else:
        finite = values[np.isfinite(values)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
        note(f"values from {low:g} to {high:g} spread over 8 bits")
    spread = (values - low) * (255.0 / ((high - low) or 1.0))
    return Pil.fromarray(np.clip(spread + 0.5, 0, 255).astype(np.uint8))


def _with_standard_colour(
    picture: Pil.Image, profile: object, note: Callable[[str], None]
) -> Pil.Image:
    """The picture in sRGB (or grey with sRGB's curve), by its own profile where that is of use."""
    opaque, alpha = picture, None
    if picture.mode == "RGBA":
        opaque, alpha = picture.convert("RGB"), picture.getchannel("A")
    wanted = "L" if picture.mode == "L" else "RGB"
    done = None
    if picture.mode == "LAB":
        done = _through(opaque, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), "LAB")
    elif isinstance(profile, bytes) and profile:
        try:
            done = _by_profile(opaque, profile)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            note("its colour profile could not be used and was left out")
    if picture.mode == "CMYK":
        note("turned from CMYK into RGB")
    if done is None and opaque.mode == wanted:
        return picture
    result = (done or opaque).convert(wanted)
    if alpha is not None:
        result.putalpha(alpha)
    return result


def _by_profile(picture: Pil.Image, data: bytes) -> Pil.Image | None:
    """The picture as sRGB, or None when it is that already."""
    profile = ImageCms.ImageCmsProfile(BytesIO(data))
    space = str(profile.profile.xcolor_space).strip()
    if space == "RGB" and ImageCms.getProfileDescription(profile).strip().startswith("sRGB"):
        return None
    mode = _SPACE_MODE.get(space)
    # Grey pictures often carry a profile for colour; any other mixture cannot be meant.
    if mode is None or (mode != picture.mode and (picture.mode, mode) != ("L", "RGB")):
        raise ValueError(f"a {space} profile on a {picture.mode} picture")
    return _through(picture.convert(mode), profile, mode)


def _through(picture: Pil.Image, profile: ImageCms.ImageCmsProfile, mode: str) -> Pil.Image:
    transform = ImageCms.buildTransform(
        profile,
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        _BLACK_POINT_COMPENSATION,
    )
    done = ImageCms.applyTransform(picture, transform)
    if done is None:
        raise ValueError("no picture came of it")
    return done
