"""uvicorn in a thread, with an end to everything that a client may draw out."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from faceguard.engines.closing import Closing

if TYPE_CHECKING:
    from starlette.types import ASGIApp
    from uvicorn.protocols.http.h11_impl import RequestResponseCycle

_SWEEP_S = 0.25
_MOST_CONNECTIONS = 256
# The kernel may hold so much of an answer; its own choice would be megabytes for each client.
_SEND_BUFFER = 256 * 1024
# However slowly it is read, an answer's memory is not held for longer.
_LONGEST_ANSWER_S = 600.0
_KEEP_ALIVE_S = 5
_LAST_WORDS_S = 2.0


class Server(Closing):
    """Serves an application until it is closed.

    uvicorn waits for its clients without limit. Here a connection may not last longer than
    `patience_s` without a whole request, after an answer with what is left of a body, or without
    reading an answer.
    """

    def __init__(
        self, app: ASGIApp, listener: socket.socket, *, patience_s: float, end_within_s: float
    ) -> None:
        """Takes over a socket that listens; `start` lets it serve.

        Args:
            app: What to serve.
            listener: Where clients come.
            patience_s: How long one may keep us waiting.
            end_within_s: How long answers that are under way may take at the end.
        """
        self._listener = listener
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.address = listener.getsockname()[:2]
        self._patience_s = patience_s
        self._end_within_s = end_within_s
        self._connections: set[_Connection] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server = uvicorn.Server(self._config(app))
        self._thread = threading.Thread(target=self._work, name="serve", daemon=True)

    @property
    def is_alive(self) -> bool:
        """Whether it serves."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Lets it serve."""
        self._thread.start()

    def close(self) -> None:
        """Takes no more clients, lets answers get out, and ends."""
        if self._thread.ident is None:
            self._listener.close()
            return
        self._server.should_exit = True
        self._thread.join(self._end_within_s)
        if self._loop is not None and self._thread.is_alive():
            with suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._drop)
        self._thread.join(_LAST_WORDS_S)

    def _config(self, app: ASGIApp) -> uvicorn.Config:
        server = self

        class Protocol(_Connection):
            def __init__(self, *args: object, **kwargs: object) -> None:
                super().__init__(*args, **kwargs)  # type: ignore[arg-type]
                self.owner = server

        return uvicorn.Config(
            app,
            http=Protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            access_log=False,
            log_config=None,
            # It would log tracebacks, and addresses of clients.
            log_level="critical",
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, round(self._end_within_s)),
        )

    def _work(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._listener.close()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        sweeping = asyncio.ensure_future(self._sweep())
        try:
            await self._server.serve(sockets=[self._listener])
        finally:
            sweeping.cancel()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            for connection in list(self._connections):
                connection.look_after(self._patience_s)

    def _drop(self) -> None:
        self._server.force_exit = True
        for connection in list(self._connections):
            connection.transport.abort()

    def add(self, connection: _Connection) -> None:
        """Takes in a connection, unless there are too many."""
        if len(self._connections) >= _MOST_CONNECTIONS:
            connection.transport.abort()
        else:
            self._connections.add(connection)

    def remove(self, connection: _Connection) -> None:
        """Forgets a connection that is gone."""
        self._connections.discard(connection)


class _Connection(H11Protocol):
    """uvicorn's connection, watched."""

    owner: Server

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._moved_s = time.monotonic()
        self._answering_s: float | None = None
        self._waiting_bytes = 0
        self.owner.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.owner.remove(self)
        super().connection_lost(exc)

    def look_after(self, patience_s: float) -> None:
        """Drops the client where it has kept us waiting for too long."""
        now_s = time.monotonic()
        waiting = self.transport.get_write_buffer_size()
        # None until the first request, whatever uvicorn declares.
        cycle = cast("RequestResponseCycle | None", self.cycle)
        is_working = cycle is not None and not cycle.response_complete
        if waiting:
            self._answering_s = self._answering_s or now_s
            if waiting != self._waiting_bytes:
                self._moved_s = now_s
        else:
            self._answering_s = None
            if is_working:
                # The application has limits of its own, for what it reads and for what it does.
                self._moved_s = now_s
        self._waiting_bytes = waiting
        is_endless = self._answering_s is not None and now_s - self._answering_s > _LONGEST_ANSWER_S
        if is_endless or now_s - self._moved_s > patience_s:
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words
        """What is no HTTP at all gets its answer in JSON too; uvicorn has plain text."""
        body = b'{"error": "this is no request of HTTP/1.1"}\n'
        head = (
            b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n"
            b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        self.transport.write(head + body)
        self.transport.close()
