"""How many bytes of pictures the service holds, so that many small waits are no large one.

Everything of a request counts from when it is read until its answer is on its way: what came, what
it was decoded to, what becomes of it. Nobody waits for room: what does not fit is refused.
"""

from __future__ import annotations

import threading

from faceguard.edge.serve.refusal import Busy, Refusal
from faceguard.engines.memory import free_memory, show_bytes

_LEAST, _MOST = 256 << 20, 2 << 30
_SHARE_OF_FREE = 4
_SHARE_OF_LIMIT = 2


def usual_limit(memory_limit_bytes: int | None) -> int:
    """How much may be held: half of what the user allows, or a quarter of what is free now.

    Args:
        memory_limit_bytes: What the user allows for all; the networks make do with what is left.
    """
    if memory_limit_bytes is not None:
        return memory_limit_bytes // _SHARE_OF_LIMIT
    return min(_MOST, max(_LEAST, free_memory().bytes // _SHARE_OF_FREE))


class Held:
    """The sum of all shares; safe from any thread."""

    def __init__(self, most_bytes: int) -> None:
        """Starts with nothing held.

        Args:
            most_bytes: The limit for all shares together.
        """
        self.most_bytes = most_bytes
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """What is held now."""
        return self._bytes

    def take(self, count: int) -> bool:
        """Takes so many bytes more, if there is room."""
        with self._lock:
            if self._bytes + count > self.most_bytes:
                return False
            self._bytes += count
            return True

    def give(self, count: int) -> None:
        """Gives bytes back."""
        with self._lock:
            self._bytes -= count


class Share:
    """What one request holds, until the last of those who work on it has let go."""

    def __init__(self, held: Held) -> None:
        """Starts empty, with one holder: whoever made it."""
        self._held = held
        self._bytes = 0
        self._holders = 1
        self._lock = threading.Lock()

    def grow(self, count: int) -> None:
        """Takes room for more.

        Raises:
            Busy: There is none now.
            Refusal: There never will be, even with nothing else to do.
        """
        most = self._held.most_bytes
        if self._bytes + count > most:
            needs = show_bytes(self._bytes + count)
            raise Refusal(
                413,
                f"this would take {needs}, and the service holds {show_bytes(most)} at most; "
                "send a smaller picture",
            )
        if not self._held.take(count):
            raise Busy("pictures that wait fill the service's memory; try again later")
        with self._lock:
            self._bytes += count

    def hold(self) -> None:
        """One more works on it."""
        with self._lock:
            self._holders += 1

    def drop(self) -> None:
        """One of them is done; the last gives the room back."""
        with self._lock:
            self._holders -= 1
            count, is_last = self._bytes, self._holders == 0
            if is_last:
                self._bytes = 0
        if is_last:
            self._held.give(count)
