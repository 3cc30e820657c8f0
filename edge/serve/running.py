"""`faceguard serve` from start to end: signals, log, and what a service manager is told."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from faceguard.edge.config.secret import everyone_reads
from faceguard.edge.config.service import LogConfig
from faceguard.edge.serve.service import Service
from faceguard.edge.serve.settings import ServeSettings
from faceguard.edge.service import logs
from faceguard.edge.service.notify import Notifier
from faceguard.edge.service.scrub import SCRUBBER
from faceguard.edge.service.signals import Signal, Signals
from faceguard.edge.service.telling import told
from faceguard.engines.errors import FaceguardError, InferenceError

_log = logging.getLogger(__name__)
_ROUND_S = 1.0


def serve(settings: ServeSettings, token_file: Path | None, out: TextIO) -> int:
    """Serves until someone says stop.

    Args:
        settings: How.
        token_file: Where the token came from, to warn of who else can read it.
        out: Told the address, once there is one.

    Returns:
        The exit code: 0.

    Raises:
        FaceguardError: It cannot begin, or a part of it has ended by itself.
    """
    SCRUBBER.add(settings.token)
    with ExitStack() as stack:
        logs.set_up(LogConfig())
        signals = stack.enter_context(Signals())
        notifier = stack.enter_context(Notifier())
        with Service(settings, on_change=signals.wake) as service:
            if token_file is not None and everyone_reads(token_file):
                _log.warning("%s can be read by every user of this machine", token_file)
            service.start()
            _say(out, f"getting ready at {service.url}")
            _look_after(service, signals, notifier, out)
            notifier.stopping()
        _log.info("stopped")
    return 0


def _say(out: TextIO, line: str) -> None:
    out.write(f"faceguard: {line}\n")
    out.flush()


def _look_after(service: Service, signals: Signals, notifier: Notifier, out: TextIO) -> None:
    """Waits for the end.

    Raises:
        FaceguardError: The service has ended by itself.
    """
    status, was_ready = "", False
    while signals.wait(_ROUND_S) not in (Signal.STOP, Signal.INTERRUPT):
        error = service.error
        if isinstance(error, FaceguardError):
            raise error
        if error is not None:
            raise InferenceError(f"the models cannot be opened: {told(error)}") from error
        state = service.state
        if state.status != status:
            status = state.status
            notifier.status(status if state.reason is None else f"{status}: {state.reason}")
            if status == "ready":
                notifier.ready()
                if not was_ready:
                    # Not before: one that has no model to serve with says so instead.
                    _say(out, f"serving on {service.url}")
                was_ready = True
                _log.info("ready")
        if service.is_alive:
            notifier.alive()
