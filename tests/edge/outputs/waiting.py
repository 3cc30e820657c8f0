"""Waiting for what a thread does, and counting what it leaves."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def until(
    true: Callable[[], T],
    *,
    within_s: float = 20.0,
    missing: type[BaseException] | tuple[type[BaseException], ...] = (),
) -> T:
    """Waits until something is true, and gives it; far longer than it should take."""
    end_s = time.monotonic() + within_s
    while True:
        try:
            value = true()
        except missing:
            value = None
        if value:
            return value
        assert time.monotonic() < end_s, "it did not come true in time"
        time.sleep(0.005)


def open_files() -> int:
    """How many file descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))
