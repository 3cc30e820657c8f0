"""How far a build is: bars on a terminal, a line now and then where there is none."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

from tqdm import tqdm

from faceguard.engines.closing import Closing

BEAT_S = 10.0
_MOST_BARS = 3
_SHOWN_AFTER_S = 0.5


class BuildProgress(Closing, Protocol):
    """Takes what a build tells of itself."""

    def stage(self, name: str) -> None:
        """What is done before and after the backend's own phases."""
        ...

    def phase_start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase begins, within another where `parent` names one."""
        ...

    def step(self, name: str, step: int) -> None:
        """The step of this number, from 0, is done in a phase; some are not told."""
        ...

    def phase_finish(self, name: str) -> None:
        """A phase is over."""
        ...

    def tick(self) -> None:
        """Comes several times a second."""
        ...


def open_progress(name: str, *, quiet: bool = False, stream: TextIO | None = None) -> BuildProgress:
    """The progress that suits: nothing, bars, or lines.

    Args:
        name: What is built, for people.
        quiet: Nothing at all.
        stream: Where to; standard error when None.
    """
    stream = stream or sys.stderr
    if quiet:
        return Silence()
    return Bars(name, stream) if _can_draw(stream) else Heartbeats(name, stream)


def _can_draw(stream: TextIO) -> bool:
    # A serial console is a terminal that does not know its width; bars would be 0 wide on it.
    return stream.isatty() and os.get_terminal_size(stream.fileno()).columns > 0


@dataclass
class _Phase:
    parent: str | None
    steps: int
    done: int = 0


class Phases:
    """The phases at work and what they say of the whole.

    Attributes:
        doing: The phase or stage that began last and is not over.
        share: The part of the build that is done, 0 to 1; never falls. None before it is known.
    """

    def __init__(self) -> None:
        """Nothing has begun."""
        self.doing = "starting"
        self.share: float | None = None
        self._active: dict[str, _Phase] = {}

    def start(self, name: str, parent: str | None, steps: int) -> int:
        """A phase begins; gives its depth, 0 for the outermost."""
        self._active[name] = _Phase(parent, max(steps, 1))
        self.doing = name
        self._measure()
        depth = 0
        while (above := self._active.get(parent or "")) is not None and depth < len(self._active):
            depth, parent = depth + 1, above.parent
        return depth

    def step(self, name: str, step: int) -> None:
        """A step of a phase is done."""
        phase = self._active.get(name)
        if phase is not None:
            phase.done = max(phase.done, min(step + 1, phase.steps))
            self._measure()

    def finish(self, name: str) -> None:
        """A phase is over; what it was part of goes on."""
        phase = self._active.pop(name, None)
        if phase is None:
            return
        if phase.parent is None:
            self.share = 1.0
        elif self.doing == name:
            self.doing = phase.parent

    def _measure(self) -> None:
        root = next((name for name, phase in self._active.items() if phase.parent is None), None)
        if root is not None:
            self.share = max(self.share or 0.0, self._done(root, len(self._active)))

    def _done(self, name: str, depth: int) -> float:
        phase = self._active[name]
        inner = [
            self._done(child, depth - 1)
            for child, candidate in self._active.items()
            if candidate.parent == name and depth > 0
        ]
        return min(1.0, (phase.done + max(inner, default=0.0)) / phase.steps)


class Silence(Closing):
    """Says nothing."""

    def stage(self, name: str) -> None:
        """Nothing."""

    def phase_start(self, name: str, parent: str | None, steps: int) -> None:
        """Nothing."""

    def step(self, name: str, step: int) -> None:
        """Nothing."""

    def phase_finish(self, name: str) -> None:
        """Nothing."""

    def tick(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Heartbeats(Closing):
    """A line every ten seconds, for logs and pipes."""

    def __init__(
        self,
        name: str,
        stream: TextIO,
        *,
        beat_s: float = BEAT_S,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begins to count.

        Args:
            name: What is built.
            stream: Where to.
            beat_s: Seconds from line to line.
            clock_s: Tells the time.
        """
        self._name = name
        self._stream = stream
        self._beat_s = beat_s
        self._clock_s = clock_s
        self._started_s = self._said_s = clock_s()
        self._phases = Phases()

    def stage(self, name: str) -> None:
        """Keeps it for the next line."""
        self._phases.doing = name

    def phase_start(self, name: str, parent: str | None, steps: int) -> None:
        """Keeps it for the next line."""
        self._phases.start(name, parent, steps)

    def step(self, name: str, step: int) -> None:
        """Keeps it for the next line."""
        self._phases.step(name, step)

    def phase_finish(self, name: str) -> None:
        """Keeps it for the next line."""
        self._phases.finish(name)

    def tick(self) -> None:
        """Says how far it is, when it is time to."""
        now_s = self._clock_s()
        if now_s - self._said_s < self._beat_s:
            return
        self._said_s = now_s
        share = self._phases.share
        percent = "" if share is None else f"{share:.0%}".replace("%", " %, ")
        doing = self._phases.doing
        self._stream.write(
            f"faceguard: building {self._name}: {doing[:1].lower()}{doing[1:]}, "
            f"{percent}{now_s - self._started_s:.0f} s so far\n"
        )
        self._stream.flush()

    def close(self) -> None:
        """Nothing is left to say."""


class Bars(Closing):
    """One bar for the whole, and one each for the outer phases that last."""

    def __init__(self, name: str, stream: TextIO) -> None:
        """Draws the first.

        Args:
            name: What is built.
            stream: The terminal.
        """
        self._stream = stream
        self._phases = Phases()
        self._bars: dict[str, tqdm[Any]] = {}
        self._whole: tqdm[Any] = tqdm(
            total=100,
            desc=f"building {name}",
            bar_format="{desc}: {percentage:3.0f} %|{bar}| {elapsed}{postfix}",
            leave=False,
            dynamic_ncols=True,
            file=stream,
        )

    def stage(self, name: str) -> None:
        """Writes it behind the first bar."""
        self._phases.doing = name
        self._whole.set_postfix_str(name)

    def phase_start(self, name: str, parent: str | None, steps: int) -> None:
        """Adds a bar; it is drawn when the phase lasts."""
        depth = self._phases.start(name, parent, steps)
        self._drop(name)
        if 1 <= depth <= _MOST_BARS:
            self._bars[name] = tqdm(
                total=steps,
                desc=f"{'  ' * depth}{name}",
                bar_format="{desc}: {n_fmt}/{total_fmt}|{bar}| {elapsed}",
                position=depth,
                delay=_SHOWN_AFTER_S,
                leave=False,
                dynamic_ncols=True,
                file=self._stream,
            )
        self._advance()

    def step(self, name: str, step: int) -> None:
        """Moves the bars."""
        self._phases.step(name, step)
        bar = self._bars.get(name)
        if bar is not None:
            bar.update(max(0, step + 1 - bar.n))
        self._advance()

    def phase_finish(self, name: str) -> None:
        """Takes the phase's bar away."""
        self._phases.finish(name)
        self._drop(name)
        self._advance()

    def _drop(self, name: str) -> None:
        """Takes a bar away where there is one."""
        bar = self._bars.pop(name, None)
        if bar is not None:
            bar.close()

    def tick(self) -> None:
        """Lets the clock go on."""
        self._whole.refresh()

    def close(self) -> None:
        """Takes all bars away."""
        for name in list(self._bars):
            self._drop(name)
        self._whole.close()

    def _advance(self) -> None:
        self._whole.set_postfix_str(self._phases.doing, refresh=False)
        self._whole.update(int(100 * (self._phases.share or 0.0)) - int(self._whole.n))
