"""Writing stills: pixels stay, everything else goes."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import ExifTags
from PIL import Image as Pil

from faceguard.edge.sinks.picture import PICTURE_SUFFIXES, PictureSink
from faceguard.edge.sources.picture import open_picture
from faceguard.edge.types import Frame, Image, PixelFormat
from faceguard.engines.errors import OutputError, OutputExists, UsageError
from tests.edge.pictures import (
    MARK,
    MARKED,
    marked_jpeg,
    passed_through,
    read,
    safe,
    scene,
    segments,
)

# Mean error allowed: JPEG and WebP lose a little, GIF has 256 colours.
LOSSY = {".jpg": 5, ".jpeg": 5, ".webp": 7, ".gif": 7}
ALL = sorted(set(PICTURE_SUFFIXES))


def test_the_planted_marks_are_where_they_are_said_to_be(tmp_path):
    planted = marked_jpeg(scene())
    assert planted.count(MARK) >= 8
    (tmp_path / "a.jpg").write_bytes(planted)
    with Pil.open(tmp_path / "a.jpg") as picture:
        exif = picture.getexif()
        assert exif.get_ifd(0x8825)[29] == MARK.decode()
        assert exif.get_ifd(ExifTags.IFD.IFD1)[0x202] > 100, "a thumbnail"
        assert MARK in picture.info["comment"]
        assert "photoshop" in picture.info
        assert MARK in picture.info["xmp"]


@pytest.mark.parametrize("output", ALL)
@pytest.mark.parametrize("suffix", sorted(MARKED))
def test_nothing_but_pixels_passes(tmp_path, suffix, output):
    planted = MARKED[suffix](scene())
    assert MARK in planted
    path = tmp_path / f"in.{suffix}"
    path.write_bytes(planted)
    before = read(path)
    written = passed_through(path, tmp_path / f"out{output}")
    content = written.read_bytes()
    assert MARK not in content
    assert path.read_bytes() == planted
    with Pil.open(written) as picture:
        picture.load()
        assert not picture.getexif() or output in (".tif", ".tiff")
        hidden = {"exif", "icc_profile", "xmp", "comment", "photoshop", "XML:com.adobe.xmp", "mp"}
        assert not hidden & set(picture.info)
    error = np.abs(read(written)[..., :3].astype(int) - before[..., :3])
    assert error.mean() <= LOSSY.get(output, 0)


def test_jpeg_holds_no_segment_but_jfif_and_ends_at_its_end(tmp_path):
    (tmp_path / "a.jpg").write_bytes(marked_jpeg(scene()))
    jpeg = passed_through(tmp_path / "a.jpg", tmp_path / "b.jpg").read_bytes()
    found = [marker for marker, _ in segments(jpeg)]
    assert [m for m in found if 0xE0 <= m <= 0xEF or m == 0xFE] == [0xE0]
    assert jpeg.endswith(b"\xff\xd9")
    scan = jpeg[jpeg.index(b"\xff\xda") :]
    assert b"\xff\xd8" not in scan, "no second picture"


def test_png_holds_no_chunk_but_pixels(tmp_path):
    (tmp_path / "a.png").write_bytes(MARKED["png"](scene()))
    png = passed_through(tmp_path / "a.png", tmp_path / "b.png").read_bytes()
    names, at = set(), 8
    while at < len(png):
        size, name = struct.unpack_from(">I4s", png, at)
        names.add(name)
        at += size + 12
    assert names == {b"IHDR", b"IDAT", b"IEND"}


def test_tiff_holds_no_tag_but_what_pixels_need(tmp_path):
    (tmp_path / "a.tif").write_bytes(MARKED["tif"](scene()))
    passed_through(tmp_path / "a.tif", tmp_path / "b.tif")
    with Pil.open(tmp_path / "b.tif") as picture:
        needed = {254, 256, 257, 258, 259, 262, 273, 277, 278, 279, 282, 283, 284, 296, 317, 339}
        assert set(picture.tag_v2) <= needed


def test_real_picture_loses_its_exif(tmp_path, data):
    source = data / "images" / "fdlite_portrait_exif.jpg"
    with Pil.open(source) as picture:
        assert len(picture.getexif()) > 0
    written = passed_through(source, tmp_path / "a.jpg")
    markers = [marker for marker, _ in segments(written.read_bytes())]
    assert 0xE1 not in markers
    assert np.abs(read(written).astype(int) - read(source)).mean() < 2


@pytest.mark.parametrize(("quality", "sampling"), [(95, 0x11), (90, 0x11), (80, 0x22)])
def test_chroma_stays_whole_at_high_quality(tmp_path, quality, sampling):
    sink = PictureSink(tmp_path / "a.jpg", quality=quality)
    with sink:
        sink.write(safe(Image.from_bgr(scene())))
        sink.finish()
    frame_header = next(c for m, c in segments((tmp_path / "a.jpg").read_bytes()) if m == 0xC0)
    assert frame_header[7] == sampling


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_transparency_becomes_white_where_the_format_has_none(tmp_path, suffix):
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[:8] = (10, 20, 200, 255)
    with PictureSink(tmp_path / f"a{suffix}") as sink:
        sink.write(safe(Image.from_bgr(pixels)))
        sink.finish()
    found = read(tmp_path / f"a{suffix}").astype(int)
    assert np.abs(found[12] - 255).max() <= 3
    assert np.abs(found[3] - (200, 20, 10)).max() <= 3


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".gif"])
def test_transparency_stays_where_the_format_has_it(tmp_path, suffix):
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[4:8, 2:9] = (10, 20, 200, 255)
    with PictureSink(tmp_path / f"a{suffix}") as sink:
        sink.write(safe(Image.from_bgr(pixels)))
        sink.finish()
    assert read(tmp_path / f"a{suffix}")[..., 3].tolist() == pixels[..., 3].tolist()


@pytest.mark.parametrize("suffix", ALL)
def test_grey_is_written_grey(tmp_path, suffix):
    grey = scene()[..., 0].copy()
    image = Image(PixelFormat.GRAY, 48, 32, (grey,), full_range=True)
    with PictureSink(tmp_path / f"a{suffix}") as sink:
        sink.write(safe(image))
        sink.finish()
    assert np.abs(read(tmp_path / f"a{suffix}")[..., 0].astype(int) - grey).max() <= 12


@pytest.mark.parametrize("size", [(48, 32), (47, 31)])
@pytest.mark.parametrize("form", [PixelFormat.I420, PixelFormat.NV12, PixelFormat.I444])
def test_planes_of_video_can_be_a_picture(tmp_path, form, size):
    image = Image.blank(form, *size)
    image.planes[0][...] = 145  # green in BT.601
    for number, plane in enumerate(image.planes[1:]):
        plane[...] = (54, 34) if plane.ndim == 3 else (54, 34)[number]
    with PictureSink(tmp_path / "a.png") as sink:
        sink.write(safe(image))
        sink.finish()
    found = read(tmp_path / "a.png").astype(int)
    assert found.shape[:2] == (size[1], size[0])
    assert np.abs(found - (0, 255, 0)).max() <= 4


def test_padded_rows_are_written_right(tmp_path):
    wide = np.zeros((32, 64, 3), np.uint8)
    wide[:, :48] = scene()
    with PictureSink(tmp_path / "a.png") as sink:
        sink.write(safe(Image.from_bgr(wide[:, :48])))
        sink.finish()
    assert np.array_equal(read(tmp_path / "a.png"), scene()[..., ::-1])


def test_unknown_suffix_names_the_known_ones(tmp_path):
    with pytest.raises(UsageError, match=r"\.jpg .*\.gif"):
        PictureSink(tmp_path / "a.xyz")
    with pytest.raises(UsageError, match="without suffix"):
        PictureSink(tmp_path / "a")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("quality", [0, 101])
def test_quality_out_of_range(tmp_path, quality):
    with pytest.raises(UsageError, match="1 to 100"):
        PictureSink(tmp_path / "a.jpg", quality=quality)


def test_only_safe_frames_are_taken(tmp_path):
    image = Image.from_bgr(scene())
    with PictureSink(tmp_path / "a.png") as sink, pytest.raises(TypeError, match="redacted"):
        sink.write(Frame(image, 0, 0, safe(image).time_base))  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_kept_unless_forced(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"mine")
    with pytest.raises(OutputExists, match="--force"):
        PictureSink(path)
    assert path.read_bytes() == b"mine"
    with PictureSink(path, force=True) as sink:
        sink.write(safe(Image.from_bgr(scene())))
        assert path.read_bytes() == b"mine"
        sink.finish()
    assert read(path).shape == scene().shape


@pytest.mark.parametrize("suffix", [".png", ".tif", ".gif"])
def test_nothing_is_left_of_what_was_not_finished(tmp_path, suffix):
    def stopped() -> None:
        with PictureSink(tmp_path / f"a{suffix}") as sink:
            sink.write(safe(Image.from_bgr(scene()), 0, 50))
            sink.write(safe(Image.from_bgr(scene(seed=1)), 1, 50))
            assert list(tmp_path.iterdir())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert not list(tmp_path.iterdir())


def test_no_frame_is_no_file(tmp_path):
    with PictureSink(tmp_path / "a.png") as sink, pytest.raises(OutputError, match="no frame"):
        sink.finish()
    assert not list(tmp_path.iterdir())


def test_too_large_for_the_format(tmp_path):
    image = Image.from_bgr(np.zeros((1, 16_384, 3), np.uint8))
    with PictureSink(tmp_path / "a.webp") as sink, pytest.raises(OutputError, match="16383"):
        sink.write(safe(image))
    assert not list(tmp_path.iterdir())


def test_a_second_frame_needs_a_format_that_holds_it(tmp_path):
    image = Image.from_bgr(scene())
    with PictureSink(tmp_path / "a.jpg") as sink:
        sink.write(safe(image))
        with pytest.raises(OutputError, match="holds one"):
            sink.write(safe(image, 1))
    with PictureSink(tmp_path / "a.gif") as sink:
        sink.write(safe(image))
        with pytest.raises(OutputError, match="different"):
            sink.write(safe(Image.from_bgr(scene(20, 20)), 1))
    assert not list(tmp_path.iterdir())


def test_hidden_colour_does_not_pass(tmp_path):
    pixels = np.dstack([scene(), np.zeros(scene().shape[:2], np.uint8)])
    Pil.fromarray(pixels).save(tmp_path / "a.png")
    passed_through(tmp_path / "a.png", tmp_path / "b.png")
    with Pil.open(tmp_path / "b.png") as picture:
        assert not np.asarray(picture).any()
    with open_picture(tmp_path / "b.png") as source:
        assert source.info.kind == "picture"
