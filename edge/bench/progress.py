"""How far a measurement is: a bar of tiles on a terminal, a line a row where there is none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from tqdm import tqdm

from faceguard.edge.bench.stopwatch import OnStep
from faceguard.edge.progress import Progress
from faceguard.engines.closing import Closing


class BenchProgress(Closing):
    """Tells on stderr what is made ready, and which row is at hand."""

    def __init__(self, rows: int, *, quiet: bool) -> None:
        """Nothing is shown yet.

        Args:
            rows: How many there will be.
            quiet: Nothing at all.
        """
        self._rows, self._begun = rows, 0
        self._quiet = quiet
        # Without files of its own; it tells preparing from working.
        self._told = Progress(0, quiet=quiet)

    def preparing(self, what: str) -> AbstractContextManager[Callable[[str], None]]:
        """See `Progress.preparing`."""
        return self._told.preparing(what)

    @contextmanager
    def row(self, name: str) -> Iterator[OnStep]:
        """One row.

        Args:
            name: What it is.

        Yields:
            What is told of its tiles.
        """
        self._begun += 1
        head = f"{name} ({self._begun} of {self._rows})"
        is_shown = not self._quiet and sys.stderr.isatty()
        if not is_shown and not self._quiet:
            self._told.say(f"faceguard: {head}")
        bar = tqdm(desc=head, unit="tile", leave=False, file=sys.stderr, disable=not is_shown)

        def watch(done: int, of: int) -> None:
            if bar.total != of or done < bar.n:
                bar.reset(of)  # the next run
            bar.update(done - bar.n)

        try:
            yield watch
        finally:
            bar.close()

    def close(self) -> None:
        """Takes everything away."""
        self._told.close()
