"""Reading stills: every mode comes out upright, in 8 bits, in sRGB."""

from __future__ import annotations

import threading
import warnings
from io import BytesIO

import numpy as np
import pytest
from PIL import Image as Pil
from PIL import ImageCms

from faceguard.edge.sources.picture import is_picture, open_picture
from faceguard.edge.types import PixelFormat
from faceguard.engines.errors import InputError
from tests.edge.pictures import (
    MARKED,
    ORIENTATION,
    frames,
    read,
    rgb,
    scene,
)

# Stored pixels from upright ones, by EXIF's orientation.
STORED = {
    1: lambda up: up,
    2: np.fliplr,
    3: lambda up: np.rot90(up, 2),
    4: np.flipud,
    5: lambda up: up.swapaxes(0, 1),
    6: lambda up: np.rot90(up, 1),
    7: lambda up: np.rot90(up, 2).swapaxes(0, 1),
    8: lambda up: np.rot90(up, -1),
}


def _exif(orientation: object) -> Pil.Exif:
    exif = Pil.Exif()
    exif[ORIENTATION] = orientation
    return exif


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 100, "subsampling": 0}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ],
)
def test_all_eight_orientations_come_out_upright(tmp_path, kind, options, orientation):
    upright = scene(48, 30)
    stored = np.ascontiguousarray(STORED[orientation](upright))
    path = tmp_path / "picture"
    if kind == "TIFF":
        options = {**options, "tiffinfo": {ORIENTATION: orientation}}
    else:
        options = {**options, "exif": _exif(orientation)}
    Pil.fromarray(stored).save(path, kind, **options)
    with open_picture(path) as source:
        assert (source.info.width, source.info.height) == (48, 30)
        (frame,) = source
    error = np.abs(rgb(frame.image).astype(int) - upright)
    assert error.max() <= (6 if kind == "JPEG" else 0)


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_is_none_is_left(tmp_path, orientation):
    path = tmp_path / "a.png"
    Pil.fromarray(scene()).save(path, exif=_exif(orientation))
    assert np.array_equal(read(path), scene())


def test_damaged_exif_does_not_stop_the_picture(tmp_path):
    path = tmp_path / "a.jpg"
    Pil.fromarray(scene()).save(path, exif=b"Exif\0\0II*\0\xff\xff\xff\xff\x07\x07")
    assert read(path).shape == scene().shape


def test_real_picture_with_exif(data):
    (frame,) = frames(data / "images" / "fdlite_portrait_exif.jpg")
    assert frame.image.format is PixelFormat.BGR
    assert (frame.image.width, frame.image.height) == (1728, 1152)


@pytest.mark.parametrize("suffix", sorted(MARKED))
def test_kind_is_told_by_content_not_by_name(tmp_path, suffix):
    path = tmp_path / "film.mp4"
    path.write_bytes(MARKED[suffix](scene()))
    assert is_picture(path)
    assert read(path).shape == scene().shape


def test_grey_stays_grey(tmp_path):
    grey = scene()[..., 0]
    for name in ("a.png", "a.jpg", "a.tif", "a.bmp"):
        Pil.fromarray(grey).save(tmp_path / name)
        (frame,) = frames(tmp_path / name)
        assert frame.image.format is PixelFormat.GRAY
        assert frame.image.full_range
        assert np.abs(frame.image.planes[0].astype(int) - grey).max() <= 8


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB"])
def test_modes_look_as_before(tmp_path, mode):
    picture = Pil.fromarray(scene())
    if mode == "LAB":
        spaces = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        picture = ImageCms.profileToProfile(picture, *spaces, outputMode="LAB")
        wanted = scene()
    else:
        picture = picture.convert(mode)
        wanted = np.asarray(picture.convert("RGB"))
    path = tmp_path / "a.tif"
    picture.save(path)
    error = np.abs(read(path)[..., :3].astype(int) - wanted)
    # LAB in 8 bits is coarse in dark colours: up to 21 steps of sRGB were seen.
    assert error.max() <= (24 if mode == "LAB" else 1)
    assert error.mean() <= 3


def test_sixteen_bits_are_scaled_and_said(tmp_path):
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (4, 1))
    wanted = np.round(ramp / 257).astype(int)
    for name in ("a.png", "a.tif"):
        Pil.fromarray(ramp).save(tmp_path / name)
        with open_picture(tmp_path / name) as source:
            (frame,) = source
            assert source.info.notes == ("reduced from 16 to 8 bits",)
        assert frame.image.format is PixelFormat.GRAY
        assert np.abs(frame.image.planes[0] - wanted).max() <= 1


def test_sixteen_bit_colour_is_said(tmp_path):
    import cv2

    path = tmp_path / "a.png"
    assert cv2.imwrite(str(path), scene().astype(np.uint16) * 257)
    with open_picture(path) as source:
        (frame,) = source
        assert source.info.notes == ("reduced from 16 to 8 bits",)
    assert np.array_equal(frame.image.planes[0], scene())


def test_float_picture_is_spread(tmp_path):
    values = np.array([[-1.0, 0.0, 1.0], [np.nan, np.inf, 1.0]], np.float32)
    Pil.fromarray(values).save(tmp_path / "a.tif")
    with open_picture(tmp_path / "a.tif") as source:
        (frame,) = source
        assert "-1 to 1" in source.info.notes[0]
    assert frame.image.planes[0].tolist() == [[0, 128, 255], [0, 255, 255]]


