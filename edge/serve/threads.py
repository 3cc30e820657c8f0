"""A few threads that decode and encode, whose end does not wait for one that hangs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

T = TypeVar("T")


class Threads:
    """Works off what it is given, in order; `submit` is for one thread."""

    def __init__(self, count: int) -> None:
        """Starts none yet.

        Args:
            count: How many there will be.
        """
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="serve picture")
        self._under_way: set[Future[Any]] = set()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Has something done as soon as a thread is free."""
        future = self._pool.submit(work)
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        return future

    def close(self, within_s: float) -> None:
        """Drops what was not begun, and ends; a thread that hangs is left behind.

        Args:
            within_s: How long what was begun may take.
        """
        self._pool.shutdown(wait=False, cancel_futures=True)
        _, hanging = wait(set(self._under_way), within_s)
        self._pool.shutdown(wait=not hanging)
