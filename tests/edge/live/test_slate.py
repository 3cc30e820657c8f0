"""The picture that says that there is none: made of words, in every size, for next to nothing."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceguard.edge.av_image import as_av, view
from faceguard.edge.budget import UNLIMITED, Budget
from faceguard.edge.live.health import Health, State
from faceguard.edge.live.slate import Slate
from faceguard.edge.types import ImageKind, PixelFormat, SafeFrame

SECOND = 1_000_000_000
CAUSES = ("absent", "unfit", "lost", "silent", "frozen", "corrupt", "failed")
HOT = Budget(level=6, paused=True, reason="87 C, too hot to go on")


def lost(cause: str = "lost") -> Health:
    return Health(State.LOST, SECOND, cause, session=3)


def make(
    slate: Slate,
    health: Health,
    budget: Budget = UNLIMITED,
    size=(640, 360),
    at_s=1.0,
    form=PixelFormat.I420,
    full_range=False,
):
    like = ImageKind(form, *size, full_range)
    return slate.make(health, budget, like, index=7, pts=90, now_ns=round(at_s * SECOND))


def pixels(frame: SafeFrame) -> bytes:
    return b"".join(plane.tobytes() for plane in frame.image.planes)


def test_it_is_a_safe_frame_with_its_place_in_time():
    frame = make(Slate("door"), lost(), at_s=2.0)
    assert isinstance(frame, SafeFrame)
    assert (frame.index, frame.pts, frame.time_base.denominator) == (7, 90, 90000)
    assert (frame.session, frame.captured_ns) == (0, 2 * SECOND)
    assert frame.image.format is PixelFormat.I420
    assert frame.cover.whole is None
    assert not frame.cover.masks


def test_the_encoder_takes_it_as_it_is():
    frame = make(Slate("door"), lost())
    encoded = as_av(frame.image)
    assert (encoded.width, encoded.height, encoded.format.name) == (640, 360, "yuv420p")
    assert bytes(encoded.planes[0])[: 640 * 360] == frame.image.planes[0].tobytes()


def test_every_cause_and_state_reads_differently():
    said = {pixels(make(Slate("door"), lost(cause))) for cause in CAUSES}
    said |= {pixels(make(Slate("door"), Health(state, SECOND))) for state in State}
    said |= {pixels(make(Slate("door"), lost(), HOT)), pixels(make(Slate("gate"), lost()))}
    # UP and SLOW are one: the camera works, and the next picture is waited for.
    assert len(said) == len(CAUSES) + len(State) - 1 + 2


def test_it_is_dark_with_text_that_stands_out_inside_the_margins():
    luma = make(Slate("door"), lost("unfit"), size=(1280, 720)).image.planes[0]
    bright = luma > 120
    assert 0.01 < bright.mean() < 0.2
    columns = np.flatnonzero(bright.any(axis=0))
    assert columns[0] > 0.03 * 1280
    assert columns[-1] < 0.97 * 1280
    rows = np.flatnonzero(bright.any(axis=1))
    assert rows[0] > 0.1 * 720
    assert rows[-1] < 0.99 * 720


def test_it_is_drawn_once_a_second_and_when_things_change():
    slate = Slate("door")
    first = make(slate, lost(), at_s=1.0)
    assert make(slate, lost(), at_s=1.9).image is first.image
    second = make(slate, lost(), at_s=2.0)
    assert second.image is not first.image
    assert pixels(second) != pixels(first)
    assert make(slate, lost("frozen"), at_s=2.0).image is not second.image


def test_what_was_given_out_is_never_written_to():
    slate = Slate("door")
    held = [make(slate, lost(), at_s=second) for second in range(1, 5)]
    before = [pixels(frame) for frame in held]
    # All memory is out; the newest picture has to do.
    assert make(slate, lost(), at_s=9).image is held[-1].image
    assert [pixels(frame) for frame in held] == before
    del held
    gc.collect()
    assert pixels(make(slate, lost(), at_s=10)) not in before


def test_an_hour_of_slates_takes_no_memory():
    slate = Slate("door")
    for at_s in range(60):
        make(slate, lost(), at_s=at_s)
    gc.collect()
    tracemalloc.start()
    try:
        for at_s in range(60, 400):
            make(slate, lost(), at_s=at_s)
        gc.collect()
        grown, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # One picture has 345,600 bytes.
    assert grown < 20_000
    assert peak < 100_000


def test_a_pause_says_why_and_counts_from_its_beginning():
    slate = Slate("door")
    up = Health(State.UP, SECOND)
    first = make(slate, up, HOT, at_s=5000)
    assert pixels(make(slate, up, HOT, at_s=5000.5)) == pixels(first)
    later = pixels(make(slate, up, HOT, at_s=5007))
    assert later != pixels(first)
    make(slate, lost(), at_s=5008)
    # The next pause counts anew.
    assert pixels(make(slate, up, HOT, at_s=6000)) == pixels(first)


@given(
    st.sampled_from(list(State)),
    st.one_of(st.none(), st.text(max_size=40)),
    st.text(min_size=1, max_size=120),
    st.integers(2, 400),
    st.integers(2, 400),
    st.integers(-(10**15), 10**18),
)
@settings(max_examples=60, deadline=None)
def test_any_words_and_any_size_give_a_picture(state, cause, reason, width, height, since_ns):
    health = Health(state, since_ns, cause)
    for budget in (UNLIMITED, Budget(paused=True, reason=reason)):
        image = make(Slate("door"), health, budget, (width, height)).image
        assert (image.width, image.height) == (width // 2 * 2, height // 2 * 2)


@pytest.mark.parametrize("size", [(1920, 1080), (480, 640), (176, 144)])
def test_it_changes_its_size_with_the_camera(size):
    slate = Slate("door")
    make(slate, lost())
    image = make(slate, lost(), size=size).image
    assert (image.width, image.height) == size


@pytest.mark.parametrize("form", [PixelFormat.I420, PixelFormat.NV12, PixelFormat.GRAY])
@pytest.mark.parametrize("full_range", [False, True])
def test_an_encoder_can_go_on_with_it(form, full_range):
    image = make(Slate("door"), lost(), form=form, full_range=full_range).image
    assert image.kind == ImageKind(form, 640, 360, full_range)
    plain = make(Slate("door"), lost()).image.planes[0]
    np.testing.assert_array_equal(view(as_av(image)).planes[0], plain)


def test_what_is_no_video_gets_a_slate_all_the_same():
    assert make(Slate("door"), lost(), form=PixelFormat.BGR).image.format is PixelFormat.I420
