"""Breaking the camera's own parts: the n-th call of a function fails, as if by itself.

Functions are wrapped where the rooms look them up; before and after the calls that are to fail they
do their work.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

import pytest

from faceguard.edge import lookahead, redact
from faceguard.edge.live import process
from faceguard.edge.live.presence import Presence
from faceguard.edge.live.slate import Slate
from faceguard.edge.outputs import snapshots
from faceguard.edge.outputs.h264 import H264
from faceguard.edge.outputs.segment import Segment
from faceguard.edge.pool import ImagePool, PoolEmpty
from faceguard.edge.sampling import ImageSampler
from faceguard.edge.style import Style
from faceguard.edge.tracking import Tracker
from faceguard.edge.types import Image

SEAMS: dict[str, tuple[Any, str]] = {
    "tracker takes in": (Tracker, "update"),
    "tracker tells": (Tracker, "sightings"),
    "mask": (lookahead, "mask_for"),
    "redact": (process, "redact"),
    "cover one mask": (redact, "_cover"),
    "paint": (Style, "paint"),
    "copy": (Image, "clone"),
    "take memory": (ImagePool, "take"),
    "make pool": (process, "ImagePool"),
    "detector's input": (ImageSampler, "sample_bgr"),
    "slate": (Slate, "make"),
    "presence": (Presence, "see"),
    "encode": (H264, "encode"),
    "jpeg": (snapshots, "as_jpeg"),
    "write segment": (Segment, "store"),
}
ERRORS: dict[str, Callable[[], Exception]] = {
    "runtime": lambda: RuntimeError("broken on purpose"),
    "memory": MemoryError,
    "pool": PoolEmpty,
    "value": lambda: ValueError("broken on purpose"),
    "disk": lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
}


class Breaker:
    """Makes calls of one function fail.

    Attributes:
        broken: How many calls failed.
        is_over: Whether all that were to fail did.
    """

    def __init__(
        self,
        patch: pytest.MonkeyPatch,
        seam: str,
        calls: Collection[int],
        error: Callable[[], Exception],
    ) -> None:
        """Wraps the function.

        Args:
            patch: Puts it back.
            seam: Name in `SEAMS`.
            calls: Which calls fail, from 1.
            error: What they raise.
        """
        place, name = SEAMS[seam]
        self.broken = 0
        self._calls = frozenset(calls)
        self._error = error
        self._count = 0
        self._lock = threading.Lock()
        original = getattr(place, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self._next()
            return original(*args, **kwargs)

        patch.setattr(place, name, wrapped)

    @property
    def is_over(self) -> bool:
        return self.broken == len(self._calls)

    def _next(self) -> None:
        with self._lock:
            self._count += 1
            fails = self._count in self._calls
            self.broken += fails
        if fails:
            raise self._error()


class Clocks:
    """The machine's clocks, which leap when told."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.ahead_ns = 0
        self.wall_ahead_s = 0.0
        steady_ns, wall_s = time.monotonic_ns, time.time
        self.wall_s = lambda: wall_s() + self.wall_ahead_s
        patch.setattr(time, "monotonic_ns", lambda: steady_ns() + self.ahead_ns)
        patch.setattr(time, "time", self.wall_s)
