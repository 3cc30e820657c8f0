"""What is cut out and enlarged, when there is time to sharpen, and a model that fails or hangs."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceguard.edge.config.upscale import StreamUpscale
from faceguard.edge.live import pace
from faceguard.edge.live import sharpener as module
from faceguard.edge.live.enlarger import Enlarger, Stills
from faceguard.edge.live.pace import Pace
from faceguard.edge.live.sharpener import Plain, Sharpener
from faceguard.edge.live.upscaling import enlarging_of
from faceguard.edge.live.zoom import Zoom, enlarged_plainly
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.upscale_words import upscale_troubles, upscale_words
from faceguard.edge.service.figures import Figures
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.sinks.area import Area
from faceguard.edge.types import Image, ImageKind, PixelFormat
from faceguard.engines.errors import InferenceError, ModelUnknown, NoRoom, UsageError
from tests.edge.live.house import until
from tests.edge.live.sharp import Marking, is_sharp
from tests.edge.outputs.safe_frames import safe

S = 1_000_000_000
_sides = st.integers(1, 5000)
_shares = st.floats(0, 1)


@st.composite
def _regions(draw: st.DrawFn) -> tuple[float, float, float, float]:
    x, y = draw(_shares.filter(lambda v: v < 1)), draw(_shares.filter(lambda v: v < 1))
    width = draw(st.floats(0, 1 - x, exclude_min=True))
    return x, y, width, draw(st.floats(0, 1 - y, exclude_min=True))


@given(_sides, _sides, st.integers(2, 4), st.none() | _regions())
def test_any_region_of_any_picture_lies_in_it_in_even_pixels(
    width: int, height: int, scale: int, region: tuple[float, float, float, float] | None
) -> None:
    area, grows = Zoom(scale, region).view(width, height)
    assert grows == scale
    assert area.x >= 0
    assert area.y >= 0
    assert 0 < area.width <= width - area.x
    assert 0 < area.height <= height - area.y
    assert area.x % 2 == area.y % 2 == 0
    assert area.width == 1 or area.width % 2 == 0
    if region is None and min(width, height) > 1:
        assert (area.width, area.height) == (width // 2 * 2, height // 2 * 2)
    kind = Zoom(scale, region).kind(ImageKind(PixelFormat.I420, width, height))
    assert (kind.width, kind.height) == (area.width * scale, area.height * scale)


def test_a_region_is_where_it_was_asked_for_and_never_too_small() -> None:
    assert Zoom(2, (0.25, 0.5, 0.5, 0.5)).view(640, 360) == (Area(160, 180, 320, 180), 2)
    # Whoever turns it by hand does not get what no encoder takes.
    assert Zoom(2, (0.999, 0, 0.001, 0.001)).view(640, 360) == (Area(624, 0, 16, 16), 2)


def test_what_would_become_too_large_keeps_its_size_and_the_region() -> None:
    zoom = Zoom(2, (0, 0, 0.5, 1), most_pixels=4 * 320 * 360 - 1)
    assert zoom.view(640, 360) == (Area(0, 0, 320, 360), 1)
    assert zoom.kind(ImageKind(PixelFormat.NV12, 640, 360)).width == 320


@pytest.mark.parametrize("form", list(PixelFormat))
def test_plain_pictures_of_every_format_are_larger_and_look_the_same(form: PixelFormat) -> None:
    image = Image.blank(form, 33, 21)
    for number, plane in enumerate(image.planes):
        plane[...] = (40 + 30 * number) << (form.bits - 8)
    image.planes[0][:, :16] = 200 << (form.bits - 8)
    view = Zoom(3).view(image.width, image.height)
    large = enlarged_plainly(image, view)
    assert (large.width, large.height, large.format) == (96, 60, form)
    assert large.owner is None
    for plane, before in zip(large.planes, image.planes, strict=True):
        assert plane.max() < 1 << form.bits
        assert not np.shares_memory(plane, before)
        # In the middle of areas nothing changed.
        assert plane[10, 4].tolist() == before[3, 1].tolist()
        assert plane[-2, -4].tolist() == before[-2, -2].tolist()


def test_a_part_at_its_own_size_is_a_copy() -> None:
    image = Image.blank(PixelFormat.I420, 64, 32)
    view = Zoom(2, (0.5, 0.5, 0.5, 0.5), most_pixels=1).view(64, 32)
    part = enlarged_plainly(image, view)
    assert (part.width, part.height) == (32, 16)
    assert np.array_equal(part.planes[0], image.planes[0][16:, 32:])
    assert not np.shares_memory(part.planes[0], image.planes[0])


# Pace


def _sharpened(rate: float, takes_s: float, seconds: float) -> list[bool]:
    """Which frames of a camera get sharpened where that takes so long, by the room's own rule."""
    kept, period_ns, took_ns = Pace(), int(S / rate), int(takes_s * S)
    now_ns, taken, found = 0, -1, []
    while now_ns < seconds * S:
        there = now_ns // period_ns
        if there <= taken:
            now_ns = (taken + 1) * period_ns
            continue
        taken += 1
        may = kept.may_sharpen(now_ns, there - taken)
        found.append(may)
        now_ns += took_ns if may else 2_000_000
        if may:
            kept.in_time()
    return found


