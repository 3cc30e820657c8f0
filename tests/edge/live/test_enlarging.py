"""The room that enlarges video: order, drops, what it passes as it is, and how it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from faceguard.edge.budget import UNLIMITED
from faceguard.edge.config.model import Config
from faceguard.edge.config.upscale import SnapshotsUpscale, StreamUpscale
from faceguard.edge.enhance import limits
from faceguard.edge.live import enlarging as module
from faceguard.edge.live import pace
from faceguard.edge.live.deliver import Shown
from faceguard.edge.live.enlarger import Enlarger
from faceguard.edge.live.enlarging import Enlarging
from faceguard.edge.live.sharpener import Sharpener
from faceguard.edge.live.timeline import TIME_BASE
from faceguard.edge.live.upscaling import OpenModel, Upscaling
from faceguard.edge.live.zoom import Zoom
from faceguard.edge.meters import Meters
from faceguard.edge.redact import redact
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.slot import Closed, Slot
from faceguard.edge.style import Style
from faceguard.edge.types import Cover, Frame, Image, PixelFormat, SafeFrame
from faceguard.engines.closing import Closing
from faceguard.engines.errors import InferenceError, NoRoom
from faceguard.engines.upscaling.limits import Limit
from tests.edge.enhance.repeats import Repeats
from tests.edge.live.house import until
from tests.edge.live.sharp import Marking, is_sharp

TICKS = 3600


@dataclass
class Room(Closing):
    """The room, between slots; `shown` has all that came out so far."""

    is_patient: bool = False
    look_ahead: int = 0
    model: Marking = field(default_factory=Marking)
    shown: list[Shown] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.meters, self.budget = Meters(), [True]
        self.out: Slot[SafeFrame | Shown] = Slot(1000)
        quiet = Quiet(self.meters)
        self.sharpener = Sharpener("stream", self.model.open, quiet)
        made = Enlarger(
            *("stream", "a", lambda: Zoom(2), self.sharpener),
            *(lambda: self.budget[0], self.meters),
        )
        self.room = Enlarging(
            *(self.out, made, self.meters, quiet),
            look_ahead=self.look_ahead,
            is_patient=self.is_patient,
        )
        until(lambda: self.sharpener.is_ready)
        self.room.start()

    def give(self, *indices: int, session: int = 1) -> None:
        for index in indices:
            self.room.safe.put(_frame(index, session))

    def take(self) -> SafeFrame | Shown:
        found = self.out.take(20)
        assert found is not None
        return found

    def how_many(self, how: str) -> float:
        return self.meters.value("pictures_upscaled_total", use="stream", how=how)

    @property
    def dropped(self) -> float:
        return self.meters.value("frames_dropped_total", cause="upscale")

    def close(self) -> None:
        self.room.close()
        self.sharpener.close()


def _frame(index: int, session: int = 1) -> SafeFrame:
    image = Image.blank(PixelFormat.I420, 32, 16)
    for plane in image.planes:
        plane[...] = 90
    frame = Frame(image, index, index * TICKS, TIME_BASE, TICKS, time.monotonic_ns(), session)
    return redact(frame, Cover(), Style())


@pytest.fixture(autouse=True)
def on_a_machine_that_halts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test's machine may stand still for a second, and then nothing is too slow."""
    monkeypatch.setattr(module, "_LIVE_LIMIT_S", 20.0)


@pytest.fixture
def room(no_thread_left: None) -> Iterator[Room]:
    with Room() as one:
        yield one


@pytest.fixture
def patient(no_thread_left: None) -> Iterator[Room]:
    with Room(is_patient=True) as one:
        yield one


def test_frames_come_out_larger_in_their_order_with_what_they_were_made_of(room: Room) -> None:
    for index in range(20):
        room.give(index)
        shown = room.take()
        assert isinstance(shown, Shown)
        assert is_sharp(shown.frame.image)
        assert (shown.frame.image.width, shown.frame.image.height) == (64, 32)
        assert (shown.frame.index, shown.frame.pts) == (index, index * TICKS)
        assert (shown.source.index, shown.source.image.width) == (index, 32)
    assert (room.how_many("sharp"), room.dropped) == (20, 0)
    assert room.meters.value("stage_seconds_count", stage="upscale") == 20


def test_slates_pass_as_they_are(room: Room) -> None:
    room.give(3, session=0)
    slate = room.take()
    assert isinstance(slate, SafeFrame)
    assert (slate.image.width, slate.index) == (32, 3)


def test_whoever_gives_never_waits_and_the_newest_wins(room: Room) -> None:
    room.model.hold.clear()
    room.give(0)
    assert room.model.in_work.wait(20)
    room.give(*range(1, 100))
    assert room.dropped == 95
    room.give(100, 101, session=0)
    assert room.dropped == 97
    room.give(102, 103, 104, 105)
    # Slates that make room are no frames.
    assert room.dropped == 99
    room.model.hold.set()
    found = [room.take() for _ in range(5)]
    assert all(isinstance(one, Shown) for one in found)
    assert [one.frame.index for one in found if isinstance(one, Shown)] == [0, 102, 103, 104, 105]
    # Those that others wait behind are enlarged plainly, so that it does not get later still.
    assert [is_sharp(one.frame.image) for one in found if isinstance(one, Shown)][:4] == [
        *(True, False, False, False)
    ]
    assert {one.frame.image.width for one in found if isinstance(one, Shown)} == {64}


