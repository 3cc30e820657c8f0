"""How the camera and its RTSP server talk: short messages over a pair of connected sockets.

Only the standard library may be imported here, since the server runs under an interpreter that
has GStreamer but may not have faceguard.
"""

from __future__ import annotations

import socket
import struct
from collections import deque

_HEAD = struct.Struct("!cI")
_READ_BYTES = 1 << 18
# A message beyond this is no message: the other side is not what it should be.
_LONGEST_BYTES = 64 << 20

# From the camera to the server.
SETTINGS = b"C"
"""JSON: host, port, name, user, password, most_clients."""
PACKET = b"K"
"""`PACKET_HEAD`, then the encoded picture in Annex B; keyframes carry their parameter sets."""
RENEW = b"N"
"""What follows has another size: everybody has to come again."""
PING = b"?"

# From the server to the camera.
READY = b"R"
"""`PORT`: it listens."""
STATE = b"S"
"""`STATE_BODY`: whether anybody watches, how many, and whether a keyframe is wanted."""
FAILED = b"E"
"""UTF-8: one of the words below, and details behind a space."""
PONG = b"!"

PACKET_HEAD = struct.Struct("!q?")
"""Presentation time in nanoseconds; whether it is a keyframe."""
PORT = struct.Struct("!H")
STATE_BODY = struct.Struct("!?H?")

TAKEN = "taken"
"""Somebody else has the port."""
FORBIDDEN = "forbidden"
"""The port needs rights that we do not have."""
NOT_OURS = "not-ours"
"""The host is no address of this machine."""
LACKING = "lacking"
"""A part of GStreamer is not installed; which one follows."""
BROKEN = "broken"
"""Anything else; in words."""


class Ended(Exception):
    """The other side has closed, or does not speak as it should."""


class Wire:
    """One end. Nothing here ever waits: what cannot be sent now is kept, what has come is given.

    Not for more than one thread.
    """

    def __init__(self, end: socket.socket) -> None:
        """Takes the socket over."""
        end.setblocking(False)
        self._end = end
        self._out: deque[memoryview] = deque()
        self._in = bytearray()
        self.waiting_bytes = 0

    def fileno(self) -> int:
        """For `poll`."""
        return self._end.fileno()

    def close(self) -> None:
        """Lets the socket go; the other side sees the end."""
        self._end.close()

    def send(self, kind: bytes, *parts: bytes) -> None:
        """Sends a message, or as much of it as goes now; `flush` sends the rest.

        Args:
            kind: One of this module's.
            parts: The body, in pieces so that none needs to be copied.

        Raises:
            Ended: Nobody is there any more.
        """
        head = _HEAD.pack(kind, sum(len(part) for part in parts))
        for piece in (head, *parts):
            if piece:
                self._out.append(memoryview(piece))
                self.waiting_bytes += len(piece)
        self.flush()

    def flush(self) -> None:
        """Sends what has waited, as far as it goes.

        Raises:
            Ended: Nobody is there any more.
        """
        while self._out:
            try:
                sent = self._end.sendmsg(list(self._out)[:8])
            except BlockingIOError:
                return
            except OSError as error:
                raise Ended from error
            self.waiting_bytes -= sent
            while sent:
                if sent < len(self._out[0]):
                    self._out[0] = self._out[0][sent:]
                    break
                sent -= len(self._out.popleft())

    def receive(self) -> list[tuple[bytes, bytes]]:
        """The messages that have come whole: kind and body.

        Raises:
            Ended: There are no more, and the other side has closed.
        """
        ended = False
        while not ended:
            try:
                data = self._end.recv(_READ_BYTES)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            self._in += data
            ended = not data
            if len(data) < _READ_BYTES:
                break
        messages = list(self._whole())
        if ended and not messages:
            raise Ended
        return messages

    def _whole(self) -> list[tuple[bytes, bytes]]:
        messages = []
        at = 0
        while len(self._in) - at >= _HEAD.size:
            kind, length = _HEAD.unpack_from(self._in, at)
            if length > _LONGEST_BYTES:
                raise Ended
            end = at + _HEAD.size + length
            if len(self._in) < end:
                break
            messages.append((kind, bytes(self._in[at + _HEAD.size : end])))
            at = end
        del self._in[:at]
        return messages