def test_a_model_that_is_quick_enough_sharpens_every_frame() -> None:
    assert all(_sharpened(30, 0.030, 60))


@pytest.mark.parametrize("takes_s", [0.05, 0.1, 0.4])
def test_a_model_that_is_too_slow_hardly_sharpens_any_so_that_nothing_flickers(
    takes_s: float,
) -> None:
    found = _sharpened(30, takes_s, 300)
    changes = sum(one != other for one, other in pairwise(found))
    assert len(found) > 8000
    assert any(found[:3])
    # A few seconds at first, and a moment each time it is tried again.
    assert changes < 150
    assert sum(found) < 150
    assert not any(found[-900:])


def test_a_hiccup_costs_a_frame_and_no_rest() -> None:
    kept = Pace()
    for second in range(1, 100):
        assert not kept.may_sharpen(second * S, 1)
        for number in range(10):
            assert kept.may_sharpen(second * S + number, 0)
            kept.in_time()


def test_rests_double_and_are_short_again_after_a_minute_that_went_well() -> None:
    kept, now_ns, rests = Pace(), 0, []

    def rest() -> float:
        nonlocal now_ns
        kept.too_late(now_ns)
        begun_ns = now_ns
        while not kept.may_sharpen(now_ns, 0):
            now_ns += S // 10
        return (now_ns - begun_ns) / S

    rests = [rest() for _ in range(10)]
    assert rests[:4] == [2, 4, 8, 16]
    assert rests[-1] == 300
    assert kept.rests == 10
    now_ns += 60 * S
    assert rest() == 2
    assert kept.rests == 1


# The model's room


@pytest.fixture
def model() -> Marking:
    return Marking()


@pytest.fixture
def asked(
    model: Marking, monkeypatch: pytest.MonkeyPatch, no_thread_left: None
) -> Iterator[Sharpener]:
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(module, "_LONGEST_PAUSE_S", 0.02)
    with Sharpener("stream", model.open, Quiet()) as one:
        yield one


VIEW = Zoom(2).view(32, 16)


def _picture() -> Image:
    image = Image.blank(PixelFormat.I420, 32, 16)
    for plane in image.planes:
        plane[...] = 90
    return image


def _until_sharp(asked: Sharpener) -> None:
    until(lambda: isinstance(asked.ask(_picture(), VIEW, 20), Image))


def test_it_answers_and_frees_the_model_at_the_end(model: Marking, asked: Sharpener) -> None:
    _until_sharp(asked)
    answer = asked.ask(_picture(), VIEW, 20)
    assert isinstance(answer, Image)
    assert is_sharp(answer)
    assert (answer.width, answer.height) == (64, 32)
    asked.close()
    assert (model.opened, model.closed, asked.hangs) == (1, 1, False)
    assert asked.ask(_picture(), VIEW, 20) == Plain("ending")


def test_while_it_is_opened_nobody_waits(no_thread_left: None) -> None:
    go = threading.Event()

    def slowly() -> Marking:
        go.wait(20)
        return Marking()

    with Sharpener("stream", slowly, Quiet()) as asked:
        assert asked.ask(_picture(), VIEW, 20) == Plain("opening")
        assert asked.trouble is None
        go.set()
        _until_sharp(asked)


