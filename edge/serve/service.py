"""The service from start to end: socket, worker, threads, sensors, web server."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from faceguard.edge.heat.sensing.sensors import Sensors
from faceguard.edge.serve.app import House, State, make_app
from faceguard.edge.serve.asking import Asking
from faceguard.edge.serve.counts import Counts
from faceguard.edge.serve.held import Held, usual_limit
from faceguard.edge.serve.pace import Pace, retry_s
from faceguard.edge.serve.server import Server
from faceguard.edge.serve.settings import ServeSettings
from faceguard.edge.serve.threads import Threads
from faceguard.edge.serve.tools import Tools, offered, open_tools
from faceguard.edge.serve.waiting import Waiting
from faceguard.edge.serve.worker import Worker
from faceguard.edge.service.listen import listen
from faceguard.engines.closing import Closing
from faceguard.engines.errors import InferenceError, OutputError

# Decoding and encoding; the networks have threads of their own.
_THREADS = 2
_LEAST_END_S = 0.5
_OpenTools = Callable[[Callable[[str], None]], Tools]


class Service(Closing):
    """Listens from the start; gets ready in a thread of its own, and says so.

    Example:
        >>> from faceguard.edge.serve.service import Service
        >>> from faceguard.edge.serve.settings import ServeSettings
        >>> with Service(ServeSettings(port=0)) as service:
        ...     service.start()
        ...     service.url.rpartition(":")[0]
        'http://127.0.0.1'
    """

    def __init__(
        self,
        settings: ServeSettings,
        *,
        on_change: Callable[[], None] = lambda: None,
        models: dict[str, int] | None = None,
        tools: _OpenTools | None = None,
    ) -> None:
        """Looks for the models, and for a port; nothing is opened yet.

        Args:
            settings: How it is set up.
            on_change: Called, in another thread, once it is ready or cannot get so.
            models: The models that enlarge, and how many times; None takes what is asked for or
                is here.
            tools: Opens these and the redactor; None takes those of the catalogue.

        Raises:
            ModelUnknown: A model that is asked for is not in the catalogue.
            ModelMissing: A model that is asked for was not pulled.
            OutputError: The port is taken, or the address is not ours.
        """
        self._settings = settings
        models = offered(settings) if models is None else models
        self._waiting = Waiting(settings.queue)
        self._held = Held(usual_limit(settings.memory_limit_bytes))
        self._pace = Pace()
        self._sensors = Sensors()
        self._threads = Threads(_THREADS)
        self.counts = Counts(
            queue=lambda: len(self._waiting),
            held_bytes=lambda: self._held.bytes,
            survey=lambda: self._sensors.latest,
        )
        self._worker = Worker(
            tools or partial(open_tools, settings, models, self._held),
            self._waiting,
            self.counts,
            self._pace,
            batch=settings.batch,
            gather_s=settings.gather_s,
            on_change=on_change,
        )
        asking = Asking(models, settings.redactor, may_be_bare=settings.may_be_bare)
        house = House(
            settings=settings,
            asking=asking,
            waiting=self._waiting,
            held=self._held,
            counts=self.counts,
            threads=self._threads,
            state=lambda: self.state,
            retry_s=lambda: retry_s(self._worker.left_s()),
        )
        try:
            listener = listen(settings.host, settings.port, "serve")
        except OutputError as error:
            # The message names keys of the daemon's file; here there are options.
            why = str(error).partition(";")[0]
            raise OutputError(f"{why}; name another with --host or --port") from error
        self._server = Server(
            make_app(house),
            listener,
            patience_s=settings.patience_s,
            end_within_s=settings.end_within_s,
        )

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self._server.address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def state(self) -> State:
        """How it is."""
        worker = self._worker
        if self._waiting.is_closed:
            return State("not", "stopping")
        if worker.error is not None:
            return State("not", "the models cannot be opened; the server's log says why")
        if not worker.is_ready:
            return State("preparing", worker.doing)
        if not worker.is_alive:
            return State("not", "the worker has ended by itself")
        if worker.is_blind:
            return State("not", "the detector fails, so pictures are covered whole", takes=True)
        return State("ready", takes=True)

    @property
    def error(self) -> BaseException | None:
        """Why it cannot get ready, or has ended by itself; None while all is well."""
        is_gone = self._worker.is_ready and not self._worker.is_alive
        if is_gone and not self._waiting.is_closed:
            return InferenceError("the worker has ended by itself; the log may say why")
        return self._worker.error

    @property
    def is_alive(self) -> bool:
        """Whether it serves, and gets on with its work."""
        worker = self._worker
        hangs = worker.busy_s > 2 * self._settings.deadline_s
        return self._server.is_alive and worker.is_alive and not hangs

    def start(self) -> None:
        """Lets it begin."""
        self._sensors.start()
        self._worker.start()
        self._server.start()

    def close(self) -> None:
        """Refuses what waits, finishes what is in hand within the limit, and ends."""
        until_s = time.monotonic() + self._settings.end_within_s
        with ExitStack() as stack:
            stack.callback(self._sensors.close)
            stack.callback(self._threads.close, _LEAST_END_S)
            stack.callback(self._end_worker, until_s)
            # What waits is told at once; the answers of what is in hand get out, then.
            self._waiting.close()
            self._server.close()

    def _end_worker(self, until_s: float) -> None:
        self._worker.leave()
        self._worker.close(max(_LEAST_END_S, until_s - time.monotonic()))
