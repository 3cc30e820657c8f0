"""The search for watermarks: it finds what leaks, in any codec, and nothing in what is safe."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from faceguard.edge.budget import UNLIMITED
from faceguard.edge.live.health import Health, State
from faceguard.edge.live.slate import Slate
from faceguard.edge.masks import MaskSettings, mask_for
from faceguard.edge.pipeline import Plan, redacted
from faceguard.edge.redact import redact
from faceguard.edge.sampling import ImageSampler
from faceguard.edge.style import Look, Style
from faceguard.edge.tracking import Sighting, Tracker
from faceguard.edge.types import Cover, Frame, Image, ImageKind, PixelFormat, SafeFrame, Shape
from faceguard.edge.verdict import Judge
from tests.edge.live.faults import FaultyFinder, FinderFault, Script, copied
from tests.edge.live.marks import assert_no_watermark, assert_no_watermarks, find_watermarks
from tests.edge.live.scene import SIZE, STRIP_ROWS, Scene, Truthful, Watermarked, layers, number_of
from tests.edge.live.through_codec import CODECS, x264

FORMS = (PixelFormat.I420, PixelFormat.NV12, PixelFormat.GRAY)
SIZES = ((160, 96), (240, 144), (640, 360))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("form", FORMS)
def test_a_picture_is_known_by_its_number(form, size):
    scene = Scene()
    finder = Truthful(scene)
    for index in (0, 1, 2, 777, 65535):
        image = scene.image(index, size, form)
        assert number_of(image.planes[0]) == index
        assert finder.look(ImageSampler(image)) == index
        found = finder.detect(ImageSampler(image))
        assert found.regions() == scene.faces(index, size)
        assert len(found) == 2
        for region in scene.faces(index, size):
            assert region.y0 > STRIP_ROWS
            assert 0 <= region.x0 < region.x1 <= size[0]
            assert region.y1 <= size[1]


@CODECS
def test_numbers_outlast_codecs_and_are_not_read_where_there_are_none(codec):
    scene = Scene()
    numbers = [*range(20), 65535, 43690]
    images = codec([scene.image(index) for index in numbers])
    assert [number_of(image.planes[0]) for image in images] == numbers
    rng = np.random.default_rng(1)
    for value in (0, 16, 128, 255):
        assert number_of(np.full((96, 160), value, np.uint8)) is None
    assert number_of(rng.integers(0, 256, (96, 160)).astype(np.uint8)) is None
    assert number_of(np.zeros((2, 2), np.uint8)) is None


# What leaks is found.


@CODECS
@pytest.mark.parametrize("form", FORMS)
def test_an_uncovered_picture_is_found(codec, form):
    scene = Scene()
    images = codec([scene.image(index, form=form) for index in range(30)])
    for index, image in enumerate(images):
        leaks = find_watermarks(image, scene)
        for face in (0, 1):
            for layer in range(3 if form is not PixelFormat.GRAY else 1):
                assert {"whole", "piece"} <= {
                    leak.look
                    for leak in leaks
                    if (leak.index, leak.face, leak.layer) == (index, face, layer)
                }
        with pytest.raises(AssertionError, match=f"picture {index} shows"):
            assert_no_watermark(image, scene)


def covered(scene: Scene, index: int, style: Style | None = None, **options) -> Image:
    """A picture with every face covered."""
    form, shape = options.get("form", PixelFormat.I420), options.get("shape", Shape.ELLIPSE)
    image = scene.image(index, form=form)
    masks = [
        mask_for(Sighting(number + 1, face, 0.9), MaskSettings(shape=shape), SIZE)
        for number, face in enumerate(scene.faces(index))
    ]
    frame = Frame(image, index, index, Fraction(1, 25))
    whole = options.get("whole")
    return redact(frame, Cover(tuple(filter(None, masks)), whole), style or Style()).image


def uncover(image: Image, scene: Scene, index: int, part: tuple[slice, slice], layer: int) -> None:
    """Lets a part of a face's own samples through again."""
    raw = scene.image(index, form=image.format)
    mark = scene.marks(index)[0]
    into, source = list(layers(image, mark)), list(layers(raw, mark))
    into[layer][part] = source[layer][part]


PARTS = {
    "upper half": (slice(0, 16), slice(None)),
    "quarter": (slice(16, None), slice(16, None)),
    "one piece": (slice(8, 16), slice(8, 16)),
}


@pytest.mark.parametrize("codec", [list, x264])
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("look", [Look.PIXELATE, Look.BLUR, Look.SOLID])
def test_a_hole_in_a_cover_is_found(codec, part, look):
    scene = Scene()
    images = [covered(scene, index, Style(look)) for index in range(8)]
    for index, image in enumerate(images):
        uncover(image, scene, index, PARTS[part], 0)
    for index, image in enumerate(codec(images)):
        assert {(leak.index, leak.face) for leak in find_watermarks(image, scene)} >= {(index, 0)}


