"""What comes of a frame, how large it may become, and what is said of it."""

from __future__ import annotations

import threading
from fractions import Fraction
from pathlib import Path

import pytest

from faceguard.edge.enhance.choosing import model_for
from faceguard.edge.enhance.enhancer import Enhancer
from faceguard.edge.enhance.limits import MAX_OUTPUT_PIXELS
from faceguard.edge.redact import redact
from faceguard.edge.sources.base import SourceInfo
from faceguard.edge.sources.video import VideoInfo
from faceguard.edge.style import Look, Style
from faceguard.edge.types import Cover, Frame, Image, Mask, PixelFormat, SafeFrame, Shape
from faceguard.engines.catalogue import read_catalogue
from faceguard.engines.errors import ModelUnknown, NoRoom, TooManyPixels, UsageError
from faceguard.engines.types import Region
from faceguard.engines.upscaling.limits import held
from tests.edge.enhance.repeats import Repeats

FACE = Region(2, 2, 6, 6)


def covered(image, *masks):
    frame = Frame(image, 7, 70, Fraction(1, 1000), 40)
    return redact(frame, Cover(masks), Style(Look.SOLID))


def silent(done, of):
    pass


def white(width=12, height=8, form=PixelFormat.BGR):
    image = Image.blank(form, width, height, full_range=True)
    for plane in image.planes:
        plane[...] = 255
    return image


def test_a_frame_keeps_its_time_and_its_cover_speaks_of_the_source():
    mask = Mask(FACE, Shape.BOX, 3, 0.9, FACE)
    safe = covered(white(), mask)
    large = Enhancer(Repeats(3))(safe)
    assert isinstance(large, SafeFrame)
    assert (large.index, large.pts, large.duration) == (7, 70, 40)
    assert large.cover is safe.cover
    assert (large.image.width, large.image.height) == (36, 24)
    assert not large.image.planes[0][6:18, 6:18].any()
    assert (large.image.planes[0][0] == 255).all()
    assert (safe.image.width, safe.image.height) == (12, 8)


def test_a_part_is_cut_out_of_what_is_redacted_already():
    mask = Mask(FACE, Shape.BOX, 3, 0.9, FACE)
    large = Enhancer(Repeats(2), region=(1, 1, 4, 4))(covered(white(), mask))
    pixels = large.image.planes[0]
    assert pixels.shape == (8, 8, 3)
    assert not pixels[2:, 2:].any()
    assert (pixels[:2] == 255).all()


def test_what_was_not_redacted_has_no_way_in():
    with pytest.raises(AttributeError):
        Enhancer(Repeats())(Frame(white(), 0, 0, Fraction(1, 25)))  # type: ignore[arg-type]


def test_too_many_pixels_are_refused_with_both_figures_before_anything_is_done():
    network = Repeats(2)
    enhancer = Enhancer(network, max_output_pixels=1000)
    assert enhancer.image(white(25, 10)).width == 50
    with pytest.raises(TooManyPixels, match=r"50x22 = 1,100 pixels, over the limit of 1,000"):
        enhancer.image(white(25, 11))
    with pytest.raises(TooManyPixels, match=r"1,100"):
        enhancer.info(SourceInfo("picture", 25, 11))
    with pytest.raises(TooManyPixels, match=r"over the limit of 125 for what moves"):
        enhancer.info(SourceInfo("animation", 8, 4))
    assert enhancer.info(SourceInfo("animation", 8, 3)).height == 6
    assert len(network.asked) == 1
    assert Enhancer(network, region=(0, 0, 2, 2), max_output_pixels=16).image(white(900, 900))


def test_what_memory_cannot_hold_is_refused_with_both_figures():
    network = Repeats(4)
    enhancer = Enhancer(network, memory_limit_bytes=held().resident + (200 << 20))
    words = r"16000x4000 takes 977 MB .*, and 1\d\d MB can be taken under --memory-limit"
    with pytest.raises(NoRoom, match=words):
        enhancer.image(white(4000, 1000))
    assert network.asked == []
    assert enhancer.image(white(10, 10)).width == 40


