"""The room that covers, with slots that hold all: a test gives frames and takes safe ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from faceguard.edge.budget import UNLIMITED, Budget
from faceguard.edge.live.health import Health, State
from faceguard.edge.live.process import Process, ProcessSettings
from faceguard.edge.live.slate import Slate
from faceguard.edge.live.timeline import TIME_BASE
from faceguard.edge.meters import Meters
from faceguard.edge.pipeline import Plan
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.slot import Slot
from faceguard.edge.style import Look, Style
from faceguard.edge.types import Frame, PixelFormat, SafeFrame
from faceguard.edge.verdict import FaceFinder, Judge
from faceguard.engines.closing import Closing
from tests.edge.live.marks import assert_no_watermark
from tests.edge.live.scene import SIZE, Scene, Truthful

TICKS = 3600  # of 1/90000 s: 25 frames a second
UP = Health(State.UP, 0, session=1)
LOST = Health(State.LOST, 0, "lost", session=1)


@dataclass
class Room(Closing):
    """The room with slots that hold all, so that a test can give and take as it likes."""

    scene: Scene = field(default_factory=Scene)
    finder: FaceFinder | None = None
    plan: Plan = field(default_factory=lambda: Plan(1, 0))
    budget: Budget = UNLIMITED
    health: Health = UP
    copies: int = 1000
    epoch_ns: int = field(default_factory=time.monotonic_ns)

    def __post_init__(self) -> None:
        self.meters = Meters()
        self.taken: Slot[Frame] = Slot(1000)
        self.safe: Slot[SafeFrame] = Slot(1000)
        self.judge = Judge(self.finder or Truthful(self.scene), 20.0)
        self.process = Process(
            self.taken,
            self.safe,
            self.judge,
            ProcessSettings(lambda: self.plan, lambda: self.budget, lambda: self.health),
            Slate("door"),
            self.meters,
            Quiet(self.meters),
            epoch_ns=self.epoch_ns,
            copies=self.copies,
        )
        self.process.start()

    def give(self, *indices: int, session: int = 1, size: tuple[int, int] = SIZE, **how) -> None:
        for index in indices:
            self.taken.put(frame(self.scene, index, session, size, **how))

    def take(self, count: int) -> list[SafeFrame]:
        return [self.one() for _ in range(count)]

    def one(self) -> SafeFrame:
        safe = self.safe.take(20)
        assert safe is not None, "nothing came"
        return safe

    def rest(self) -> list[SafeFrame]:
        """All that is left, after the last frame."""
        self.taken.close()
        return list(self.safe)

    def close(self) -> None:
        self.process.close()
        self.judge.close()


def frame(
    scene: Scene,
    index: int,
    session: int = 1,
    size: tuple[int, int] = SIZE,
    *,
    pts: int | None = None,
    form: PixelFormat = PixelFormat.I420,
) -> Frame:
    """The scene's picture of this number, whose place in time is its number's."""
    at = index * TICKS if pts is None else pts
    image = scene.image(index, size, form)
    return Frame(image, index, at, TIME_BASE, TICKS, time.monotonic_ns(), session)


def plan(every: int = 1, look_ahead: int = 0, look: Look = Look.PIXELATE) -> Plan:
    return Plan(every, look_ahead, style=Style(look))


def from_frame(first: int) -> Callable[[int, int], bool]:
    return lambda index, _face: index >= first


def wholes(frames: list[SafeFrame]) -> list[str | None]:
    return [one.cover.whole for one in frames]


def safe_in(scene: Scene, frames: list[SafeFrame]) -> None:
    for one in frames:
        assert_no_watermark(one.image, scene, [one.index])
