"""A server of the page whose answers a test chooses: refusals that the real one seldom has."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from faceguard.edge.serve.page import page, policy
from faceguard.engines.closing import Closing

MODELS = {"espcn-x2": 2, "espcn-x3": 3, "espcn-x4": 4, "fsrcnn-x2": 2, "edsr-x3": 3}


@dataclass(frozen=True)
class Answer:
    """What a request gets.

    Attributes:
        status: Of HTTP.
        body: Its content.
        headers: Besides the length.
        after: What is waited for first; None answers at once.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    after: threading.Event | None = None


@dataclass(frozen=True)
class Asked:
    """What a request was."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class PageServer(Closing):
    """Serves the page, and answers in the order given; the last answer is given again and again.

    Attributes:
        asked: The requests for work that came.
        answers: What the next ones get.
    """

    def __init__(self, most_bytes: int | None = None) -> None:
        self.asked: list[Asked] = []
        self.answers: list[Answer] = []
        self._connections: set[socket.socket] = set()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 60

            def setup(self) -> None:
                super().setup()
                owner._connections.add(self.connection)

            def finish(self) -> None:
                owner._connections.discard(self.connection)
                super().finish()

            def do_GET(self) -> None:
                whole = page(models=MODELS, most_bytes=most_bytes).encode()
                self._give(200, whole, {"Content-Security-Policy": policy()}, "text/html")

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                owner.asked.append(Asked(self.path, dict(self.headers), body))
                answer = owner.answers[0] if len(owner.answers) == 1 else owner.answers.pop(0)
                if answer.after is not None:
                    answer.after.wait(60)
                self._give(answer.status, answer.body, answer.headers)

            def _give(
                self, status: int, body: bytes, headers: Mapping[str, str], kind: str = "image/png"
            ) -> None:
                self.send_response_only(status)
                headers = {"Content-Type": kind, **headers, "Content-Length": str(len(body))}
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = False

            def handle_error(self, *_: object) -> None:
                """Browsers go away when they like."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        """Stops, and waits for its threads."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        # Browsers open connections that they may need, and keep them.
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
