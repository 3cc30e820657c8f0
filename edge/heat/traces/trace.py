"""The trace of a running camera: what was felt and decided, a row a second, for `thermal replay`.

The daemon's main thread gives rows and never waits for the disk; a thread writes them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from faceguard.edge.atomic import one_line
from faceguard.edge.heat.traces.mind import Mind
from faceguard.edge.heat.traces.trace_file import TraceFile
from faceguard.edge.heat.traces.trace_format import Row
from faceguard.edge.service.telling import told
from faceguard.edge.slot import Closed, Slot
from faceguard.engines.closing import Closing

_CAPACITY = 30
_AGAIN_S = 60.0
_LET_GO_S = 1.0


class Trace(Closing):
    """Writes rows as long as that works; where it does not, it rests for a minute."""

    def __init__(
        self, path: Path, keep_mb: float, *, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        """Sets up; `start` lets it work.

        Args:
            path: The file. What is there stays, and a new section follows it.
            keep_mb: Megabytes beyond which it is put aside as FILE.1; so up to twice that is kept.
            clock_s: Monotonic seconds; for tests.
        """
        self._shown = one_line(path)
        self._file = TraceFile(path, keep_mb)
        self._clock_s = clock_s
        self._slot: Slot[tuple[Mind, Row, Mind]] = Slot(_CAPACITY)
        self._thread = threading.Thread(target=self._work, name="trace", daemon=True)
        self._again_s: float | None = None
        self._trouble: str | None = None
        self._is_told = False

    @property
    def trouble(self) -> str | None:
        """Why nothing is written, in one line; None while all is well."""
        return self._trouble

    def start(self) -> None:
        """Lets the thread begin."""
        self._thread.start()

    def add(self, before: Mind, row: Row, after: Mind) -> str | None:
        """Gives a row; never waits and never raises. Rows that find no room are left out.

        Args:
            before: What the decision stood on.
            row: What was felt and decided.
            after: What the next decision will stand on. Where the next `before` is another, a new
                section begins, so that the trace stays true.

        Returns:
            Why nothing is written, the first time after it began to fail; None otherwise.
        """
        try:
            if self._slot.offer((before, row, after)) is not None and self._trouble is None:
                self._trouble = f"{self._shown}: the disk takes too long, and rows are left out"
        except Closed:
            return None
        trouble = self._trouble
        if trouble is None or self._is_told:
            self._is_told = trouble is not None
            return None
        self._is_told = True
        return trouble

    def close(self) -> None:
        """Ends it, waiting a second at most; a write that hangs dies with the process."""
        self._slot.close()
        if self._thread.ident is not None:
            self._thread.join(_LET_GO_S)

    def _work(self) -> None:
        for before, row, after in self._slot:
            if self._again_s is not None and self._clock_s() < self._again_s:
                continue
            try:
                self._file.add(before, row, after)
            except Exception as error:  # noqa: BLE001 - whatever it is, the camera goes on
                self._again_s = self._clock_s() + _AGAIN_S
                self._trouble = (
                    f"no trace is written: {told(error)}; trying again every {_AGAIN_S:g} s"
                )
            else:
                self._again_s = self._trouble = None
        self._file.close()
