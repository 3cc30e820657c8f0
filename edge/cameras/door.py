"""One thread reads, another may close at any moment: whoever leaves last shuts the door."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from faceguard.engines.errors import CameraLost


class Door:
    """Keeps what a reader is using open until the reader has left.

    Decoders and containers of FFmpeg break when they are closed under a reader. So closing never
    waits and never touches what is in use: it marks the door, and the reader shuts it on its way
    out, which its own time limit brings about.
    """

    def __init__(self, shut: Callable[[], None]) -> None:
        """Stands open.

        Args:
            shut: Lets go of everything; called once, by the reader or the closer.
        """
        self._shut = shut
        self._lock = threading.Lock()
        self._inside = False
        self._is_shut = False
        self.closing = False

    def __enter__(self) -> None:
        """The reader comes in.

        Raises:
            CameraLost: It was closed.
        """
        with self._lock:
            if self.closing:
                raise CameraLost("the camera was closed by faceguard itself")
            self._inside = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """The reader leaves, and shuts what was closed meanwhile."""
        with self._lock:
            self._inside = False
        self._shut_if_last()

    def close(self) -> None:
        """Lets go as soon as nobody is inside; never waits."""
        self.closing = True
        self._shut_if_last()

    def _shut_if_last(self) -> None:
        with self._lock:
            if not self.closing or self._inside or self._is_shut:
                return
            self._is_shut = True
        self._shut()
