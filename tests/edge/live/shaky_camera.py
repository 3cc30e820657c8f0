"""Cameras that do as they are told: pictures, faults, and hangs that end when the test says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from faceguard.edge.budget import UNLIMITED, Budget
from faceguard.edge.cameras.base import CameraInfo, Shot
from faceguard.edge.config.camera import Supervision
from faceguard.edge.events import Event
from faceguard.edge.live.capture import Capture
from faceguard.edge.live.health import Health
from faceguard.edge.meters import Meters
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.slot import Closed, Slot
from faceguard.edge.types import Frame, Image, PixelFormat
from faceguard.engines.closing import Closing

PATIENCE_S = 20.0


def quick(**changes: Any) -> Supervision:
    """Settings with hardly any pauses, and limits shorter than a configuration may have them.

    A machine that halts for longer than these makes a camera that is well look frozen.
    """
    usual = {
        "frozen_after_s": 0.25,
        "open_within_s": 0.4,
        "slow_below": 0.5,
        "retry_first_s": 0.0,
        "retry_longest_s": 0.0,
        "restart_argus": False,
    }
    return Supervision.model_construct(**{**usual, **changes})


def wait_until(what: Callable[[], bool], why: str = "") -> None:
    """Waits for something that another thread does."""
    deadline_s = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while not what():
        assert time.monotonic() < deadline_s, why or "it did not come about"
        pause.wait(0.002)


class Clock:
    """A clock that only goes forward when a camera takes its time; real pauses mean nothing."""

    def __init__(self) -> None:
        self._now_ns = time.monotonic_ns()

    def __call__(self) -> int:
        return self._now_ns

    def forward(self, by_ns: int) -> None:
        self._now_ns += by_ns


@dataclass
class Hang:
    """A driver's hang; ends when it is told to, or when the camera is closed."""

    stubborn: bool = False
    entered: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Pictures:
    """A run of pictures.

    Attributes:
        count: How many; None for as long as they are wanted.
        size: Width and height.
        damaged: Before each.
        step_ns: From one capture time to the next; None takes the clock.
        pause_s: Before each.
        interval_ns: Before each, on a `Clock`.
        form: Pixel format.
        source_ns: The driver's mark on each of them; None for a driver that makes none.
    """

    count: int | None = None
    size: tuple[int, int] = (32, 16)
    damaged: int = 0
    step_ns: int | None = None
    pause_s: float = 0.001
    interval_ns: Callable[[], int] | None = None
    form: PixelFormat = PixelFormat.GRAY
    source_ns: int | None = None


GOOD = Pictures()
SOME = Pictures(3)
# What a connection does next: pictures, a hang, an error to raise, or whatever to return.
Step = Pictures | Hang | BaseException | object


