"""Where the newest JPEG hangs: the output's thread puts it up, the server's clients look at it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

_STILL_NEW_S = 1.0


@dataclass(frozen=True)
class Picture:
    """One redacted picture.

    Attributes:
        number: Grows from picture to picture.
        jpeg: The file.
        made_s: When it was made, monotonic seconds.
    """

    number: int
    jpeg: bytes
    made_s: float


class BoardClosed(Exception):
    """The server ends; there will be no more pictures."""


class Board:
    """Holds one picture, the newest, so that a slow client costs no memory.

    `put` and `is_wanted` are for the thread that makes pictures. All else belongs to the server's
    event loop.
    """

    def __init__(self, on_watchers: Callable[[int], None]) -> None:
        """Starts empty.

        Args:
            on_watchers: Called with how many watch, whenever that changes.
        """
        self._on_watchers = on_watchers
        self._loop: asyncio.AbstractEventLoop | None = None
        self._newest: Picture | None = None
        self._waiting: set[asyncio.Event] = set()
        self._is_waking = False
        self._is_closed = False
        self._asking = 0
        self.watchers = 0

    @property
    def is_wanted(self) -> bool:
        """Whether anyone looks; else no picture need be made."""
        return self.watchers > 0 or self._asking > 0

    def put(self, jpeg: bytes) -> None:
        """Puts up a new picture in place of the last."""
        number = self._newest.number + 1 if self._newest is not None else 1
        self._newest = Picture(number, jpeg, time.monotonic())
        # One call at a time, or they would pile up where the loop cannot follow.
        if self._loop is not None and not self._is_waking:
            self._is_waking = True
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._wake)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Names the loop that clients are served in."""
        self._loop = loop

    def close(self) -> None:
        """Ends all waiting."""
        self._is_closed = True
        self._wake()

    @contextmanager
    def watching(self) -> Iterator[int]:
        """Counts a watcher, and gives the number after which its first picture comes."""
        self.watchers += 1
        self._on_watchers(self.watchers)
        try:
            yield self._before_fresh()
        finally:
            self.watchers -= 1
            self._on_watchers(self.watchers)

    async def after(self, number: int) -> Picture:
        """The newest picture, once there is one with a higher number.

        Raises:
            BoardClosed: The server ends.
        """
        while not self._is_closed:
            newest = self._newest
            if newest is not None and newest.number > number:
                return newest
            news = asyncio.Event()
            self._waiting.add(news)
            try:
                await news.wait()
            finally:
                self._waiting.discard(news)
        raise BoardClosed

    async def ask(self, within_s: float) -> Picture | None:
        """One picture that is not old, or None where none came in time.

        Raises:
            BoardClosed: The server ends.
        """
        self._asking += 1
        try:
            return await asyncio.wait_for(self.after(self._before_fresh()), within_s)
        except asyncio.TimeoutError:
            return None
        finally:
            self._asking -= 1

    def _before_fresh(self) -> int:
        newest = self._newest
        if newest is None:
            return 0
        is_fresh = time.monotonic() - newest.made_s < _STILL_NEW_S
        return newest.number - 1 if is_fresh else newest.number

    def _wake(self) -> None:
        self._is_waking = False
        for news in self._waiting:
            news.set()