@pytest.mark.parametrize(("kind", "name"), [("video", "a.mp4"), ("animation", "a.gif")])
def test_what_an_encoder_holds_is_reckoned_with(kind, name):
    """As a picture it would go."""
    enhancer = Enhancer(Repeats(2), memory_limit_bytes=held().resident + (200 << 20))
    source = SourceInfo(kind, 1500, 1000)
    after = enhancer.watched(Path("in"), Path(name), silent)
    with pytest.raises(NoRoom, match=r"^in: 3000x2000 takes"):
        after.info(source)
    assert enhancer.info(source).width == 3000
    still = enhancer.watched(Path("in"), Path("a.png"), silent)
    assert still.info(SourceInfo("picture", 1500, 1000)).width == 3000


def test_a_file_waits_for_memory_that_another_was_promised():
    """Each of them fits alone."""
    enhancer = Enhancer(Repeats(2), memory_limit_bytes=held().resident + (200 << 20))
    source = SourceInfo("picture", 1500, 1500)  # 144 MB each
    begun = threading.Event()
    first = enhancer.watched(Path("a"), Path("a.png"), silent)
    first.info(source)
    small = enhancer.watched(Path("b"), Path("b.png"), silent)
    small.info(SourceInfo("picture", 10, 10))

    def second():
        with enhancer.watched(Path("c"), Path("c.png"), silent) as after:
            after.info(source)
            begun.set()
            after.info(source)

    thread = threading.Thread(target=second)
    thread.start()
    small.close()
    assert not begun.wait(0.1)
    first.close()
    first.close()
    assert begun.wait(20)
    thread.join(20)
    # All of it was given back.
    assert enhancer._promised == 0
    with pytest.raises(NoRoom), enhancer.watched(Path("d"), Path("d.png"), silent) as after:
        after.info(SourceInfo("picture", 2000, 2000))
    assert enhancer._promised == 0


def test_memory_that_runs_out_all_the_same_is_no_crash():
    class Greedy(Repeats):
        def bgr(self, pixels, *, on_tile=None):
            raise MemoryError

    with pytest.raises(NoRoom, match="too little memory"):
        Enhancer(Greedy()).image(white())


def test_the_information_is_the_sources_with_another_size():
    video = VideoInfo(
        "video", 96, 64, 10, Fraction(25), 0.4, ("a note",), 1, Fraction(1, 90000), Fraction(4, 3),
        (1, 9, 9, 16), has_audio=True,
    )  # fmt: skip
    info = Enhancer(Repeats(3)).info(video)
    assert isinstance(info, VideoInfo)
    assert (info.width, info.height) == (288, 192)
    for name in ("rate", "frames", "duration_s", "notes", "pixel_aspect", "color", "has_audio"):
        assert getattr(info, name) == getattr(video, name)


def test_fields_cannot_be_told_apart_any_more():
    info = Enhancer(Repeats(2)).info(VideoInfo("video", 96, 64, interlaced=True))
    assert isinstance(info, VideoInfo)
    assert not info.interlaced
    assert "interlaced" in info.notes[0]


@pytest.mark.parametrize("kind", ["picture", "video"])
def test_a_region_beyond_the_edge_is_cut_with_a_note(kind):
    enhancer = Enhancer(Repeats(2), region=(90, -4, 20, 10))
    info = enhancer.info(SourceInfo(kind, 96, 64))
    assert (info.width, info.height) == (12, 12)
    assert info.notes == ("--roi 90,-4,20,10 was cut to 90,0,6,6, where the picture of 96x64 ends",)
    form = PixelFormat.I420 if kind == "video" else PixelFormat.BGR
    image = enhancer.image(white(96, 64, form))
    assert (image.width, image.height) == (info.width, info.height)
    with pytest.raises(UsageError, match="lies outside the picture, which is 50x64"):
        enhancer.info(SourceInfo(kind, 50, 64))


