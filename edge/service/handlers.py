"""Ways out for log lines; none of them raises, and none makes the camera wait."""

from __future__ import annotations

import errno
import logging
import os
import select
import socket
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from faceguard.edge.service.lines import Line, as_journal, line_of, own_line
from faceguard.edge.service.scrub import Scrubber

JOURNAL = Path("/run/systemd/journal/socket")
_MOST_WAITING = 1000
# The service has two seconds to end, and whoever reads may have stopped.
_FLUSH_S = 0.5
_END_S = 0.25
# A datagram that journald's socket takes in its usual setting; larger ones are cut.
_LARGEST = 64 * 1024


class _Out(logging.Handler):
    """What both have in common: cleaning, counting what was lost, and never raising."""

    def __init__(self, scrubber: Scrubber, *, traces: bool) -> None:
        super().__init__()
        self._scrubber = scrubber
        self._traces = traces
        self.lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Sends one record."""
        try:
            self.send(line_of(record, self._scrubber, traces=self._traces))
        except Exception:  # noqa: BLE001 - a log that fails must not take the camera down
            self.lost += 1

    def send(self, line: Line) -> None:
        """Sends one line."""
        raise NotImplementedError


class JournalHandler(_Out):
    """Speaks journald's own protocol, with fields.

    Not through libsystemd: its socket waits where journald hangs.
    """

    def __init__(
        self,
        scrubber: Scrubber,
        camera: str | None,
        *,
        traces: bool,
        journal: Path = JOURNAL,
    ) -> None:
        """Opens a socket.

        Args:
            scrubber: Takes out secrets.
            camera: Name of the camera, for the field CAMERA.
            traces: Whether tracebacks are told.
            journal: journald's socket.

        Raises:
            OSError: No socket can be had.
        """
        super().__init__(scrubber, traces=traces)
        self._camera = camera
        self._address = str(journal)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def send(self, line: Line) -> None:
        """Sends one datagram, cut to a size that gets through.

        Raises:
            OSError: journald is not there, or takes no more at the moment.
        """
        fields = as_journal(line, self._camera)
        longest = _LARGEST
        while not self._sent(_framed(fields, longest)) and longest >= 256:
            longest //= 4

    def close(self) -> None:
        """Lets the socket go."""
        self._socket.close()
        super().close()

    def _sent(self, data: bytes) -> bool:
        """Sends a datagram; False where it is too large."""
        try:
            # By address each time: journald may have been restarted since.
            self._socket.sendto(data, self._address)
        except OSError as error:
            if error.errno != errno.EMSGSIZE:
                raise
            return False
        return True


class StreamHandler(_Out):
    """Writes lines to a file descriptor from a thread of its own.

    Whoever reads may have stopped: then lines wait, and beyond a thousand are lost and counted.
    """

    def __init__(
        self, scrubber: Scrubber, form: Callable[[Line], bytes], *, traces: bool, fd: int = 2
    ) -> None:
        """Starts the thread.

        Args:
            scrubber: Takes out secrets.
            form: Makes bytes of a line.
            traces: Whether tracebacks are told.
            fd: Where to write; stays open.
        """
        super().__init__(scrubber, traces=traces)
        self._form = form
        self._fd = fd
        self._lines: deque[bytes] = deque()
        self._change = threading.Condition()
        self._writing = False
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="log", daemon=True)
        self._thread.start()

    def send(self, line: Line) -> None:
        """Puts one line in the queue."""
        ready = self._form(line)
        with self._change:
            if self._ended or len(self._lines) >= _MOST_WAITING:
                self.lost += 1
                return
            self._lines.append(ready)
            self._change.notify_all()

    @property
    def waiting(self) -> int:
        """Lines that are not yet written."""
        with self._change:
            return len(self._lines) + self._writing

    def flush(self) -> None:
        """Waits until all is written, half a second at most."""
        with self._change:
            self._change.wait_for(lambda: not self._lines and not self._writing, _FLUSH_S)

    def close(self) -> None:
        """Writes what waits and ends the thread; one that hangs in a write is left behind."""
        with self._change:
            self._ended = True
            self._change.notify_all()
        self._thread.join(_END_S)
        super().close()

    def _work(self) -> None:
        told = 0
        while True:
            with self._change:
                self._writing = False
                self._change.notify_all()
                self._change.wait_for(lambda: self._lines or self._ended)
                if not self._lines:
                    return
                ready = self._lines.popleft()
                self._writing = True
                lost = self.lost
            if lost > told:
                note = own_line(logging.WARNING, f"{lost - told} log lines were lost")
                ready = self._form(note) + ready
                told = lost
            if not _write(self._fd, ready):
                with self._change:
                    self.lost += 1


def _write(fd: int, data: bytes) -> bool:
    """Writes all of it; False where that cannot be done."""
    while data:
        count = _write_some(fd, data)
        if count is None:
            return False
        data = data[count:]
    return True


def _write_some(fd: int, data: bytes) -> int | None:
    """How much could be written; None where nothing ever can."""
    try:
        return os.write(fd, data)
    except BlockingIOError:  # whoever shares the descriptor made it so
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        poll.poll()
        return 0
    except OSError:
        return None


def _framed(fields: list[tuple[str, bytes]], longest: int) -> bytes:
    """Fields as journald takes them; a value with a line break goes with its length before it."""
    parts = []
    for name, full in fields:
        value = full[:longest]
        if b"\n" in value:
            parts.append(name.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n")
        else:
            parts.append(name.encode() + b"=" + value + b"\n")
    return b"".join(parts)
