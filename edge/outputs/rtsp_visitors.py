"""Who is connected to the RTSP server; runs in the server's own process."""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
from dataclasses import dataclass, field
from typing import Any

_SILENT_S = 20.0
_STUCK_S = 5.0
# Bytes acknowledged by the other side, in Linux's struct tcp_info.
_ACKED_AT = 120


@dataclass
class Visitor:
    """One connection.

    Attributes:
        client: GStreamer's object for it.
        since_s: When it came, or stopped playing; monotonic.
        playing: Whether it gets pictures.
        sessions: What it has set up.
        acked: Bytes that it had taken when we last looked.
        acked_s: When that last changed.
    """

    client: Any
    since_s: float
    playing: bool = False
    sessions: list[Any] = field(default_factory=list)
    acked: int = -1
    acked_s: float = 0.0

    def is_idle(self, now_s: float) -> bool:
        """Whether it has had a place for a while without watching."""
        return not self.playing and now_s - self.since_s > _SILENT_S

    def is_stuck(self, now_s: float) -> bool:
        """Whether bytes wait for a client that has taken none for a while."""
        connection = self.client.get_connection()
        end = connection.get_write_socket() if connection is not None else None
        if end is None or end.is_closed():
            return False
        progress = _progress(end.get_fd())
        if progress is None:
            return False
        waiting, acked = progress
        if not waiting or acked != self.acked:
            self.acked, self.acked_s = acked, now_s
        return now_s - self.acked_s > _STUCK_S


def _progress(fd: int) -> tuple[int, int] | None:
    """Bytes that wait to be taken by the other side of a connection, and that it took so far."""
    try:
        waiting = struct.unpack("i", fcntl.ioctl(fd, termios.TIOCOUTQ, b"\0" * 4))[0]
        end = socket.socket(fileno=fd)
        try:
            info = end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        finally:
            end.detach()
        return waiting, struct.unpack_from("Q", info, _ACKED_AT)[0]
    except (OSError, struct.error):
        return None
