"""What passes between the two processes: one JSON object a line, over a pipe of its own."""

from __future__ import annotations

import json
import os
import threading
from typing import Any

from faceguard.engines import errors
from faceguard.engines.errors import BuildFailed, FaceguardError

STOP = b"stop\n"
"""What the parent writes into the child's standard input to end its work."""

Message = dict[str, Any]


class Sender:
    """The child's end; any thread may send."""

    def __init__(self, handle: int) -> None:
        """Takes the pipe's writing end."""
        self._handle = handle
        self._lock = threading.Lock()

    def send(self, kind: str, **values: object) -> None:
        """Sends one message. Where nobody listens any more the process ends here."""
        line = json.dumps({"kind": kind, **values}).encode() + b"\n"
        with self._lock:
            try:
                write_all(self._handle, line)
            except BrokenPipeError:
                # Within a callback of a library no exception gets out; there is nobody to tell.
                os._exit(1)

    def send_error(self, error: FaceguardError) -> None:
        """Sends what the parent is to raise; `as_error` makes it out there."""
        self.send("failed", error=type(error).__name__, text=str(error))


class Receiver:
    """The parent's end: bytes in, messages out."""

    def __init__(self) -> None:
        """Begins with nothing."""
        self._rest = b""

    def feed(self, data: bytes) -> list[Message]:
        """The messages that these bytes complete; a line that was cut off never comes out."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines]


def as_error(message: Message) -> FaceguardError:
    """The error that `Sender.send_error` sent: the same class, the same text."""
    kind = getattr(errors, message["error"], BuildFailed)
    error: FaceguardError = kind(message["text"])
    return error


def write_all(handle: int, data: bytes | memoryview) -> None:
    """Writes all of it, as it lies in memory.

    Raises:
        OSError: From the system.
    """
    view = memoryview(data).cast("B")
    while view:
        view = view[os.write(handle, view) :]


def one_line(text: str, limit: int = 300) -> str:
    """Any text as a line that can be shown: control characters gone, not longer than the limit."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return plain if len(plain) <= limit else plain[: limit - 3] + "..."