def test_in_video_a_region_grows_to_whole_samples_of_chroma():
    enhancer = Enhancer(Repeats(2), region=(3, 5, 3, 3))
    info = enhancer.info(SourceInfo("video", 96, 64))
    image = enhancer.image(white(96, 64, PixelFormat.I420))
    assert (image.width, image.height) == (info.width, info.height) == (8, 8)
    assert info.notes == ()


def test_a_file_is_named_in_what_is_refused_and_tiles_are_told():
    told = []
    enhancer = Enhancer(Repeats(2), max_output_pixels=1000)
    after = enhancer.watched(
        Path("a\nb.png"), Path("out.png"), lambda done, of: told.append((done, of))
    )
    with pytest.raises(TooManyPixels, match=r"^a\\nb.png: 100x100 enlarged"):
        after.info(SourceInfo("picture", 100, 100))
    with pytest.raises(TooManyPixels, match=r"^a\\nb.png: "):
        after(covered(white(100, 100)))
    assert after(covered(white(6, 3))).image.width == 12
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_ten_bits_through_a_network_for_eight_are_noted_once():
    after = Enhancer(Repeats(2, "bgr")).watched(Path("a.mkv"), Path("b.mkv"), silent)
    info = SourceInfo("video", 12, 8)
    assert after.info(info).notes == ()
    for _ in range(2):
        after(covered(white(form=PixelFormat.I420_10)))
    assert after.info(info).notes == ("repeats works in 8 bits: 10 were reduced to that",)
    luma = Enhancer(Repeats(2)).watched(Path("a.mkv"), Path("b.mkv"), silent)
    luma(covered(white(form=PixelFormat.I420_10)))
    assert luma.info(info).notes == ()


def test_what_a_callback_raises_comes_out_and_the_next_picture_goes_through():
    enhancer = Enhancer(Repeats())

    def stop(done, of):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        enhancer.image(white(), on_tile=stop)
    assert enhancer.image(white()).width == 24


def test_one_picture_at_a_time():
    inside, most = [], []

    class Counting(Repeats):
        def bgr(self, pixels, *, on_tile=None):
            inside.append(1)
            most.append(len(inside))
            done = super().bgr(pixels)
            inside.pop()
            return done

    enhancer = Enhancer(Counting())
    threads = [threading.Thread(target=enhancer.image, args=(white(300, 200),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == [1] * 8


def test_it_closes_the_network():
    network = Repeats()
    with Enhancer(network):
        pass
    assert network.closed == 1


def test_what_cannot_be_meant_is_refused():
    for more, word in (
        ({"region": (0, 0, 0, 5)}, "no size"),
        ({"max_output_pixels": 0}, "--max-pixels"),
    ):
        with pytest.raises(UsageError, match=word):
            Enhancer(Repeats(), **more)


def test_scale_and_model_must_agree():
    catalogue = read_catalogue()
    assert model_for(None, None, catalogue) == "espcn-x2"
    assert model_for(4, None, catalogue) == "espcn-x4"
    assert model_for(None, "edsr-x3", catalogue) == "edsr-x3"
    assert model_for(3, "fsrcnn-x3", catalogue) == "fsrcnn-x3"
    for scale, model, words in (
        (2, "edsr-x3", r"edsr-x3 enlarges 3 times and not 2; for --scale 2 take .*espcn-x2"),
        (5, None, r"no model .* 5 times; take one of 2, 3, 4"),
        (5, "espcn-x2", "leave out --scale"),
        (None, "yunet", r"yunet enlarges nothing; take one of .*espcn-x2"),
    ):
        with pytest.raises(UsageError, match=words):
            model_for(scale, model, catalogue)
    with pytest.raises(ModelUnknown, match="espcn-x2"):
        model_for(None, "espcn-x22", catalogue)


def test_the_usual_limit_lets_a_large_picture_through():
    assert Enhancer(Repeats(4)).info(SourceInfo("picture", 4096, 4096)).width == 16384
    assert MAX_OUTPUT_PIXELS < 18919**2
