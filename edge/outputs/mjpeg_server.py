"""uvicorn in a thread, made safe against clients that hang. Needs the extra `web`."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from faceguard.edge.outputs.mjpeg_board import Board
from faceguard.edge.service.listen import listen
from faceguard.engines.closing import Closing

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
    from uvicorn.protocols.http.h11_impl import RequestResponseCycle

_SWEEP_S = 0.25
_END_WITHIN_S = 2.0
# Beside those who watch: pages, snapshots, logins that fail.
_MORE_CONNECTIONS = 16
# The kernel may hold so much for one client; its own choice would be seconds of video.
_SEND_BUFFER = 256 * 1024


class MjpegServer(Closing):
    """Serves an application until it is closed; what goes wrong with a client ends with it.

    uvicorn waits for its clients without limit. Here one connection may not last longer than
    `patience_s` without a whole request, nor without reading what waits for it.
    """

    def __init__(
        self,
        app: ASGIApp,
        board: Board,
        host: str,
        port: int,
        *,
        most_clients: int,
        patience_s: float,
    ) -> None:
        """Starts to listen.

        Args:
            app: What to serve.
            board: Is told which loop clients live in, and of the end.
            host: Address to listen on.
            port: Port; 0 takes any that is free.
            most_clients: How many may watch.
            patience_s: A client that neither asks nor reads for so long is dropped.

        Raises:
            OutputError: The port is taken, or the address is not ours.
        """
        self._app = app
        self._board = board
        self._most_clients = most_clients
        self._patience_s = patience_s
        self._connections: dict[tuple[object, object], _Connection] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_ending = False
        self._listener = listen(host, port, "outputs.mjpeg")
        # Connections inherit these.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        self.port: int = self._listener.getsockname()[1]
        self._server = uvicorn.Server(self._config())
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._work, name="mjpeg server", daemon=True)
        self._thread.start()
        self._ready.wait(_END_WITHIN_S)

    @property
    def is_alive(self) -> bool:
        """Whether it serves."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Drops all clients and stops listening; takes half a second at most."""
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._end)
        self._thread.join(_END_WITHIN_S)

    def _config(self) -> uvicorn.Config:
        server = self

        class Protocol(_Connection):
            def __init__(self, *args: object, **kwargs: object) -> None:
                super().__init__(*args, **kwargs)  # type: ignore[arg-type]
                self.owner = server

        return uvicorn.Config(
            self._serve_one,
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
            timeout_keep_alive=5,
            timeout_graceful_shutdown=1,
        )

    def _work(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._listener.close()
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._board.attach(self._loop)
        self._ready.set()
        sweeping = asyncio.ensure_future(self._sweep())
        try:
            await self._server.serve(sockets=[self._listener])
        finally:
            sweeping.cancel()

    async def _serve_one(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = self._connections.get((scope["client"], scope["server"]))

        async def send_on(message: Message) -> None:
            await send(message)
            if connection is not None:
                connection.moved_s = time.monotonic()

        await self._app(scope, receive, send_on)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            for connection in list(self._connections.values()):
                connection.look_after(self._patience_s)

    def _end(self) -> None:
        self._is_ending = True
        self._server.should_exit = True
        self._board.close()
        for connection in list(self._connections.values()):
            connection.transport.abort()

    def add(self, connection: _Connection) -> None:
        """Takes in a connection, unless there are too many."""
        most = self._most_clients + _MORE_CONNECTIONS
        if self._is_ending or len(self._connections) >= most:
            connection.transport.abort()
        else:
            self._connections[connection.key] = connection

    def remove(self, connection: _Connection) -> None:
        """Forgets a connection that is gone."""
        if self._connections.get(connection.key) is connection:
            del self._connections[connection.key]


class _Connection(H11Protocol):
    """uvicorn's connection, watched."""

    owner: MjpegServer

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.key = (self.client, self.server)
        self.moved_s = time.monotonic()
        self._waiting_bytes = 0
        self.owner.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.owner.remove(self)
        super().connection_lost(exc)

    def look_after(self, patience_s: float) -> None:
        """Drops the client where nothing has moved for too long."""
        now_s = time.monotonic()
        waiting = self.transport.get_write_buffer_size()
        # None until the first request, whatever uvicorn declares.
        cycle = cast("RequestResponseCycle | None", self.cycle)
        is_answered = cycle is None or cycle.response_complete
        if waiting < self._waiting_bytes or (waiting == 0 and not is_answered):
            self.moved_s = now_s
        self._waiting_bytes = waiting
        if now_s - self.moved_s > patience_s:
            self.transport.abort()
