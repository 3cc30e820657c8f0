"""Animations and pages: frames, times and loops in, the same out."""

from __future__ import annotations

import struct
import tracemalloc
from io import BytesIO
from itertools import accumulate

import numpy as np
import pytest
from PIL import Image as Pil
from PIL import ImageSequence

from faceguard.edge.sinks.picture import PictureSink
from faceguard.edge.sources.base import SourceInfo
from faceguard.edge.sources.picture import open_picture
from faceguard.edge.types import Image
from faceguard.engines.errors import InputError, UsageError
from tests.edge.pictures import MARK, animation, frames, passed_through, rgb, safe, scene

KINDS = {"GIF": "gif", "WEBP": "webp", "PNG": "png"}
DURATIONS = [40, 120, 70, 200, 90]


def _shown(path) -> list[np.ndarray]:
    """What Pillow, as any viewer, shows of each frame."""
    with Pil.open(path) as picture:
        return [
            np.asarray(frame.convert("RGBA")).astype(int)
            for frame in ImageSequence.Iterator(picture)
        ]


def _close(got, wanted, lossy: bool) -> bool:
    # Colour counts as much as it is seen.
    got, wanted = (np.dstack([x[..., :3] * (x[..., 3:] / 255), x[..., 3:]]) for x in (got, wanted))
    error = np.abs(got - wanted)
    return bool(error.mean() < 3) if lossy else bool(error.max() == 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alpha", [False, True])
def test_frames_and_times_are_read(tmp_path, kind, alpha):
    path = tmp_path / "a"
    path.write_bytes(animation(kind, 5, DURATIONS, alpha=alpha))
    with open_picture(path) as source:
        info = source.info
        found = list(source)
    assert (info.kind, info.frames, info.width, info.height) == ("animation", 5, 32, 24)
    assert info.duration_s == pytest.approx(sum(DURATIONS) / 1000)
    assert info.rate is None
    assert [frame.duration for frame in found] == DURATIONS
    assert [frame.pts for frame in found] == [0, *accumulate(DURATIONS[:-1])]
    assert [frame.index for frame in found] == list(range(5))
    assert len({frame.image.format for frame in found}) == 1
    for frame, wanted in zip(found, _shown(path), strict=True):
        pixels = rgb(frame.image)
        if pixels.shape[2] == 3:
            pixels = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
        assert _close(pixels.astype(int), wanted, lossy=False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("output", KINDS)
@pytest.mark.parametrize("alpha", [False, True])
def test_every_animation_becomes_every_other(tmp_path, kind, output, alpha):
    path = tmp_path / "in"
    path.write_bytes(animation(kind, 5, DURATIONS, alpha=alpha))
    written = passed_through(path, tmp_path / f"out.{KINDS[output]}")
    found = frames(written)
    assert [frame.duration for frame in found] == DURATIONS
    before, after = _shown(path), _shown(written)
    assert len(before) == len(after) == 5
    for got, wanted in zip(after, before, strict=True):
        assert _close(got, wanted, lossy=output == "WEBP")


@pytest.mark.parametrize("output", ["gif", "webp", "png"])
def test_frames_that_come_go_and_repeat(tmp_path, output):
    rng = np.random.default_rng(3)
    wanted = []
    for number in range(12):
        pixels = np.zeros((20, 30, 4), np.uint8)
        if number % 4 != 3:
            x, y = rng.integers(0, 20), rng.integers(0, 12)
            pixels[y : y + 7, x : x + 9] = (*rng.integers(0, 256, 3), 255)
        wanted += [pixels, pixels] if number % 5 == 0 else [pixels]
    path = tmp_path / f"a.{output}"
    with PictureSink(path, SourceInfo("animation", 30, 20, len(wanted))) as sink:
        for index, pixels in enumerate(wanted):
            sink.write(safe(Image.from_bgr(pixels), index, 50))
        sink.finish()
    shown = _shown(path)
    assert len(shown) == len(wanted)
    for got, pixels in zip(shown, wanted, strict=True):
        assert _close(got, pixels[..., [2, 1, 0, 3]].astype(int), lossy=output == "webp")


@pytest.mark.parametrize("output", KINDS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("plays", [0, 1, 3])
def test_loops_are_kept(tmp_path, kind, output, plays):
    loop = {"loop": plays}
    if kind == "GIF":
        # Counts repetitions, and says nothing when there is none.
        loop = {} if plays == 1 else {"loop": max(0, plays - 1)}
    path = tmp_path / "in"
    path.write_bytes(animation(kind, 3, **loop))
    written = passed_through(path, tmp_path / f"out.{KINDS[output]}")
    with open_picture(path) as before, open_picture(written) as after:
        assert before.info.loop == after.info.loop == plays


def test_even_rate_is_known(tmp_path):
    (tmp_path / "a").write_bytes(animation("GIF", 4, 40))
    with open_picture(tmp_path / "a") as source:
        assert source.info.rate == 25


def test_gif_times_do_not_drift(tmp_path):
    path = tmp_path / "a.gif"
    with PictureSink(path, SourceInfo("animation", 48, 32, 30)) as sink:
        for index in range(30):
            sink.write(safe(Image.from_bgr(scene(seed=index)), index, 33))
        sink.finish()
    found = [frame.duration for frame in frames(path)]
    assert abs(sum(found) - 30 * 33) <= 5
    assert all(abs(ms - 33) < 10 for ms in found)


def test_gif_of_many_colours_stays_near(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for name, pixels, most in (("a.gif", scene(200, 150), 7), ("b.gif", noise, 24)):
        with PictureSink(tmp_path / name) as sink:
            sink.write(safe(Image.from_bgr(pixels)))
            sink.finish()
        (shown,) = _shown(tmp_path / name)
        assert np.abs(shown[..., 2::-1] - pixels).mean() < most


def test_still_that_stands_in_for_an_apng_is_left_out(tmp_path):
    block, other = Pil.new("RGB", (8, 8), "red"), Pil.new("RGB", (8, 8), "blue")
    hidden = Pil.fromarray(scene(8, 8))
    path = tmp_path / "a.png"
    hidden.save(path, save_all=True, append_images=[block, other], default_image=True, duration=50)
    with open_picture(path) as source:
        found = [rgb(frame.image)[0, 0].tolist() for frame in source]
        assert "stands in" in source.info.notes[0]
    assert found == [[255, 0, 0], [0, 0, 255]]
    written = passed_through(path, tmp_path / "b.png")
    with Pil.open(written) as picture:
        assert picture.n_frames == 2
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_cut_off_animation_is_refused(tmp_path, kind):
    whole = animation(kind, 5)
    path = tmp_path / "a"
    for end in range(60, len(whole) - 20, 7):
        path.write_bytes(whole[:end])
        with pytest.raises(InputError, match="whole copy"):
            assert len(frames(path)) == 5


def test_marks_in_a_gif_do_not_pass(tmp_path):
    path = tmp_path / "a.gif"
    path.write_bytes(animation("GIF", 4, comment=MARK))
    assert MARK in path.read_bytes()
    assert MARK not in passed_through(path, tmp_path / "b.gif").read_bytes()


def _pages(*pictures: Pil.Image, **options) -> bytes:
    out = BytesIO()
    pictures[0].save(out, "TIFF", save_all=True, append_images=pictures[1:], **options)
    return out.getvalue()


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "jpeg"])
def test_pages_stay_pages(tmp_path, compression):
    grey = Pil.fromarray(scene(40, 20)[..., 0])
    path = tmp_path / "a.tif"
    options = {"compression": compression} if compression else {}
    path.write_bytes(_pages(Pil.fromarray(scene()), grey, Pil.fromarray(scene(9, 70)), **options))
    with open_picture(path) as source:
        info = source.info
        assert (info.kind, info.frames, info.duration_s) == ("picture", 3, None)
    before = frames(path)
    after = frames(passed_through(path, tmp_path / "b.tif"))
    assert [(f.image.width, f.image.height) for f in after] == [(48, 32), (40, 20), (9, 70)]
    for got, wanted in zip(after, before, strict=True):
        assert got.image.format is wanted.image.format
        assert np.array_equal(got.image.planes[0], wanted.image.planes[0])


def test_thumbnail_among_the_pages_is_left_out(tmp_path):
    picture, small = Pil.fromarray(scene()), Pil.fromarray(scene(12, 8))
    first, second = BytesIO(), BytesIO()
    picture.save(first, "TIFF")
    small.save(second, "TIFF", tiffinfo={254: 1})
    path = tmp_path / "a.tif"
    path.write_bytes(first.getvalue())
    with path.open("r+b") as file:
        from PIL.TiffImagePlugin import AppendingTiffWriter

        pages = AppendingTiffWriter(file)
        small.save(pages, "TIFF", tiffinfo={254: 1})
        pages.newFrame()
        pages.close()
    with Pil.open(path) as opened:
        assert opened.n_frames == 2
    with open_picture(path) as source:
        assert "thumbnails" in source.info.notes[0]
        assert [frame.image.width for frame in source] == [48]


def test_raw_camera_file_is_refused(tmp_path):
    path = tmp_path / "a.dng"
    Pil.fromarray(scene()).save(path, "TIFF", tiffinfo={50706: b"\1\4\0\0"})
    with pytest.raises(InputError, match="raw camera"):
        open_picture(path)


def test_what_does_not_fit_is_refused_before_work(tmp_path):
    moving = SourceInfo("animation", 8, 8, 3)
    pages = SourceInfo("picture", 8, 8, 3)
    for name in ("a.jpg", "a.bmp"):
        with pytest.raises(UsageError, match="animation"):
            PictureSink(tmp_path / name, moving)
    for name in ("a.jpg", "a.gif", "a.png"):
        with pytest.raises(UsageError, match="3 pages"):
            PictureSink(tmp_path / name, pages)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("output", ["gif", "webp", "png", "tif"])
def test_memory_does_not_grow_with_the_frames(tmp_path, output):
    def peak(count: int) -> int:
        path = tmp_path / f"{count}.{output}"
        pixels = np.full((120, 160, 3), 90, np.uint8)
        tracemalloc.start()
        with PictureSink(path, SourceInfo("animation", 160, 120, count)) as sink:
            for index in range(count):
                frame = pixels.copy()
                frame[index % 100 : index % 100 + 10, 5:20] = index % 250
                sink.write(safe(Image.from_bgr(frame), index, 40))
            sink.finish()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(3)
    assert peak(80) < peak(10) + 160 * 120 * 4


def test_apng_counts_are_right(tmp_path):
    (tmp_path / "a").write_bytes(animation("PNG", 5))
    png = passed_through(tmp_path / "a", tmp_path / "b.png").read_bytes()
    at, sequence, counted = 8, [], 0
    while at < len(png):
        size, name = struct.unpack_from(">I4s", png, at)
        if name in (b"fcTL", b"fdAT"):
            sequence.append(struct.unpack_from(">I", png, at + 8)[0])
        if name == b"acTL":
            counted = struct.unpack_from(">I", png, at + 8)[0]
        at += size + 12
    assert counted == 5
    assert sequence == list(range(9))
