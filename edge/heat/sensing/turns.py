"""Has short jobs done in threads that it can do without; one that hangs keeps its thread."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")

# A wait is many short ones, so that a machine that halts for a second takes one of them and not
# the whole limit of a job.
_SLICES = 10


class Turns:
    """Does jobs; one that does not come back is left out until it does."""

    def __init__(self, name: str, end: threading.Event) -> None:
        """Does nothing yet.

        Args:
            name: Of the threads, for people.
            end: When it is set, nobody waits any more.
        """
        self._name = name
        self._end = end
        self._hanging: dict[str, threading.Thread] = {}
        self.failed: dict[str, str] = {}
        """Of the last `go`, by keys: "failed (LookupError)" where a job raised."""

    @property
    def hanging(self) -> frozenset[str]:
        """The keys of the jobs that have not come back; one thread each."""
        return frozenset(key for key, thread in self._hanging.items() if thread.is_alive())

    def go(
        self, jobs: Mapping[str, Callable[[], T]], limit_s: float, *, at_once: bool = False
    ) -> dict[str, T]:
        """Does jobs, one after the other until one of them hangs, then all others at once.

        Args:
            jobs: By keys; those that still hang from before are left out.
            limit_s: A job that takes longer hangs. All of it takes twice as long at most, with
                some tenths.
            at_once: Each gets a thread of its own from the beginning.

        Returns:
            What the jobs returned that came back in time. It lacks those that hang or failed, and
            all that did not begin since `end` was set or the system gave no thread.
        """
        self._hanging = {key: self._hanging[key] for key in self.hanging}
        todo = {key: job for key, job in jobs.items() if key not in self._hanging}
        turns: list[_Turn[T]] = []
        if not at_once and todo:
            turns.append(_Turn(self._name, todo))
            turns[0].begin()
            self._wait(turns, limit_s)
            todo = turns[0].take_rest()
        if todo and not self._end.is_set():
            alone = [_Turn(self._name, {key: job}) for key, job in todo.items()]
            for turn in alone:
                turn.begin()
            self._wait(alone, limit_s)
            turns += alone
        done: dict[str, T] = {}
        failed: dict[str, str] = {}
        for turn in turns:
            if turn.ended.is_set() and turn.thread.ident is not None:
                turn.thread.join()
            results = dict(turn.done)
            done.update(results)
            failed.update(dict(turn.failed))
            for key in turn.keys - results.keys() - failed.keys():
                self._hanging[key] = turn.thread
        self.failed = failed
        return done

    def let_go(self, limit_s: float) -> None:
        """Waits for threads that are about to end, since `end` came in their midst."""
        until_s = time.monotonic() + limit_s
        for thread in list(self._hanging.values()):
            if thread.ident is not None:
                thread.join(max(0.0, until_s - time.monotonic()))

    def _wait(self, turns: list[_Turn[T]], limit_s: float) -> None:
        """Until all have ended, or none of them got further for so long."""
        progress, left = -1, _SLICES
        for turn in turns:
            while left and not self._end.is_set() and not turn.ended.wait(limit_s / _SLICES):
                now = sum(len(each.done) + len(each.failed) for each in turns)
                left = left - 1 if now == progress or len(turns) > 1 else _SLICES
                progress = now


def failed_as(error: Exception) -> str:
    """The reason of what should not have happened; its words may be anything, and stay out."""
    return f"failed ({type(error).__name__})"


class _Turn(Generic[T]):
    """One thread and what it has to do."""

    def __init__(self, name: str, jobs: Mapping[str, Callable[[], T]]) -> None:
        self.keys = set(jobs)
        self.done: dict[str, T] = {}
        self.failed: dict[str, str] = {}
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._jobs = deque(jobs.items())

    def begin(self) -> None:
        """Starts; where the system gives no thread, the turn ends with nothing done."""
        try:
            self.thread.start()
        except RuntimeError:
            self._jobs.clear()
            self.ended.set()

    def take_rest(self) -> dict[str, Callable[[], T]]:
        """Takes away what has not begun; each job is either here or there."""
        rest: dict[str, Callable[[], T]] = {}
        while (next_one := self._next()) is not None:
            rest[next_one[0]] = next_one[1]
        self.keys -= rest.keys()
        return rest

    def _work(self) -> None:
        try:
            while (next_one := self._next()) is not None:
                key, job = next_one
                try:
                    self.done[key] = job()
                except Exception as error:  # noqa: BLE001 - one job's fault ends no other
                    self.failed[key] = failed_as(error)
        finally:
            self.ended.set()

    def _next(self) -> tuple[str, Callable[[], T]] | None:
        # Two threads take from here; to look first and take then would not be safe.
        try:
            return self._jobs.popleft()
        except IndexError:
            return None
