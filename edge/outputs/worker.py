"""What all outputs share: a room of their own, so that none can hold up or take down another.

Whatever goes wrong in an output stays there: it is counted, said once, and after a pause that
grows the output is opened anew. Until then what it is offered is dropped. Only when it has worked
for a minute does the pause shrink again, and is the next failure said at once: many a thing that
is offered gives an output nothing to do, and going well with that proves nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from faceguard.edge.meters import Meters
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.service.telling import told
from faceguard.edge.slot import Closed, Slot
from faceguard.engines.closing import Closing

T = TypeVar("T")
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_TICK_S = 0.5
# An output that worked for so long starts with a clean slate.
_LASTED_S = 60.0
_log = logging.getLogger(__name__)


class Worker(ABC, Closing, Generic[T]):
    """An output with a thread and a short queue.

    The thread calls `open_up` before the first thing and after each failure, `take` for each
    thing, `tick` about twice a second, and `shut` at the end and before opening anew. None of them
    is ever called from another thread, nor two at a time.
    """

    def __init__(
        self, name: str, meters: Meters, quiet: Quiet, *, capacity: int = 4, wait: bool = False
    ) -> None:
        """Sets up; `start` lets it work.

        Args:
            name: Of the output, for figures and logs: "rtsp", "recordings".
            meters: Where failures and drops are counted.
            quiet: Who logs.
            capacity: How many things may wait.
            wait: Whether `offer` waits for room instead of dropping the oldest: for files, which
                can wait, and of which nothing may be lost.
        """
        self.name = name
        self.meters = meters
        self.quiet = quiet
        self._wait = wait
        self._slot: Slot[T] = Slot(capacity)
        self._capacity = capacity
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._is_open = False
        self._opened_s = 0.0
        self._entered_s: float | None = None
        self._pause_s = _FIRST_PAUSE_S
        self._not_before_s = 0.0
        meters.output_up.labels(name).set(0)
        meters.output_stuck_s.labels(name).set_function(lambda: self.stuck_s)

    @property
    def holds(self) -> int:
        """The most things that it can hold at a time: what waits and what is worked on."""
        return self._capacity + 1

    @property
    def stuck_s(self) -> float:
        """For how many seconds `open_up`, `take`, `tick` or `shut` has not come back.

        0.0 while the thread is in none of them; ask from any thread. What is slow by nature shows
        too: an encoder that waits for a recorder of files, a server that takes half a minute to
        come up.
        """
        entered_s = self._entered_s
        return 0.0 if entered_s is None else max(0.0, time.monotonic() - entered_s)

    @property
    def is_open(self) -> bool:
        """Whether it was opened and has not failed since; one that hangs may be open as well."""
        return self._is_open

    def start(self) -> None:
        """Lets the thread begin."""
        self._thread.start()

    def offer(self, thing: T) -> None:
        """Gives the output something; never waits, unless it was made to, and never raises."""
        try:
            if self._wait:
                self._slot.put(thing)
            elif self._slot.offer(thing) is not None:
                self.meters.output_dropped.labels(self.name).inc()
        except Closed:
            pass

    def finish(self) -> None:
        """No more will come; the thread does what waits and ends. Does not wait for it."""
        self._slot.close()

    def join(self, timeout_s: float) -> bool:
        """Waits for the thread to end.

        Returns:
            Whether it did. One that hangs in a write is left behind, and dies with the process.
        """
        if self._thread.ident is not None:
            self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()

    def close(self) -> None:
        """Ends it, waiting a second at most."""
        self.finish()
        self.join(1.0)

    def open_up(self) -> None:
        """Gets ready; raises where that cannot be done now.

        Raises:
            FaceguardError: Why not, in one line.
            OSError: Likewise.
        """

    @abstractmethod
    def take(self, thing: T) -> None:
        """Handles one thing.

        Raises:
            Exception: Anything; the output is shut and opened anew after a pause.
        """

    def tick(self) -> None:
        """Called about twice a second while it is open, whether things come or not."""

    def shut(self, *, broken: bool) -> None:
        """Lets go of what `open_up` and `take` hold.

        Args:
            broken: After a failure, else at the end.
        """

    def _work(self) -> None:
        next_tick_s = time.monotonic() + _TICK_S
        while True:
            try:
                thing = self._slot.take(max(0.0, next_tick_s - time.monotonic()))
            except Closed:
                break
            if thing is not None:
                self._guarded_take(thing)
            del thing  # or its memory would be held while we wait for the next
            if time.monotonic() >= next_tick_s:
                next_tick_s = time.monotonic() + _TICK_S
                self._guarded_tick()
        self._shut(broken=False)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Notes since when the thread has been in the output's own code."""
        self._entered_s = time.monotonic()
        try:
            yield
        finally:
            self._entered_s = None

    def _guarded_take(self, thing: T) -> None:
        if not self._ready():
            self.meters.output_dropped.labels(self.name).inc()
            return
        try:
            with self._at_work():
                self.take(thing)
        except Exception as error:  # noqa: BLE001 - nothing in here may reach another room
            self._failed(error)
            self.meters.output_dropped.labels(self.name).inc()
            return
        lasted = time.monotonic() - self._opened_s >= _LASTED_S
        if lasted and self._pause_s != _FIRST_PAUSE_S:
            self._pause_s = _FIRST_PAUSE_S
            self.quiet.over(f"output {self.name}")

    def _guarded_tick(self) -> None:
        if not self._ready():
            return
        try:
            with self._at_work():
                self.tick()
        except Exception as error:  # noqa: BLE001 - likewise
            self._failed(error)

    def _ready(self) -> bool:
        """Whether it is open, or could be opened now."""
        if self._is_open:
            return True
        if time.monotonic() < self._not_before_s:
            return False
        try:
            with self._at_work():
                self.open_up()
        except Exception as error:  # noqa: BLE001 - likewise
            self._failed(error)
            return False
        self._is_open = True
        self._opened_s = time.monotonic()
        self.meters.output_up.labels(self.name).set(1)
        return True

    def _failed(self, error: Exception) -> None:
        self.meters.output_failures.labels(self.name).inc()
        self._shut(broken=True)
        self._not_before_s = time.monotonic() + self._pause_s
        self.quiet.say(
            _log,
            logging.ERROR,
            f"output {self.name}",
            f"{self.name}: {told(error)}; trying again in {self._pause_s:g} s",
        )
        self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)

    def _shut(self, *, broken: bool) -> None:
        self._is_open = False
        self.meters.output_up.labels(self.name).set(0)
        try:
            with self._at_work():
                self.shut(broken=broken)
        except Exception as error:  # noqa: BLE001 - likewise
            self.meters.output_failures.labels(self.name).inc()
            self.quiet.say(
                _log, logging.ERROR, f"shut {self.name}", f"{self.name}: closing: {told(error)}"
            )