def test_what_takes_too_long_is_given_up_and_the_next_is_answered(
    model: Marking, asked: Sharpener
) -> None:
    _until_sharp(asked)
    model.hold.clear()
    assert asked.ask(_picture(), VIEW, 0.01) == Plain("slow")
    seen = len(model.seen)
    # It notices, and is free again before it was let go.
    model.in_work.clear()
    until(lambda: asked.ask(_picture(), VIEW, 0.01) and model.in_work.is_set())
    model.hold.set()
    _until_sharp(asked)
    assert model.opened == 1
    assert len(model.seen) > seen


def test_whoever_hurries_gets_no_answer_at_once(model: Marking, asked: Sharpener) -> None:
    _until_sharp(asked)
    model.hold.clear()
    found: list[Image | Plain] = []
    for end in (asked.give_up, asked.hurry):
        model.in_work.clear()

        def ask() -> None:
            answer: Image | Plain = Plain("slow")
            while answer == Plain("slow"):
                answer = asked.ask(_picture(), VIEW, 60)
            found.append(answer)

        waiting = threading.Thread(target=ask)
        waiting.start()
        assert model.in_work.wait(20)
        end()
        waiting.join(20)
    assert found == [Plain("late"), Plain("ending")]


def test_what_is_given_up_before_it_is_asked_for_gets_no_answer(
    model: Marking, asked: Sharpener
) -> None:
    _until_sharp(asked)
    seen = len(model.seen)
    asked.expect()
    asked.give_up()
    assert asked.ask(_picture(), VIEW, 20) == Plain("late")
    assert len(model.seen) == seen
    # The next one is another question, and so is one that is expected.
    assert isinstance(asked.ask(_picture(), VIEW, 20), Image)
    asked.give_up()
    asked.expect()
    assert isinstance(asked.ask(_picture(), VIEW, 20), Image)


@pytest.mark.parametrize("error", [InferenceError("the GPU is gone"), MemoryError(), OSError()])
def test_a_model_that_fails_is_opened_anew_with_pauses(
    model: Marking, asked: Sharpener, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    _until_sharp(asked)
    model.breaks = error
    assert asked.ask(_picture(), VIEW, 20) == Plain("failed")
    until(lambda: asked.ask(_picture(), VIEW, 20) == Plain("failed") and model.opened > 3)
    assert asked.trouble is not None
    model.breaks = None
    _until_sharp(asked)
    assert asked.trouble is None
    assert model.closed == model.opened - 1
    said = [line for line in caplog.messages if "enlarged plainly" in line]
    assert len(said) == 1


def test_without_room_the_model_stays_open_and_is_asked_again(
    model: Marking, asked: Sharpener
) -> None:
    _until_sharp(asked)
    model.breaks = NoRoom("1.2 GB wanted, 0.3 GB free")
    assert asked.ask(_picture(), VIEW, 20) == Plain("no room")
    assert asked.trouble == "1.2 GB wanted, 0.3 GB free"
    model.breaks = None
    _until_sharp(asked)
    assert (model.opened, model.closed) == (1, 0)


def test_a_model_that_cannot_be_opened_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, no_thread_left: None
) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(module, "_LONGEST_PAUSE_S", 0.02)
    model = Marking()
    model.cannot_open = InferenceError("no such file")
    with Sharpener("snapshots", model.open, Quiet()) as asked:
        until(lambda: asked.trouble == "no such file")
        assert asked.ask(_picture(), VIEW, 20) == Plain("failed")
        model.cannot_open = None
        _until_sharp(asked)


def test_a_picture_of_another_size_than_was_asked_for_is_no_answer(
    model: Marking, asked: Sharpener, monkeypatch: pytest.MonkeyPatch
) -> None:
    _until_sharp(asked)
    right = model.sharpened
    monkeypatch.setattr(
        model, "sharpened", lambda image, _view, go_on: right(image, Zoom(3).view(32, 16), go_on)
    )
    assert asked.ask(_picture(), VIEW, 20) == Plain("failed")
    assert asked.trouble is not None
    assert "96x48" in asked.trouble


def test_the_model_gives_way_to_others(no_thread_left: None) -> None:
    found: list[int] = []

    def opened() -> Marking:
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return Marking()

    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    with Sharpener("stream", opened, Quiet()) as asked:
        _until_sharp(asked)
    assert found == [max(before, 10)]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before