def test_colour_under_full_transparency_is_gone(tmp_path):
    pixels = np.dstack([scene(), np.full(scene().shape[:2], 255, np.uint8)])
    pixels[:10, :, 3] = 0
    pixels[10:20, :, 3] = 1
    for name, options in (("a.png", {}), ("a.webp", {"lossless": True, "exact": True})):
        Pil.fromarray(pixels).save(tmp_path / name, **options)
        found = read(tmp_path / name)
        assert not found[:10].any()
        assert np.array_equal(found[10:], pixels[10:])


def test_transparent_palette_and_colour_key(tmp_path):
    picture = Pil.new("P", (4, 4), 1)
    picture.putpalette([9, 8, 7, 50, 60, 70])
    picture.putpixel((0, 0), 0)
    picture.save(tmp_path / "a.png", transparency=0)
    found = read(tmp_path / "a.png")
    assert found[0, 0].tolist() == [0, 0, 0, 0]
    assert found[1, 1].tolist() == [50, 60, 70, 255]
    Pil.new("RGB", (4, 4), (1, 2, 3)).save(tmp_path / "b.png", transparency=(1, 2, 3))
    assert not read(tmp_path / "b.png").any()


def _wide_profile() -> bytes:
    """A profile made from sRGB's by swapping the primaries of red and green."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = data.index(b"rXYZ"), data.index(b"gXYZ")
    data[red : red + 4], data[green : green + 4] = b"gXYZ", b"rXYZ"
    at = data.index(b"s\0R\0G\0B") if b"s\0R\0G\0B" in data else -1
    while at >= 0:
        data[at : at + 7] = b"x\0X\0X\0X"
        at = data.find(b"s\0R\0G\0B")
    return bytes(data)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.webp"])
def test_colour_profile_is_applied(tmp_path, name):
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[..., 0] = 255
    profile = _wide_profile()
    options = {"lossless": True} if name == "a.webp" else {}
    Pil.fromarray(pixels).save(tmp_path / name, icc_profile=profile, **options)
    # Through this profile the file's red is a viewer's green.
    assert np.abs(read(tmp_path / name)[8, 8].astype(int) - (0, 255, 0)).max() <= 4


def test_srgb_profile_changes_nothing(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Pil.fromarray(scene()).save(tmp_path / "a.png", icc_profile=profile)
    assert np.array_equal(read(tmp_path / "a.png"), scene())
    # A grey picture that carries a profile for colour is common, and stays grey.
    Pil.fromarray(scene()[..., 0]).save(tmp_path / "b.png", icc_profile=profile)
    (frame,) = frames(tmp_path / "b.png")
    assert np.array_equal(frame.image.planes[0], scene()[..., 0])


def test_broken_profile_is_left_out_and_said(tmp_path):
    Pil.fromarray(scene()).save(tmp_path / "a.png", icc_profile=b"no profile" * 20)
    with open_picture(tmp_path / "a.png") as source:
        (frame,) = source
        assert "colour profile" in source.info.notes[0]
    assert np.array_equal(rgb(frame.image), scene())


def test_cmyk_is_said(tmp_path):
    Pil.fromarray(scene()).convert("CMYK").save(tmp_path / "a.jpg", quality=100)
    with open_picture(tmp_path / "a.jpg") as source:
        (frame,) = source
        assert source.info.notes == ("turned from CMYK into RGB",)
    wanted = np.asarray(Pil.fromarray(scene()).convert("CMYK").convert("RGB")).astype(int)
    assert np.abs(rgb(frame.image) - wanted).mean() < 4


def test_second_picture_of_a_stereo_file_is_not_read(tmp_path):
    out = BytesIO()
    left, right = (Pil.fromarray(scene(seed=n)) for n in (1, 2))
    left.save(out, "MPO", save_all=True, append_images=[right])
    (tmp_path / "a.jpg").write_bytes(out.getvalue())
    with open_picture(tmp_path / "a.jpg") as source:
        assert source.info.kind == "picture"
        assert source.info.notes == ("further pictures inside the file were left out",)
        assert len(list(source)) == 1


def test_a_source_is_read_once(tmp_path):
    path = tmp_path / "a.png"
    Pil.fromarray(scene()).save(path)
    with open_picture(path) as source:
        assert len(list(source)) == 1
        with pytest.raises(ValueError, match="once"):
            list(source)


def test_threads_read_side_by_side_in_silence(tmp_path):
    exif = b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x0f\x01\x02\0\xff\xff\xff\x7f\0\0\0\0"
    Pil.fromarray(scene()).save(tmp_path / "a.jpg", exif=exif)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        Pil.open(tmp_path / "a.jpg").close()
    assert said, "Pillow has something to say of this file"
    before, limit = list(warnings.filters), Pil.MAX_IMAGE_PIXELS
    wrong: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(30):
                assert read(tmp_path / "a.jpg").shape == scene().shape
        except (AssertionError, InputError, Warning) as error:
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert list(warnings.filters) == before
    assert limit == Pil.MAX_IMAGE_PIXELS
