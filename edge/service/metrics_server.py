"""Figures for Prometheus over HTTP, by prometheus-client.

Its own `start_http_server` asks the name service for the machine's name, which can hang for
minutes without a network, and waits for ever for what a client has to say. So its WSGI application
runs in a server that does neither, and that holds few clients at a time.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO
from socketserver import ThreadingMixIn
from typing import Any, TextIO
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import make_wsgi_app

from faceguard.edge.meters import Meters
from faceguard.edge.service.listen import listen
from faceguard.engines.closing import Closing

_PATIENCE_S = 10.0
_MOST_CLIENTS = 8


class MetricsServer(Closing):
    """Listens from the start, and until it is closed."""

    def __init__(
        self, meters: Meters, host: str, port: int, *, patience_s: float = _PATIENCE_S
    ) -> None:
        """Starts to listen.

        Args:
            meters: What to show, at /metrics.
            host: Address to listen on.
            port: Port; 0 takes any that is free.
            patience_s: So long may one answer take, asking and reading included.

        Raises:
            OutputError: The port is taken, or the address is not ours.
        """
        self._server = _Server(listen(host, port, "metrics"), patience_s)
        self._server.set_app(make_wsgi_app(meters.registry))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="metrics", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.server_port

    def close(self) -> None:
        """Stops listening and drops whoever is connected; takes a quarter of a second at most."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.drop_clients()


@dataclass(frozen=True)
class _Client:
    thread: threading.Thread
    until_s: float


class _Server(ThreadingMixIn, WSGIServer):
    def __init__(self, listener: socket.socket, patience_s: float) -> None:
        """Takes over a socket that listens already."""
        self._patience_s = patience_s
        self._clients: dict[socket.socket, _Client] = {}
        self._lock = threading.Lock()
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = "faceguard", listener.getsockname()[1]
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Answers in a thread of its own, or drops the client where there are too many."""
        thread = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            name="metrics client",
            daemon=True,
        )
        with self._lock:
            has_room = len(self._clients) < _MOST_CLIENTS
            if has_room:
                self._clients[request] = _Client(thread, time.monotonic() + self._patience_s)
        if has_room:
            thread.start()
        else:
            self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401
        """Forgets the client."""
        with self._lock:
            self._clients.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Ten times a second: breaks off with those whose time is over."""
        now_s = time.monotonic()
        with self._lock:
            late = [request for request, one in self._clients.items() if one.until_s <= now_s]
        for request in late:
            _break_off(request)

    def drop_clients(self) -> None:
        """Breaks off with all, and waits for their threads."""
        with self._lock:
            clients = dict(self._clients)
        for request, client in clients.items():
            _break_off(request)
            client.thread.join(1.0)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """A client that breaks off is no news, and its address goes nowhere."""


class _Handler(WSGIRequestHandler):
    def get_stderr(self) -> TextIO:
        """Where wsgiref would print tracebacks of connections that broke off."""
        return StringIO()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401
        """Says nothing: who asks for figures is nobody's business."""


def _break_off(request: socket.socket) -> None:
    # Its thread wakes up from whatever it waits for, and closes it.
    with suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)