# One frame


def test_a_frame_keeps_its_cover_and_times_and_is_counted(asked: Sharpener) -> None:
    _until_sharp(asked)
    meters, allowed = Meters(), [True]
    made = Enlarger("stream", "a", lambda: Zoom(2), asked, lambda: allowed[0], meters)
    frame = safe(index=7)
    large = made(frame, 20)
    assert is_sharp(large.image)
    assert (large.image.width, large.image.height) == (320, 192)
    assert (large.index, large.pts, large.time_base) == (7, 7, Fraction(1, 25))
    assert (large.cover, large.session) == (frame.cover, 1)
    assert (frame.image.width, frame.image.height) == (160, 96)
    allowed[0] = False
    cool = made(frame, 20, "late")
    assert (cool.image.width, cool.image.height) == (320, 192)
    assert not is_sharp(cool.image)
    assert made.state()["how"] == "heat"
    allowed[0] = True
    made(frame, 20, "late")
    for how in ("sharp", "heat", "late"):
        assert meters.value("pictures_upscaled_total", use="stream", how=how) == 1
    assert made.state() == {
        "model": "a",
        "scale": 2,
        "region": None,
        "how": "late",
        "size": [320, 192],
        "trouble": None,
    }


def test_after_a_still_that_took_too_long_none_is_tried_for_a_while(
    model: Marking, asked: Sharpener, monkeypatch: pytest.MonkeyPatch
) -> None:
    _until_sharp(asked)
    monkeypatch.setattr(pace, "_FIRST_REST_NS", 1 << 62)
    made = Enlarger("snapshots", "a", lambda: Zoom(2), asked, lambda: True, Meters())
    limits = [20.0]
    stills = Stills(made, lambda: limits[0], Quiet())
    assert is_sharp(stills(safe()).image)
    limits[0] = 0.01
    model.hold.clear()
    assert not is_sharp(stills(safe()).image)
    limits[0] = 20.0
    model.hold.set()
    until(lambda: not asked._is_busy)
    seen = len(model.seen)
    assert not is_sharp(stills(safe()).image)
    assert (made.how, len(model.seen)) == ("slow", seen)


def test_only_models_that_enlarge_are_taken() -> None:
    assert enlarging_of(StreamUpscale(model="fsrcnn-x3"), "upscale.stream").scale == 3
    with pytest.raises(ModelUnknown, match=r"^upscale\.stream\.model: no model"):
        enlarging_of(StreamUpscale(model="espcn-x9"), "upscale.stream")
    with pytest.raises(UsageError, match=r"upscale\.stream\.model: yunet enlarges nothing"):
        enlarging_of(StreamUpscale(model="yunet"), "upscale.stream")


# In figures and words


def test_figures_are_told_by_use_and_cause() -> None:
    meters = Meters()
    for use, how in (("stream", "sharp"), ("stream", "sharp"), ("snapshots", "late")):
        meters.upscaled.labels(use, how).inc()
    meters.upscaled.labels("stream", "heat").inc(0)
    found = Figures(meters).now()["upscaled"]
    assert found == {"stream": {"sharp": 2}, "snapshots": {"late": 1}}


def test_a_status_says_how_it_is_in_words() -> None:
    state = {"model": "espcn-x2", "size": [640, 360], "how": "sharp", "trouble": None}
    uses = {"stream": {**state, "counts": {"sharp": 1200, "late": 3, "heat": 40}}}
    assert upscale_words(uses) == (
        "stream to 640x360 by espcn-x2, 1,200 sharpened, 40 plainly (heat), 3 plainly (late)"
    )
    assert list(upscale_troubles(uses)) == []
    still = {**state, "how": "failed", "trouble": "the GPU is gone", "size": None, "counts": {}}
    assert upscale_words({"snapshots": still}) == "snapshots by espcn-x2, plainly now (failed)"
    assert list(
        upscale_troubles({"snapshots": still, "stream": {**still, "how": "too large"}})
    ) == [
        "snapshots are enlarged plainly (the GPU is gone)",
        "stream is not enlarged (the GPU is gone)",
    ]
    # Whatever another version wrote.
    assert upscale_words({"stream": 3, "more": {"counts": {"a": "b"}, "size": "large"}})
