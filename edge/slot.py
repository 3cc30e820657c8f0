"""Hand-over between rooms: a short queue with an end, through which errors travel too."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):
    """The other side has gone; stop."""


class Slot(Generic[T]):
    """A bounded queue between two threads.

    Whoever gives chooses what happens when it is full: `put` waits, since a file may take its
    time; `offer` drops what has waited longest, since a camera does not wait.

    Either side may close it. The taker then gets what is left and the end, or the giver's error;
    the giver gets `Closed` at its next `put`.
    """

    def __init__(self, capacity: int) -> None:
        """Makes an empty slot for this many things."""
        self._capacity = capacity
        self._things: deque[T] = deque()
        self._change = threading.Condition()
        self._closed = False
        self._error: BaseException | None = None

    def __len__(self) -> int:
        """Things that wait to be taken."""
        return len(self._things)

    def put(self, thing: T) -> None:
        """Gives one thing, waiting for room.

        Raises:
            Closed: Nobody takes any more.
        """
        with self._change:
            self._change.wait_for(lambda: self._closed or len(self._things) < self._capacity)
            if self._closed:
                raise Closed
            self._things.append(thing)
            self._change.notify_all()

    def offer(self, thing: T) -> T | None:
        """Gives one thing without ever waiting.

        Returns:
            What had to make room for it, the oldest; None where there was room.

        Raises:
            Closed: Nobody takes any more.
        """
        with self._change:
            if self._closed:
                raise Closed
            dropped = self._things.popleft() if len(self._things) >= self._capacity else None
            self._things.append(thing)
            self._change.notify_all()
            return dropped

    def take(self, timeout_s: float | None = None) -> T | None:
        """Takes the oldest thing.

        Args:
            timeout_s: How long to wait for one; None waits for as long as it takes.

        Returns:
            The thing, or None where none came in time.

        Raises:
            Closed: The end; everything was taken.
            BaseException: Whatever the giver closed with.
        """
        with self._change:
            self._change.wait_for(lambda: self._closed or bool(self._things), timeout_s)
            if self._things:
                thing = self._things.popleft()
                self._change.notify_all()
                return thing
            if not self._closed:
                return None
            if self._error is not None:
                raise self._error
            raise Closed

    def close(self, error: BaseException | None = None) -> None:
        """Ends the hand-over; the taker sees the error, if there is one, after what is left."""
        with self._change:
            if not self._closed:
                self._closed, self._error = True, error
            self._change.notify_all()

    def abandon(self) -> None:
        """The taker's way to leave: what is left is dropped."""
        with self._change:
            self._closed = True
            self._things.clear()
            self._change.notify_all()

    def __iter__(self) -> Iterator[T]:
        """Takes things until the end.

        Raises:
            BaseException: Whatever the giver closed with.
        """
        while True:
            try:
                thing = self.take()
            except Closed:
                return
            if thing is not None:
                yield thing
            del thing  # or it would be held while we wait for the next
