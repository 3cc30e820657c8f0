"""The RTSP server: a program of its own, so that nothing in it can take the camera down.

It is run as `python3 -I rtsp_server.py` by whichever interpreter has GStreamer, gets everything
over the socket that is its standard input, and ends when that closes. With `--probe` it only says
whether it could run. It imports nothing but the standard library, gi, and the modules of its own
beside it, which do likewise.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.util
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any


def _beside(name: str) -> Any:  # noqa: ANN401 - a module
    """A module of this folder, without letting all the others in."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None  # noqa: S101 - for mypy
    assert spec.loader is not None  # noqa: S101 - likewise
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if TYPE_CHECKING:
    from faceguard.edge.outputs import rtsp_feed as feeds
    from faceguard.edge.outputs import rtsp_visitors as visitors
    from faceguard.edge.outputs import rtsp_wire as wire
else:
    feeds, visitors, wire = map(_beside, ("rtsp_feed", "rtsp_visitors", "rtsp_wire"))

_ROLE = "viewer"
_UDP_PORTS = (6970, 7029)
_SESSION_S = 30
_SPARE_CONNECTIONS = 16
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4


def _gi(name: str, version: str = "1.0") -> Any:  # noqa: ANN401 - gi has no types
    importlib.import_module("gi").require_version(name, version)
    return importlib.import_module(f"gi.repository.{name}")


def lacking() -> str | None:
    """What is missing for a server to run here, or None."""
    name = "gi"
    try:
        for name in ("Gst", "GstRtsp", "GstRtspServer"):
            _gi(name)
    except (ImportError, ValueError):
        return name
    gst = _gi("Gst")
    gst.init(None)
    return next((name for name in feeds.ELEMENTS if gst.ElementFactory.find(name) is None), None)


