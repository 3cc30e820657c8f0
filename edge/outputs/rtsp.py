"""Live video for any player at rtsp://HOST:PORT/NAME.

The server is GStreamer's, in a process of its own (`rtsp_server`): a crash or a hang there costs
the viewers a moment and the camera nothing.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import deque
from collections.abc import Callable

from faceguard.edge.config.outputs import RtspOutput
from faceguard.edge.meters import Meters
from faceguard.edge.outputs import rtsp_wire as wire
from faceguard.edge.outputs.open_door import warn_if_open
from faceguard.edge.outputs.packet import SafePacket
from faceguard.edge.outputs.rtsp_child import PACKAGES, RtspChild, find_interpreter
from faceguard.edge.outputs.worker import Worker
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.service.scrub import SCRUBBER
from faceguard.engines.errors import FaceguardError, MissingPackage, OutputError

_log = logging.getLogger(__name__)
_START_S = 30.0
_STEP_S = 0.1
# Beats of the worker's tick, about half a second each, that the server may leave unanswered.
_MOST_UNANSWERED = 10
# A quarter of a second of the highest rate that an encoder may be set to is more than this; the
# server reads at once, so whatever waits at all is a sign that it hangs.
_BACKLOG_BYTES = 4 << 20
_SEND_WAIT_S = 0.02
# A viewer who comes wants two; the rest is for those who come and go to spoil the video.
_MOST_KEYFRAMES = 4
_KEYFRAMES_S = 2.0
_CAPACITY = 16
_NS = 1_000_000_000
_LINE_CHARS = 300
# Addresses of viewers: IPv4, and anything in IPv6's alphabet with two colons or more.
_NUMBERS = re.compile(r"\b\d{1,3}(\.\d{1,3}){3}\b|[0-9a-fA-F]*:[0-9a-fA-F]*:[0-9a-fA-F:.]*")


class RtspServer(Worker[SafePacket]):
    """Live video over RTSP; while nobody watches, packets are dropped before they cost anything."""

    def __init__(
        self,
        settings: RtspOutput,
        name: str,
        password: str | None,
        meters: Meters,
        quiet: Quiet,
        *,
        request_keyframe: Callable[[], None],
    ) -> None:
        """Sets up; `start` lets it serve.

        Args:
            settings: Where to listen, and who may come.
            name: Of the camera: the path in the address.
            password: What goes with `settings.user`.
            meters: Counts viewers (`output_clients`), drops and failures under "rtsp".
            quiet: Who logs.
            request_keyframe: Asks the encoder for a keyframe; called from the worker's thread, at
                most twice a second in the long run.
        """
        super().__init__("rtsp", meters, quiet, capacity=_CAPACITY)
        self._settings = settings
        self._path = name
        self._password = password
        self._request_keyframe = request_keyframe
        self._child: RtspChild | None = None
        self._stopping = threading.Event()
        self._port: int | None = None
        self._watched = False
        self._gap = True
        self._slow = False
        self._lost = False
        self._wants_keyframe = False
        self._asked_s: deque[float] = deque(maxlen=_MOST_KEYFRAMES)
        self._unanswered = 0
        self._size: tuple[int, int] | None = None
        meters.output_clients.labels(self.name).set(0)

    @property
    def port(self) -> int | None:
        """Where it listens, once it did; stays the same when the server has to be started anew."""
        return self._port

    @property
    def address(self) -> str | None:
        """What players open, once it listens; without user and password."""
        if self._port is None:
            return None
        host = self._settings.host
        return f"rtsp://{f'[{host}]' if ':' in host else host}:{self._port}/{self._path}"

    def offer(self, thing: SafePacket) -> None:
        """Gives it a packet; never waits and never raises."""
        if len(self._slot) >= self._capacity:
            # One is about to be lost, and those that follow are nothing without it.
            self._lost = True
        super().offer(thing)

    def finish(self) -> None:
        """No more will come; the thread ends soon."""
        self._stopping.set()
        super().finish()

    def open_up(self) -> None:
        """Starts the server and waits until it listens.

        Raises:
            MissingPackage: No Python here has GStreamer's RTSP server.
            OutputError: The port is taken, or the server does not come up.
        """
        interpreter = find_interpreter(self._stopping)
        if self._stopping.is_set():
            return
        if interpreter is None:
            raise MissingPackage(f"GStreamer's RTSP server is not installed: {PACKAGES}")
        self._watched, self._gap, self._unanswered, self._size = False, True, 0, None
        self._child = RtspChild(
            interpreter,
            {
                "host": self._settings.host,
                "port": self._port or self._settings.port,
                "name": self._path,
                "user": self._settings.user,
                "password": self._password,
                "most_clients": self._settings.most_clients,
            },
        )
        self._port = self._await_ready(self._child)
        warn_if_open("rtsp", self._settings, self.quiet)

    def take(self, thing: SafePacket) -> None:
        """Sends a packet on to the server, if anybody watches.

        Raises:
            OutputError: The server is gone.
        """
        child = self._child
        if child is None:
            return
        self._listen(child)
        if not self._watched:
            self._gap, self._lost, self._slow, self._size = True, False, False, None
            return
        if self._lost or child.waiting_bytes > _BACKLOG_BYTES:
            self._gap, self._lost, self._slow = True, False, True
        if self._gap and (not thing.keyframe or child.waiting_bytes > _BACKLOG_BYTES):
            self._wants_keyframe = True
            if self._slow:
                self.meters.output_dropped.labels(self.name).inc()
        else:
            self._gap = self._slow = False
            self._send(child, thing)
        self._ask_keyframe()

    def tick(self) -> None:
        """Looks after the server.

        Raises:
            OutputError: It is gone, or hangs.
        """
        child = self._child
        if child is None:
            return
        self._listen(child)
        self._hear_complaints(child)
        if self._unanswered == 0:
            child.send(wire.PING)
        self._unanswered += 1
        if self._unanswered > _MOST_UNANSWERED:
            raise OutputError("the RTSP server hangs and is started anew; viewers must come again")

    def shut(self, *, broken: bool) -> None:  # noqa: ARG002 - it ends the same way
        """Ends the server."""
        child, self._child = self._child, None
        self.meters.output_clients.labels(self.name).set(0)
        if child is not None:
            self._hear_complaints(child)
            child.close()

    def _await_ready(self, child: RtspChild) -> int | None:
        until_s = time.monotonic() + _START_S
        while time.monotonic() < until_s and not self._stopping.is_set():
            for kind, body in child.receive(_STEP_S):
                if kind == wire.READY:
                    return int(wire.PORT.unpack(body)[0])
                if kind == wire.FAILED:
                    raise self._why(body.decode())
        if self._stopping.is_set():
            return self._port
        raise OutputError(f"the RTSP server did not come up within {_START_S:g} s")

    def _why(self, told: str) -> FaceguardError:
        word, _, details = told.partition(" ")
        port = self._port or self._settings.port
        if word == wire.TAKEN:
            return OutputError(
                f"port {port} is taken by another program; stop that, or set outputs.rtsp.port"
            )
        if word == wire.FORBIDDEN:
            return OutputError(f"port {port} needs root's rights; set outputs.rtsp.port to 8554")
        if word == wire.NOT_OURS:
            return OutputError("outputs.rtsp.host is no address of this machine; try 0.0.0.0")
        if word == wire.LACKING:
            return MissingPackage(f"GStreamer has no {details}: {PACKAGES}")
        return OutputError(f"the RTSP server cannot listen ({details})")

    def _listen(self, child: RtspChild) -> None:
        for kind, body in child.receive():
            if kind == wire.PONG:
                self._unanswered = 0
            elif kind == wire.STATE:
                self._watched, clients, wants = wire.STATE_BODY.unpack(body)
                self._wants_keyframe |= wants
                self.meters.output_clients.labels(self.name).set(clients)

    def _send(self, child: RtspChild, packet: SafePacket) -> None:
        form = packet.format
        size = form.width, form.height
        if self._size not in (None, size):
            # Players could follow, but a recorder's file has one size.
            child.send(wire.RENEW)
            self._size, self._watched, self._gap = size, False, True
            return
        self._size = size
        pts_ns = int(packet.pts * form.time_base * _NS)
        child.send(
            wire.PACKET,
            wire.PACKET_HEAD.pack(pts_ns, packet.keyframe),
            form.extradata if packet.keyframe else b"",
            packet.data,
            wait_s=_SEND_WAIT_S,
        )

    def _ask_keyframe(self) -> None:
        """Asks for one, but not so often that viewers who come and go could spoil the video."""
        if not self._wants_keyframe:
            return
        now_s, asked_s = time.monotonic(), self._asked_s
        if len(asked_s) < _MOST_KEYFRAMES or now_s - asked_s[0] >= _KEYFRAMES_S:
            self._wants_keyframe = False
            asked_s.append(now_s)
            self._request_keyframe()

    def _hear_complaints(self, child: RtspChild) -> None:
        for line in child.said():
            told = _NUMBERS.sub("[address]", SCRUBBER.scrub(line))[:_LINE_CHARS]
            self.quiet.say(_log, logging.DEBUG, "rtsp server", f"RTSP server: {told}")
