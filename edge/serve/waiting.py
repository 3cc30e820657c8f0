"""The queue before the worker: bounded, in order, and left by those who give up."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from faceguard.edge.serve.job import Job
from faceguard.edge.serve.refusal import Busy, Stopping


class Waiting:
    """Jobs that nobody works on yet; safe from any thread."""

    def __init__(self, most: int) -> None:
        """Starts empty.

        Args:
            most: How many may wait.
        """
        self.most = most
        self._jobs: deque[Job] = deque()
        self._change = threading.Condition()
        self._is_closed = False

    def __len__(self) -> int:
        """How many wait."""
        return len(self._jobs)

    @property
    def is_full(self) -> bool:
        """Whether one more would be refused."""
        return len(self._jobs) >= self.most

    @property
    def is_closed(self) -> bool:
        """Whether the end has begun."""
        return self._is_closed

    def jobs(self) -> list[Job]:
        """Those that wait, in order."""
        with self._change:
            return list(self._jobs)

    def put(self, job: Job) -> None:
        """Lets a job wait.

        Raises:
            Busy: Too many do.
            Stopping: The end has begun.
        """
        with self._change:
            if self._is_closed:
                raise Stopping
            if self.is_full:
                raise Busy(f"{self.most} pictures wait already; try again later")
            self._jobs.append(job)
            self._change.notify_all()

    def drop(self, job: Job) -> None:
        """Takes out a job that was given up, where it still waits."""
        with self._change:
            if job not in self._jobs:
                return
            self._jobs.remove(job)
        # Tells whoever waits for the answer, and gives its room back.
        job.begin()

    def take(self) -> Job | None:
        """The first in line, as soon as there is one; None from the end on."""
        with self._change:
            self._change.wait_for(lambda: self._jobs or self._is_closed)
            return None if self._is_closed else self._jobs.popleft()

    def more(self, fits: Callable[[Job], bool], most: int, within_s: float) -> list[Job]:
        """Others that can be done together with the one in hand.

        Args:
            fits: Whether a job can; asked in order, and what it says yes to is taken.
            most: How many at most.
            within_s: How long to wait for them.
        """
        until_s = time.monotonic() + within_s
        found: list[Job] = []
        with self._change:
            while not self._is_closed:
                for job in list(self._jobs):
                    if len(found) < most and fits(job):
                        self._jobs.remove(job)
                        found.append(job)
                left_s = until_s - time.monotonic()
                if len(found) >= most or left_s <= 0:
                    break
                self._change.wait(left_s)
        return found

    def close(self) -> None:
        """Refuses all that wait, and all that come."""
        with self._change:
            left, self._is_closed = list(self._jobs), True
            self._jobs.clear()
            self._change.notify_all()
        for job in left:
            if job.begin():
                job.fail(Stopping())