class Server:
    """Everything that runs in this program."""

    def __init__(self, link: wire.Wire) -> None:
        """Sets up GStreamer; nothing listens yet.

        Args:
            link: To the camera.
        """
        self._link = link
        self._gst = _gi("Gst")
        self._glib = _gi("GLib", "2.0")
        self._gio = _gi("Gio", "2.0")
        self._rtsp = _gi("GstRtsp")
        self._api = _gi("GstRtspServer")
        self._gst.init(None)
        self._lock = threading.Lock()
        # More than one only while an old pipeline is taken down and a new one is there already.
        self._feeds: list[feeds.Feed] = []
        self._media: Any = None
        self._generation = 0
        self._visitors: dict[int, visitors.Visitor] = {}
        self._wants_keyframe = False
        self._settings: dict[str, Any] = {}
        self._server: Any = None
        self._pool: Any = None

    def run(self) -> None:
        """Serves until the camera goes."""
        glib = self._glib
        glib.io_add_watch(
            self._link.fileno(),
            glib.PRIORITY_DEFAULT,
            glib.IOCondition.IN | glib.IOCondition.HUP | glib.IOCondition.ERR,
            self._on_message,
        )
        glib.timeout_add_seconds(1, self._sweep)
        glib.MainLoop().run()

    def _on_message(self, *_: object) -> bool:
        try:
            for kind, body in self._link.receive():
                self._handle(kind, body)
        except wire.Ended:
            # GStreamer's threads have nothing to put in order.
            os._exit(0)
        return True

    def _handle(self, kind: bytes, body: bytes) -> None:
        if kind == wire.PACKET:
            pts_ns, keyframe = wire.PACKET_HEAD.unpack_from(body)
            data = body[wire.PACKET_HEAD.size :]
            with self._lock:
                all_of_them = tuple(self._feeds)
            for feed in all_of_them:
                if not feed.push(pts_ns, keyframe, data):
                    self._want_keyframe()
        elif kind == wire.PING:
            self._link.send(wire.PONG)
        elif kind == wire.RENEW:
            self._renew()
        elif kind == wire.SETTINGS:
            self._settings = json.loads(body)
            self._listen()

    # Setting up

    def _listen(self) -> None:
        settings = self._settings
        self._server = server = self._api.RTSPServer()
        server.set_address(settings["host"])
        server.set_service(str(settings["port"]))
        server.set_backlog(settings["most_clients"] + _SPARE_CONNECTIONS)
        # A thread for each, since one that waits for the first picture holds up its thread.
        threads = self._api.RTSPThreadPool.new()
        threads.set_max_threads(-1)
        server.set_thread_pool(threads)
        self._pool = self._api.RTSPSessionPool.new()
        self._pool.set_max_sessions(settings["most_clients"])
        server.set_session_pool(self._pool)
        if settings["user"] is not None:
            server.set_auth(self._auth())
        self._mount()
        server.connect("client-connected", self._on_client)
        try:
            source = server.create_source(None)
        except self._glib.Error as error:
            self._link.send(wire.FAILED, self._told(error).encode())
            return
        source.attach(None)
        self._link.send(wire.READY, wire.PORT.pack(server.get_bound_port()))

    def _told(self, error: Any) -> str:  # noqa: ANN401
        kinds, quark = self._gio.IOErrorEnum, self._gio.io_error_quark()
        if error.matches(quark, kinds.ADDRESS_IN_USE):
            return wire.TAKEN
        if error.matches(quark, kinds.PERMISSION_DENIED):
            return wire.FORBIDDEN
        if "assign" in error.message or error.matches(self._gio.resolver_error_quark(), 0):
            return wire.NOT_OURS
        return f"{wire.BROKEN} {error.domain} {error.code}"

    def _auth(self) -> Any:  # noqa: ANN401
        """Digest only: Basic would show the password to whoever listens."""
        auth = self._api.RTSPAuth.new()
        auth.set_supported_methods(self._rtsp.RTSPAuthMethod.DIGEST)
        auth.set_realm("faceguard")
        token = self._api.RTSPToken()
        token.set_string("media.factory.role", _ROLE)
        auth.add_digest(self._settings["user"], self._settings["password"], token)
        return auth

    def _mount(self) -> None:
        factory = self._factory()
        trans = self._rtsp.RTSPLowerTrans
        factory.set_launch(feeds.LAUNCH)
        factory.set_shared(True)
        factory.set_protocols(trans.TCP | trans.UDP)
        factory.set_latency(0)
        factory.connect("media-configure", self._on_media)
        if self._settings["user"] is not None:
            rights = self._api.RTSPPermissions()
            for right in ("media.factory.access", "media.factory.construct"):
                rights.add_permission_for_role(_ROLE, right, True)
            factory.set_permissions(rights)
        host = self._settings["host"]
        if host not in ("0.0.0.0", "::"):  # noqa: S104 - asks, does not bind
            # Or the sockets for UDP would be open to all while the server itself is not.
            addresses = self._api.RTSPAddressPool.new()
            number = self._number(host)
            addresses.add_range(number, number, *_UDP_PORTS, 0)
            factory.set_address_pool(addresses)
        self._server.get_mount_points().add_factory(f"/{self._settings['name']}", factory)

    @staticmethod
    def _number(host: str) -> str:
        """A host's address in digits; itself, where it has none."""
        with contextlib.suppress(OSError):
            return str(socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)[0][4][0])
        return host

    def _factory(self) -> Any:  # noqa: ANN401
        key = self._key

        class OneForAll(self._api.RTSPMediaFactory):  # type: ignore[misc, name-defined]
            """One pipeline for all, whatever else stands in a client's address."""

            def do_gen_key(self, url: object) -> str:  # noqa: ARG002
                return key()

        return OneForAll()

    # What GStreamer's threads call

    def _key(self) -> str:
        """What a pipeline is shared by: another, once the last is on its way out.

        Else whoever comes just when the last viewer goes would be refused.
        """
        media, states = self._media, self._api.RTSPMediaStatus
        going = (states.UNPREPARING, states.UNPREPARED, states.ERROR)
        if media is not None and media.get_status() in going:
            self._part_with(media)
        return f"live-{self._generation}"

    def _part_with(self, media: object) -> None:
        with self._lock:
            if self._media is media:
                self._media = None
                self._generation += 1

    def _on_media(self, _: object, media: Any) -> None:  # noqa: ANN401
        bin_ = media.get_element()
        feed = feeds.Feed(self._gst, bin_.get_by_name("feed"))
        bin_.get_parent().connect("deep-element-added", feeds.tame)
        media.connect("unprepared", self._on_unprepared, feed)
        with self._lock:
            self._media = media
            self._feeds.append(feed)
        self._want_keyframe()

    def _on_unprepared(self, media: object, feed: feeds.Feed) -> None:
        self._part_with(media)
        with self._lock:
            if feed in self._feeds:
                self._feeds.remove(feed)
        self._tell_soon()

    def _on_client(self, _: object, client: Any) -> None:  # noqa: ANN401
        with self._lock:
            full = len(self._visitors) >= self._settings["most_clients"] + _SPARE_CONNECTIONS
            self._visitors[id(client)] = visitors.Visitor(client, time.monotonic())
        client.connect("new-session", self._on_session)
        client.connect("play-request", self._on_play)
        client.connect("teardown-request", self._on_teardown)
        client.connect("closed", self._on_closed)
        if full:
            client.close()

    def _on_session(self, client: object, session: Any) -> None:  # noqa: ANN401
        session.set_timeout(_SESSION_S)
        with self._lock:
            visitor = self._visitors.get(id(client))
            if visitor is not None:
                visitor.sessions.append(session)
        self._tell_soon()

    def _on_play(self, client: object, _: object) -> None:
        self._mark(client, playing=True)
        self._want_keyframe()

    def _on_teardown(self, client: object, _: object) -> None:
        self._mark(client, playing=False)
        self._tell_soon()

    def _mark(self, client: object, *, playing: bool) -> None:
        with self._lock:
            visitor = self._visitors.get(id(client))
            if visitor is not None:
                visitor.since_s, visitor.playing = time.monotonic(), playing

    def _on_closed(self, client: object) -> None:
        with self._lock:
            visitor = self._visitors.pop(id(client), None)
        # A session over UDP would live on without its connection, and count.
        for session in visitor.sessions if visitor is not None else ():
            self._pool.remove(session)
        self._tell_soon()

    # What the main loop does now and then

    def _want_keyframe(self) -> None:
        self._wants_keyframe = True
        self._tell_soon()

    def _tell_soon(self) -> None:
        self._glib.idle_add(self._tell)

    def _tell(self) -> bool:
        wants, self._wants_keyframe = self._wants_keyframe, False
        sessions = min(0xFFFF, int(self._pool.get_n_sessions()))
        state = wire.STATE_BODY.pack(bool(self._feeds), sessions, wants)
        with contextlib.suppress(wire.Ended):  # the watch sees it, too
            self._link.send(wire.STATE, state)
        return False

    def _sweep(self) -> bool:
        """Ends sessions that timed out, and connections that do nothing or are stuck."""
        if self._pool is None:
            return True
        self._pool.cleanup()
        now_s = time.monotonic()
        with self._lock:
            all_of_them = list(self._visitors.values())
        for visitor in all_of_them:
            stuck = visitor.is_stuck(now_s)
            if stuck:
                # What waited for this one may have stopped its pipeline's way to all over TCP;
                # GStreamer only sees a while later that it may go on. Those who come do not wait.
                self._part_with(self._media)
            if stuck or visitor.is_idle(now_s):
                visitor.client.close()
        self._tell()
        return True

    def _renew(self) -> None:
        """Parts with everybody, and with the pipeline."""
        with self._lock:
            self._generation += 1
            self._media = None
            self._feeds.clear()
            all_of_them = list(self._visitors.values())
        for visitor in all_of_them:
            visitor.client.close()
        self._tell_soon()


def main() -> int:
    """Runs the server, or looks whether it could."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Whoever stops the camera may signal all its processes; the camera decides when we go.
        signal.signal(number, signal.SIG_IGN)
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)  # the password is in here
    if "--probe" in sys.argv:
        sys.stdout.write(lacking() or "")
        return 0
    link = wire.Wire(socket.socket(fileno=os.dup(0)))
    missing = lacking()
    if missing is not None:
        link.send(wire.FAILED, f"{wire.LACKING} {missing}".encode())
        return 1
    Server(link).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
