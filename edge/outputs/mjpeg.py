"""Live pictures for any browser, as multipart JPEG over HTTP.

A picture becomes a JPEG only while somebody looks, and once for all. Each client gets the newest
one when it has taken the last, so a slow one skips pictures and holds up nobody.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from faceguard.edge.config.outputs import MjpegOutput
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.jpeg import as_jpeg
from faceguard.edge.outputs.open_door import warn_if_open
from faceguard.edge.outputs.worker import Worker
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.types import SafeFrame
from faceguard.engines.errors import MissingPackage, OutputError, UsageError

if TYPE_CHECKING:
    from faceguard.edge.outputs.mjpeg_board import Board
    from faceguard.edge.outputs.mjpeg_server import MjpegServer

_PATIENCE_S = 10.0


class Mjpeg(Worker[SafeFrame]):
    """The output `mjpeg`.

    Rate and quality can change while it runs.
    """

    def __init__(
        self,
        settings: Callable[[], MjpegOutput],
        name: str,
        password: str | None,
        meters: Meters,
        quiet: Quiet,
        *,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        """Sets up; the thread opens the port.

        Args:
            settings: As they are now.
            name: Of the camera, for the page.
            password: What clients must give, where the settings name a user.
            meters: Where failures and clients are counted.
            quiet: Who logs.
            patience_s: A client that does not read for so long is dropped.

        Raises:
            MissingPackage: starlette or uvicorn is not installed.
            UsageError: There is a user and no password.
        """
        try:
            from faceguard.edge.outputs import mjpeg_page, mjpeg_server
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("faceguard"):
                raise
            raise MissingPackage(
                f"outputs.mjpeg needs the Python package {error.name!r}; "
                "run: pip install 'faceguard-edge[web]'"
            ) from error
        if settings().user is not None and not password:
            raise UsageError("outputs.mjpeg names a user and no password; give password_file")
        super().__init__("mjpeg", meters, quiet, capacity=2)
        self._settings = settings
        self._camera = name
        self._password = password
        self._patience_s = patience_s
        self._make_app = mjpeg_page.make_app
        self._make_server = mjpeg_server.MjpegServer
        self._server: MjpegServer | None = None
        self._board: Board | None = None
        self._next_s = 0.0
        self._count_clients(0)

    @property
    def port(self) -> int:
        """The port that it listens on; 0 while it does not."""
        server = self._server
        return server.port if server is not None else 0

    def open_up(self) -> None:
        """Opens the port.

        Raises:
            OutputError: It is taken, or the address is not ours.
        """
        from faceguard.edge.outputs.mjpeg_board import Board

        settings = self._settings()
        board = Board(self._count_clients)
        self._server = self._make_server(
            self._make_app(self._camera, settings, self._password, board),
            board,
            settings.host,
            settings.port,
            most_clients=settings.most_clients,
            patience_s=self._patience_s,
        )
        self._board = board
        warn_if_open("mjpeg", settings, self.quiet)

    def take(self, thing: SafeFrame) -> None:
        """Makes a picture of the frame, where somebody looks and it is time.

        Raises:
            TypeError: The frame was not redacted.
            OutputError: It cannot become a JPEG.
        """
        if not isinstance(thing, SafeFrame):
            raise TypeError(f"an output takes SafeFrame, not {type(thing).__name__}")
        board, now_s = self._board, time.monotonic()
        if board is None or not board.is_wanted or now_s < self._next_s:
            return
        settings = self._settings()
        every_s = 1 / settings.rate
        # Counted on from when it was due, so that the rate is met however frames fall.
        self._next_s = max(self._next_s, now_s - every_s) + every_s
        board.put(as_jpeg(thing, settings.quality))

    def tick(self) -> None:
        """Looks after the server.

        Raises:
            OutputError: It has ended by itself.
        """
        if self._server is not None and not self._server.is_alive:
            raise OutputError("the web server has ended by itself")

    def shut(self, *, broken: bool) -> None:  # noqa: ARG002 - the same in both cases
        """Drops all clients and closes the port."""
        server, self._server, self._board = self._server, None, None
        if server is not None:
            server.close()
        self._count_clients(0)

    def _count_clients(self, count: int) -> None:
        self.meters.output_clients.labels(self.name).set(count)
