"""How far a run is: bars on a terminal, a line now and then where there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from faceguard.edge.sources.base import SourceInfo
from faceguard.edge.types import SafeFrame
from faceguard.engines.closing import Closing

_NAME_LENGTH = 24
_HEARTBEAT_NS = 15_000_000_000


class FileBar:
    """The bar of one file."""

    def __init__(self, name: str, *, shown: bool, spoken: bool) -> None:
        """Makes the bar; it appears when the source is open.

        Args:
            name: What to call it.
            shown: Whether there is a terminal to draw on.
            spoken: Whether to write a line now and then instead.
        """
        self._spoken = spoken
        self._name = name
        self._shown = shown
        self._bar: tqdm[Any] | None = None
        self._total: int | None = None
        self._frames = 0
        self._said_ns = time.monotonic_ns()
        self._is_picture = False

    def start(self, info: SourceInfo) -> None:
        """Takes the number of frames to expect; a picture has a bar for its tiles alone."""
        self._total = info.frames
        self._is_picture = info.kind == "picture"
        if self._shown and not self._is_picture:
            self._bar = self._new_bar(info.frames, "frame")

    def step(self, _frame: SafeFrame | None = None) -> None:
        """One frame more."""
        self._frames += 1
        if self._is_picture:
            return
        if self._bar is not None:
            self._bar.update()
        else:
            self._beat("")

    def tiles(self, done: int, of: int) -> None:
        """So many tiles of the frame at hand are enlarged."""
        if not self._shown:
            self._beat(f", tile {done} of {of}")
        elif self._is_picture:
            if self._bar is None:
                self._bar = self._new_bar(of, "tile")
            if of != self._bar.total or done < self._bar.n:
                self._bar.reset(of)  # the next page
            self._bar.update(done - self._bar.n)

    def _new_bar(self, total: int | None, unit: str) -> tqdm[Any]:
        return tqdm(total=total, desc=self._name, unit=unit, leave=False, file=sys.stderr)

    def _beat(self, more: str) -> None:
        """A line now and then."""
        if self._spoken and time.monotonic_ns() - self._said_ns > _HEARTBEAT_NS:
            self._said_ns = time.monotonic_ns()
            at = self._frames + (1 if more else 0)
            of = f" of {self._total}" if self._total else ""
            sys.stderr.write(f"faceguard: {self._name}: frame {at}{of}{more}\n")

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.close()


class Progress(Closing):
    """The bars of a run: one for its files, where there are several, and one for each at hand."""

    def __init__(self, files: int, *, quiet: bool) -> None:
        """Makes the outer bar.

        Args:
            files: How many files there are.
            quiet: Nothing at all. Without it, where stderr is no terminal, long files get a line
                every quarter of a minute instead of bars.
        """
        self._spoken = not quiet
        self._shown = not quiet and sys.stderr.isatty()
        self._files: tqdm[Any] | None = None
        if self._shown and files > 1:
            self._files = tqdm(total=files, desc="files", unit="file", file=sys.stderr)

    @contextmanager
    def preparing(self, what: str) -> Iterator[Callable[[str], None]]:
        """Tells the time before the first file from the work itself.

        Args:
            what: What is made ready.

        Yields:
            What takes a line on each step of it.
        """

        def say(line: str) -> None:
            if self._spoken:
                self.say(f"faceguard: preparing: {line}")

        begun_ns = time.monotonic_ns()
        say(what)
        yield say
        if self._spoken:
            seconds = (time.monotonic_ns() - begun_ns) / 1e9
            self.say(f"faceguard: ready after {seconds:.1f} s; working")

    @contextmanager
    def file(self, path: Path) -> Iterator[FileBar]:
        """The bar of one file, for as long as it is at hand."""
        bar = FileBar(path.name[-_NAME_LENGTH:], shown=self._shown, spoken=self._spoken)
        try:
            yield bar
        finally:
            bar.close()
            if self._files is not None:
                self._files.update()

    def say(self, line: str) -> None:
        """Writes a line to stderr without tearing the bars."""
        with tqdm.external_write_mode(file=sys.stderr):
            sys.stderr.write(line + "\n")

    def close(self) -> None:
        """Takes the outer bar away."""
        if self._files is not None:
            self._files.close()
