"""The room that gives frames out: to all outputs, whatever one of them, or a listener, does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from faceguard.edge.events import Event
from faceguard.edge.live.deliver import Deliver
from faceguard.edge.live.presence import Presence
from faceguard.edge.meters import Meters
from faceguard.edge.redact import redact
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.slot import Slot
from faceguard.edge.style import Style
from faceguard.edge.types import Cover, Frame, Mask, SafeFrame, Shape
from faceguard.engines.closing import Closing
from faceguard.engines.types import Region
from tests.edge.live.house import until
from tests.edge.live.room import frame
from tests.edge.live.scene import Scene

SCENE = Scene(faces=0)
BOX = Region(20, 20, 60, 60)


class Sink:
    """Keeps the numbers of frames, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.numbers: list[int] = []
        self.error = error

    def offer(self, thing: SafeFrame) -> None:
        self.numbers.append(thing.index)
        if self.error is not None:
            raise self.error


class Room(Closing):
    """The room, with what it is given to call."""

    def __init__(self, *sinks: Sink, **calls: Any) -> None:
        self.safe: Slot[SafeFrame] = Slot(100)
        self.meters = Meters()
        self.beats = 0
        self.told: list[tuple[Event, SafeFrame | None]] = []
        self.ends = 0
        usual = {
            "beat": self._beat,
            "on_event": lambda event, safe: self.told.append((event, safe)),
            "on_end": self._end,
        }
        self.deliver = Deliver(
            self.safe, sinks, self.meters, Quiet(self.meters), **{**usual, **calls}
        )

    def end(self) -> None:
        self.safe.close()
        assert self.deliver.join(20)

    def close(self) -> None:
        self.safe.abandon()
        self.deliver.join(20)

    def _beat(self) -> None:
        self.beats += 1

    def _end(self) -> None:
        self.ends += 1


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    until(lambda: set(threading.enumerate()) <= before, "threads are left")


def safe(index: int, session: int = 1, *, tracks: tuple[int, ...] = (), whole: str | None = None):
    masks = tuple(Mask(BOX, Shape.BOX, track, 0.9, BOX) for track in tracks)
    return redact(frame(SCENE, index, session), Cover(masks, whole), Style())


def slate(index: int) -> SafeFrame:
    source: Frame = frame(SCENE, index, 0)
    return redact(source, Cover(), Style())


def test_each_frame_goes_to_each_output_in_order_and_feeds_the_watchdog():
    one, other = Sink(), Sink()
    with Room(one, other) as room:
        room.deliver.start()
        for index in range(20):
            room.safe.put(safe(index))
        room.end()
    assert one.numbers == other.numbers == list(range(20))
    assert room.beats == 20
    assert (room.deliver.ended, room.ends) == (True, 1)


def test_an_output_that_raises_takes_nothing_from_the_others(caplog):
    broken, other = Sink(ValueError("broken on purpose")), Sink()
    with Room(broken, other) as room:
        room.deliver.start()
        for index in range(20):
            room.safe.put(safe(index, tracks=(1,)))
        room.end()
    assert other.numbers == broken.numbers == list(range(20))
    assert room.beats == 20
    assert [event.kind for event, _ in room.told] == ["face-appears", "face-leaves"]
    assert len(caplog.records) == 1  # and not one a frame


@pytest.mark.parametrize("call", ["beat", "on_event"])
def test_a_listener_that_raises_stops_nothing(call, caplog):
    def raises(*_given: object) -> None:
        raise RuntimeError("broken on purpose")

    sink = Sink()
    with Room(sink, **{call: raises}) as room:
        room.deliver.start()
        for index in range(20):
            room.safe.put(safe(index, tracks=(index // 6 + 1,)))
        room.end()
    assert sink.numbers == list(range(20))
    assert room.meters.value("frames_out_total") == 20
    assert room.ends == 1
    assert "broken on purpose" in caplog.text
    assert len(caplog.records) == 1


def test_presence_that_fails_stops_nothing(monkeypatch):
    monkeypatch.setattr(Presence, "see", lambda *_given: 1 / 0)
    sink = Sink()
    with Room(sink) as room:
        room.deliver.start()
        room.safe.put(safe(0))
        room.end()
    assert (sink.numbers, room.beats, room.ends) == ([0], 1, 1)


def test_events_come_with_the_frame_that_they_were_seen_in():
    with Room() as room:
        room.deliver.start()
        room.safe.put(safe(0))
        room.safe.put(safe(1, tracks=(1,)))
        for index in range(2, 9):
            room.safe.put(safe(index, tracks=(2,)))
        room.end()
    told = [
        (event.kind, event.fields["track"], shown and shown.index) for event, shown in room.told
    ]
    assert told == [
        ("face-appears", 1, 1),
        ("face-appears", 2, 2),
        ("face-leaves", 1, 6),
        # With the last frame all leave.
        ("face-leaves", 2, None),
    ]


def test_slates_feed_the_watchdog_and_are_counted_as_no_frames():
    sink = Sink()
    with Room(sink) as room:
        room.deliver.start()
        room.safe.put(safe(0, tracks=(1, 2)))
        room.safe.put(slate(0))
        room.safe.put(safe(1, 2, whole="time-out"))
        room.end()
    assert (len(sink.numbers), room.beats) == (3, 3)
    assert room.meters.value("frames_out_total") == 2
    assert room.meters.value("frames_whole_total", cause="time-out") == 1
    assert room.meters.value("latency_seconds_count") == 2
    assert [event.kind for event, _ in room.told][:2] == ["face-appears"] * 2
    assert [event.kind for event, _ in room.told][2:4] == ["face-leaves"] * 2
    assert room.deliver.covered == "time-out"


def test_it_holds_no_frame_while_it_waits_for_the_next():
    """Or a pool that is small would never get that memory back."""
    import weakref

    class Memory:
        pass

    with Room(Sink()) as room:
        room.deliver.start()
        owner = Memory()
        gone = weakref.ref(owner)
        one = safe(0)
        object.__setattr__(one.image, "owner", owner)
        room.safe.put(one)
        del one, owner
        until(lambda: gone() is None, "the frame is still held")
        assert not room.deliver.ended


def test_latency_counts_from_capture():
    with Room() as room:
        room.deliver.start()
        late = frame(SCENE, 0)
        object.__setattr__(late, "captured_ns", time.monotonic_ns() - 3 * 10**9)
        room.safe.put(redact(late, Cover(), Style()))
        room.end()
    assert 3 <= room.meters.value("latency_seconds_sum") < 20