class ShakyCamera(Closing):
    """One connection that follows its steps, and ends with them as a file does.

    Every sample of its pictures has the connection's number.
    """

    def __init__(
        self,
        number: int,
        steps: Sequence[Step],
        info: CameraInfo,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.info = info
        self.number = number
        self.closed = threading.Event()
        self.on_close: Hang | None = None
        self._clock_ns = clock_ns
        self._last_ns = 0
        self._line_ns = 0
        self._steps = steps
        self._reading = self._go()

    def read(self) -> Shot | None:
        return next(self._reading, None)

    def close(self) -> None:
        self.closed.set()
        if self.on_close is not None:
            self.on_close.entered.set()
            self.on_close.over.wait(PATIENCE_S)

    def _go(self) -> Iterator[Any]:
        for step in self._steps:
            if isinstance(step, Pictures):
                yield from self._shoot(step)
            elif isinstance(step, Hang):
                step.entered.set()
                while not step.over.wait(0.005) and not (
                    self.closed.is_set() and not step.stubborn
                ):
                    pass
            elif isinstance(step, BaseException):
                raise step
            else:
                yield step

    def _shoot(self, run: Pictures) -> Iterator[Shot]:
        given = 0
        while run.count is None or given < run.count:
            given += 1
            self.closed.wait(run.pause_s)
            if run.interval_ns is not None and isinstance(self._clock_ns, Clock):
                self._clock_ns.forward(run.interval_ns())
            image = Image.blank(run.form, *run.size)
            for plane in image.planes:
                plane[...] = self.number % 256
            now_ns = self._clock_ns()
            self._last_ns = (
                now_ns if run.step_ns is None else (self._last_ns or now_ns) + run.step_ns
            )
            self._line_ns = self._last_ns if self.info.live else self._line_ns + 40_000_000
            yield Shot(image, self._last_ns, self._line_ns, 40_000_000, run.damaged, run.source_ns)


LIVE = CameraInfo(32, 16, None, "test picture")
FILE = CameraInfo(32, 16, Fraction(25), "test file", live=False)
ONCE = replace(FILE, again=False)


class Bench(Closing):
    """A capture room with a shaky camera in front and a test behind.

    Attributes:
        opened: The cameras that were opened, in order.
        events: What it told.
    """

    def __init__(
        self,
        script: Callable[[int], Sequence[Step]],
        *,
        settings: Supervision | None = None,
        info: CameraInfo = LIVE,
        capacity: int = 2,
        hangs_on_close: Hang | None = None,
        **more: Any,
    ) -> None:
        """Sets up.

        Args:
            script: Steps of the n-th connection, from 1; an error or a hang that comes first
                happens while opening.
            settings: Of the supervisor.
            info: What the cameras say of themselves.
            capacity: Of the slot.
            hangs_on_close: What the first connection does when it is closed.
            more: For `Capture`.
        """
        self.settings = settings or quick()
        self.slot: Slot[Frame] = Slot(capacity)
        self.meters = Meters()
        self.opened: list[ShakyCamera] = []
        self.tries = 0
        self.events: list[Event] = []
        self.budget: Budget = UNLIMITED
        self._script = script
        self._info = info
        self._hangs_on_close = hangs_on_close
        clock_ns = more.get("clock_ns", time.monotonic_ns)
        self._clock_ns = clock_ns
        self.epoch_ns = clock_ns()
        self.capture = Capture(
            self._open,
            lambda: self.settings,
            self.slot,
            self.meters,
            Quiet(self.meters),
            epoch_ns=self.epoch_ns,
            budget=lambda: self.budget,
            on_event=self.events.append,
            **more,
        )

    @property
    def health(self) -> Health:
        return self.capture.health

    def __enter__(self) -> Bench:
        self.capture.start()
        return self

    def close(self) -> None:
        self.capture.close(0.4)

    def frames(self) -> Iterator[Frame]:
        """Frames as they come out of the slot, until it ends."""
        while True:
            try:
                frame = self.slot.take(PATIENCE_S)
            except Closed:
                return
            assert frame is not None, f"no frame came; {self.health}"
            yield frame

    def failures(self, cause: str) -> float:
        return self.meters.value("camera_failures_total", cause=cause)

    def dropped(self, cause: str) -> float:
        return self.meters.value("frames_dropped_total", cause=cause)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    def _open(self) -> ShakyCamera:
        self.tries += 1
        number, steps = self.tries, list(self._script(self.tries))
        while steps and isinstance(steps[0], (Hang, BaseException)):
            first = steps.pop(0)
            if isinstance(first, BaseException):
                raise first
            first.entered.set()
            first.over.wait(PATIENCE_S)
        camera = ShakyCamera(number, steps, self._info, self._clock_ns)
        if number == 1:
            camera.on_close = self._hangs_on_close
        self.opened.append(camera)
        return camera


def number_of(frame) -> int:
    return int(frame.image.planes[0][0, 0])


def take_from(bench: Bench, number: int):
    """The first frame of a connection, by its number."""
    return next(frame for frame in bench.frames() if number_of(frame) == number)