@pytest.mark.parametrize("row", [0, 13, 30])
def test_two_rows_are_found_where_nothing_was_lost(row):
    scene = Scene()
    for index in range(20):
        image = covered(scene, index)
        uncover(image, scene, index, (slice(row, row + 2), slice(None)), 0)
        assert any(leak.look == "extremes" for leak in find_watermarks(image, scene))


@pytest.mark.parametrize("codec", [list, x264])
@pytest.mark.parametrize("layer", [1, 2])
def test_a_leak_in_colour_only_is_found(codec, layer):
    scene = Scene()
    images = [covered(scene, index, Style(Look.SOLID)) for index in range(8)]
    for index, image in enumerate(images):
        uncover(image, scene, index, (slice(None), slice(None)), layer)
    for image in codec(images):
        assert {leak.layer for leak in find_watermarks(image, scene)} == {layer}


@CODECS
def test_the_mark_of_another_frame_or_place_is_found(codec):
    """As when memory is used again too early, or a mask is drawn for another frame."""
    scene = Scene()
    images = []
    for index in range(20, 28):
        image = covered(scene, index, whole="test")
        old = scene.image(index - 9)
        image.planes[0][STRIP_ROWS + 3 :] = old.planes[0][STRIP_ROWS:-3]
        images.append(image)
    for image in codec(images):
        assert number_of(image.planes[0]) is None
        leaks = find_watermarks(image, scene, indices=[])
        assert {leak.look for leak in leaks} == {"noise"}
    for image in codec([scene.image(index - 9) for index in range(20, 28)]):
        image.planes[0][:STRIP_ROWS] = 0
        assert find_watermarks(image, scene, range(8, 20))


# What is safe is not.


@CODECS
@pytest.mark.parametrize("look", list(Look))
@pytest.mark.parametrize("shape", list(Shape))
def test_a_covered_picture_is_not_found(codec, look, shape):
    scene, style = Scene(seed=9), Style(look)
    images = [covered(scene, index, style, shape=shape) for index in range(0, 400, 19)]
    for image in codec(images):
        assert_no_watermark(image, scene)


@CODECS
def test_a_picture_covered_whole_is_not_found(codec):
    scene = Scene()
    images = codec([covered(scene, index, whole="test") for index in range(5)])
    assert assert_no_watermarks(images, scene) == 0


@CODECS
@pytest.mark.parametrize("size", SIZES)
def test_a_slate_is_not_found(codec, size):
    """Writing is black and white, too."""
    scene, slate = Scene(), Slate("front")
    scene.next_index()
    images = []
    for second, cause in enumerate(("absent", "silent", "corrupt")):
        health = Health(State.LOST, 0, cause)
        like = ImageKind(PixelFormat.I420, *size)
        made = slate.make(health, UNLIMITED, like, index=0, pts=0, now_ns=second * 10**10)
        images.append(copied(made.image))
    for image in codec(images):
        assert_no_watermark(image, scene)


def test_pictures_are_counted_and_one_bad_one_among_them_is_found():
    scene = Scene()
    images = [covered(scene, index, whole="x" if index % 3 else None) for index in range(60)]
    assert assert_no_watermarks(images, scene) == 20
    uncover(images[35], scene, 35, PARTS["quarter"], 0)
    with pytest.raises(AssertionError, match="shows"):
        assert_no_watermarks(images, scene)


# The pipeline.


def run(finder: Truthful, frames: int, *, every: int, look_ahead: int) -> Iterator[SafeFrame]:
    """The file pipeline over a film of the scene."""
    with Watermarked(finder.scene, frames=frames, paced=False, live=False) as camera:
        shots = iter(camera.read, None)
        film = (Frame(s.image, i, i, Fraction(1, 25)) for i, s in enumerate(shots))
        judge = Judge(finder, timeout_s=5)
        plan = Plan(every, look_ahead)
        tracker = Tracker(plan.tracking, keep_frames=look_ahead, every=every)
        try:
            yield from redacted(film, judge, tracker, plan)
        finally:
            judge.close()


@pytest.mark.parametrize(("every", "look_ahead"), [(1, 0), (2, 5), (3, 2)])
def test_who_tells_the_truth_leaks_nothing(every, look_ahead):
    finder = Truthful(Scene())
    safe = list(run(finder, 120, every=every, look_ahead=look_ahead))
    assert assert_no_watermarks((one.image for one in safe), finder.scene) > 60
    assert all(len(one.cover.masks) == 2 for one in safe)
    # And the last one, with which a face may have come.
    assert set(finder.seen) >= {*range(0, 120, every), 119}
    assert len(finder.seen) < 120 / every + 10


@pytest.mark.parametrize("lie", [FinderFault.EMPTY, FinderFault.SMALL])
def test_who_lies_leaks_and_is_caught(lie):
    finder = FaultyFinder(Scene(), Script([lie] * 40, FinderFault.NONE))
    with pytest.raises(AssertionError, match="shows"):
        assert_no_watermarks(
            (one.image for one in run(finder, 20, every=1, look_ahead=0)), finder.scene
        )
