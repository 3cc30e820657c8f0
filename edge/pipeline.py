"""The way of a frame: read, judge, wait, redact, deliver.

Three rooms, each a thread: one reads, one decides and redacts, one (the caller's) delivers. Between
them are short queues that wait when full, since a file may take its time.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from faceguard.edge.change import Change
from faceguard.edge.lookahead import LookAhead
from faceguard.edge.masks import MaskSettings
from faceguard.edge.redact import redact
from faceguard.edge.sinks.base import Sink
from faceguard.edge.slot import Closed, Slot
from faceguard.edge.sources.base import Source, SourceInfo
from faceguard.edge.style import Style
from faceguard.edge.tracking import Tracker, TrackingSettings
from faceguard.edge.types import Cover, Frame, SafeFrame
from faceguard.edge.verdict import Bare, Judge

T = TypeVar("T")
_ROOM_BETWEEN = 4


@dataclass(frozen=True)
class Plan:
    """How frames are judged and covered.

    Attributes:
        detect_every: The detector looks at every n-th frame, and at each that is quite another
            picture than the last one it saw.
        look_ahead: Frames that each one waits for what comes after it.
        masks: How boxes become masks.
        tracking: How tracks live.
        style: How covered areas look.
    """

    detect_every: int = 2
    look_ahead: int = 15
    masks: MaskSettings = field(default_factory=MaskSettings)
    tracking: TrackingSettings = field(default_factory=TrackingSettings)
    style: Style = field(default_factory=Style)


class After(Protocol):
    """What is done to frames once they are safe, before they are delivered."""

    def info(self, source: SourceInfo) -> SourceInfo:
        """What a sink gets of a source that is described so.

        Raises:
            FaceguardError: It cannot be done to such a source.
        """
        ...

    def __call__(self, frame: SafeFrame) -> SafeFrame:
        """The frame that is delivered, made with `faceguard.edge.redact.changed`."""
        ...


@dataclass
class Tally:
    """What happened on the way.

    Attributes:
        frames: Frames delivered.
        masks: Masks drawn, all frames together.
        tracks: Faces followed.
        whole: Frames covered whole, by cause.
    """

    frames: int = 0
    masks: int = 0
    tracks: int = 0
    whole: Counter[str] = field(default_factory=Counter)


def run(
    source: Source,
    sink: Sink,
    judge: Judge | Bare,
    plan: Plan,
    on_frame: Callable[[SafeFrame], None],
    after: Callable[[SafeFrame], SafeFrame] | None = None,
) -> Tally:
    """Takes a source to its end.

    Args:
        source: Where frames come from.
        sink: Where safe frames go; `finish` is left to the caller.
        judge: Finds the faces; or says that a user asked aloud for none to be covered, so that no
            detector is asked: `Redactor(uncovered=True)`.
        plan: How to cover them.
        on_frame: Called with each safe frame before it is delivered: reports, previews, progress.
        after: What is done to each safe frame before that; see `After`.

    Returns:
        Counts.

    Raises:
        InputError: The source broke off; the frames before it were delivered.
        OutputError: The sink cannot be written to.
    """
    tally = Tally()
    tracker = Tracker(plan.tracking, keep_frames=plan.look_ahead, every=plan.detect_every)
    with (
        closing(_in_another_room(source, "read")) as frames,
        closing(_in_another_room(made_safe(frames, judge, tracker, plan), "redact")) as safe_frames,
    ):
        for redacted_frame in safe_frames:
            safe = redacted_frame if after is None else after(redacted_frame)
            on_frame(safe)
            sink.write(safe)
            tally.frames += 1
            tally.masks += len(safe.cover.masks)
            if safe.cover.whole is not None:
                tally.whole[safe.cover.whole] += 1
    tally.tracks = tracker.started
    return tally


def made_safe(
    frames: Iterator[Frame], judge: Judge | Bare, tracker: Tracker, plan: Plan
) -> Iterator[SafeFrame]:
    """As `redacted`; or, where that was asked for, bare. There is no other way round it."""
    if judge is Bare.ASKED_FOR:
        return (redact(frame, Cover(), plan.style) for frame in frames)
    return redacted(frames, judge, tracker, plan)


def redacted(
    frames: Iterator[Frame], judge: Judge, tracker: Tracker, plan: Plan
) -> Iterator[SafeFrame]:
    """Frames in, safe frames out, each as late as the look-ahead says."""
    delay = LookAhead(plan.look_ahead, tracker, plan.masks)
    change = Change()
    for frame in frames:
        verdict = None
        if frame.index % plan.detect_every == 0 or change.is_great(frame.image):
            verdict = judge.look(frame.image)
            change.looked_at(frame.image)
        for ready, cover in delay.push(frame, verdict):
            yield redact(ready, cover, plan.style)
    for ready, cover in delay.flush(judge.look):
        yield redact(ready, cover, plan.style)


def _in_another_room(things: Iterable[T], name: str) -> Generator[T, None, None]:
    """Runs an iterator in a thread of its own, a few things ahead of whoever takes them.

    Closing the generator stops the thread and waits for it, so that nothing reads a source after
    its owner has closed it.
    """
    slot: Slot[T] = Slot(_ROOM_BETWEEN)

    def give() -> None:
        error: BaseException | None = None
        try:
            for thing in things:
                slot.put(thing)
        except Closed:
            pass
        except BaseException as problem:  # noqa: BLE001 - raised again where things are taken
            error = problem
        slot.close(error)

    thread = threading.Thread(target=give, name=name, daemon=True)
    thread.start()
    try:
        yield from slot
    finally:
        slot.abandon()
        thread.join()