def test_all_that_look_ahead_lets_go_at_once_has_room(no_thread_left: None) -> None:
    with Room(look_ahead=12) as room:
        room.model.hold.clear()
        room.give(0)
        assert room.model.in_work.wait(20)
        room.give(*range(1, 17))
        room.model.hold.set()
        for index in range(17):
            shown = room.take()
            assert isinstance(shown, Shown)
            assert shown.frame.index == index
        assert room.dropped == 0


def test_a_model_that_hangs_is_not_waited_for_again(
    monkeypatch: pytest.MonkeyPatch, no_thread_left: None
) -> None:
    monkeypatch.setattr(module, "_LIVE_LIMIT_S", 0.1)
    monkeypatch.setattr(pace, "_FIRST_REST_NS", 1 << 62)
    with Room() as room:
        room.model.hold.clear()
        room.give(0)
        shown = room.take()
        assert isinstance(shown, Shown)
        assert not is_sharp(shown.frame.image)
        assert room.how_many("slow") == 1
        for index in range(1, 30):
            room.give(index)
            room.take()
        # It rests, and is not even asked.
        assert room.how_many("late") == 29


def test_a_model_that_is_too_slow_for_the_video_is_told_once(
    monkeypatch: pytest.MonkeyPatch, no_thread_left: None, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_LIVE_LIMIT_S", 0.001)
    monkeypatch.setattr(pace, "_FIRST_REST_NS", 1)
    with Room() as room:
        room.model.hold.clear()
        for index in range(20):
            room.give(index)
            room.take()
    said = [line for line in caplog.messages if "too slow for stream" in line]
    assert len(said) == 1
    assert "in upscale.stream; see: faceguard bench upscale" in said[0]


def test_under_heat_and_while_the_model_fails_the_size_stays(room: Room) -> None:
    room.budget[0] = False
    room.give(0)
    hot = room.take()
    room.budget[0] = True
    room.model.breaks = InferenceError("the GPU is gone")
    room.give(1)
    failed = room.take()
    for shown in (hot, failed):
        assert isinstance(shown, Shown)
        assert shown.frame.image.width == 64
        assert not is_sharp(shown.frame.image)
    assert (room.how_many("heat"), room.how_many("failed")) == (1, 1)


def test_a_file_waits_and_every_frame_is_sharpened(patient: Room) -> None:
    # More than may wait: whoever gives is held up meanwhile.
    patient.give(*range(40))
    found = [patient.take() for _ in range(40)]
    assert [is_sharp(one.frame.image) for one in found if isinstance(one, Shown)] == [True] * 40
    assert patient.dropped == 0


def test_a_frame_that_cannot_be_enlarged_is_dropped_and_the_next_is_shown(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    from faceguard.edge.live import enlarger

    plainly, room.budget[0] = enlarger.enlarged_plainly, False
    failing = [MemoryError(), None]

    def fails(image: Image, view) -> Image:
        error = failing.pop(0)
        if error is not None:
            raise error
        return plainly(image, view)

    monkeypatch.setattr(enlarger, "enlarged_plainly", fails)
    room.give(0, 1)
    shown = room.take()
    assert isinstance(shown, Shown)
    assert shown.frame.index == 1
    assert room.dropped == 1


def test_it_ends_with_those_before_it_and_tells_those_after_it(room: Room) -> None:
    room.give(0, 1, 2)
    room.room.safe.close(InferenceError("the rooms broke down"))
    for _ in range(3):
        room.take()
    with pytest.raises(InferenceError, match="broke down"):
        room.out.take(20)
    assert room.room.join(20)


def test_at_a_stop_what_is_there_goes_out_at_once(room: Room) -> None:
    room.model.hold.clear()
    room.give(0, 1, 2)
    assert room.model.in_work.wait(20)
    room.room.hurry()
    room.room.safe.close()
    found = [room.take() for _ in range(3)]
    assert not any(is_sharp(one.frame.image) for one in found if isinstance(one, Shown))
    with pytest.raises(Closed):
        room.out.take(20)
    assert room.how_many("ending") >= 1


def test_those_after_it_may_leave_first(room: Room) -> None:
    room.out.abandon()
    room.give(0)
    assert room.room.join(20)
    with pytest.raises(Closed):
        room.give(1)


def test_a_model_that_is_left_behind_is_named(no_thread_left: None) -> None:
    """One that hangs in its runtime, where nobody can call it back."""
    upscale = {"stream": {"model": "espcn-x2"}, "snapshots": {"model": "espcn-x2"}}
    config = Config.model_validate({"camera": {"kind": "synthetic"}, "upscale": upscale})
    model, go = Marking(), threading.Event()

    def hangs() -> Marking:
        go.wait(60)
        return model

    both = {StreamUpscale: hangs, SnapshotsUpscale: model.open}
    meters = Meters()
    made = Upscaling(
        *(lambda: config, lambda: UNLIMITED, meters, Quiet(meters)),
        open_with=lambda use: both[type(use)](),
    )
    until(lambda: model.opened)
    made.close()
    found = made.hanging
    go.set()
    until(lambda: model.closed == 2)
    assert found == ["stream"]


def test_without_room_the_configuration_is_named_and_no_option(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = Limit(1000, 0, "of the machine's memory", "resident", shared=True)
    monkeypatch.setattr(limits, "read_limits", lambda _limit: [full])
    image = Image.blank(PixelFormat.I420, 32, 16)
    with OpenModel(Repeats(2)) as model, pytest.raises(NoRoom) as refused:
        model.sharpened(image, Zoom(2).view(32, 16), lambda: None)
    assert "`upscale`" in str(refused.value)
    assert "--" not in str(refused.value)
