"""Logging of the service: to journald with fields, or as lines of text or JSON.

Everything passes through the `Scrubber`; other libraries' loggers speak from warnings up only,
since servers tell their clients' addresses below that.
"""

from __future__ import annotations

import logging
import os
import stat
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any

import av

from faceguard.edge.config.service import LogConfig
from faceguard.edge.events import Event
from faceguard.edge.service.handlers import JOURNAL, JournalHandler, StreamHandler
from faceguard.edge.service.lines import as_json, as_text
from faceguard.edge.service.scrub import SCRUBBER

_OURS = "faceguard"
_STDERR = 2
# What people want to see without looking for it.
_WARNINGS = {
    "camera-down",
    "camera-slow",
    "covered-whole",
    "output-failed",
    "recording-paused",
}
_SAID_ELSEWHERE = {"reload-refused", "level", "sensor-lost", "sensor-back", "blind", "seeing"}
_events = logging.getLogger("faceguard.events")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Before:
    """What `put_back` puts back."""

    handlers: list[logging.Handler]
    level: int
    hooks: tuple[Any, Any, Any]


_before: _Before | None = None


def set_up(
    config: LogConfig,
    *,
    camera: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Sends all logging where the configuration says; may be called again with another.

    Errors that nobody caught, and Python's warnings, go the same way.

    Args:
        config: How much, and in which form.
        camera: Name of the camera, which stands in each line that has fields.
        environment: Where JOURNAL_STREAM is looked up.
    """
    global _before  # noqa: PLW0603 - there is one root logger a process
    root = logging.getLogger()
    if _before is None:
        hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook)
        _before = _Before(list(root.handlers), root.level, hooks)
        _fill_standard_descriptors()
        # FFmpeg's own lines tell addresses.
        av.logging.set_level(None)
        logging.captureWarnings(True)
        sys.excepthook = _uncaught
        threading.excepthook = _uncaught_in_thread
        sys.unraisablehook = _unraisable
    handler = _handler(config, camera, environment)
    handler.addFilter(_from_warnings_up)
    _replace(root, [handler])
    root.setLevel(config.level.upper())
    if config.format == "journald" and not isinstance(handler, JournalHandler):
        _log.warning("there is no journald here; the log goes to standard error")


def put_back() -> None:
    """Undoes `set_up`: for tests, which share one process."""
    global _before  # noqa: PLW0603 - see above
    if _before is None:
        return
    root = logging.getLogger()
    _replace(root, _before.handlers)
    root.setLevel(_before.level)
    logging.captureWarnings(False)
    sys.excepthook, threading.excepthook, sys.unraisablehook = _before.hooks
    _before = None


def log_event(event: Event) -> None:
    """Writes an event as a line with fields: EVENT, and what there is to say about it.

    Those of which a line with the reason stands in the log already are left out.
    """
    if event.kind in _SAID_ELSEWHERE:
        return
    level = logging.WARNING if event.kind in _WARNINGS else logging.INFO
    words = ", ".join(f"{key} {value}" for key, value in event.fields.items() if value is not None)
    _events.log(
        level,
        "%s",
        f"{event.kind}: {words}" if words else event.kind,
        extra={"fields": {"event": event.kind, **event.fields}},
    )


def is_journal(fd: int, stream: str) -> bool:
    """Whether a descriptor is connected to the journal.

    Args:
        fd: A file descriptor.
        stream: JOURNAL_STREAM, which systemd sets to DEVICE:INODE of what it connected. A child
            whose standard error leads elsewhere inherits it all the same.
    """
    try:
        found = os.fstat(fd)
    except OSError:
        return False
    return stream == f"{found.st_dev}:{found.st_ino}"


def _handler(
    config: LogConfig, camera: str | None, environment: Mapping[str, str]
) -> JournalHandler | StreamHandler:
    traces = config.level == "debug"
    started_by_systemd = is_journal(_STDERR, environment.get("JOURNAL_STREAM", ""))
    if (config.format == "journald" and _is_socket()) or (
        config.format == "auto" and started_by_systemd and _is_socket()
    ):
        return JournalHandler(SCRUBBER, camera, traces=traces)
    form: Callable[..., bytes] = as_text
    if config.format == "json":
        form = partial(as_json, camera=camera)
    return StreamHandler(SCRUBBER, form, traces=traces)


def _is_socket() -> bool:
    try:
        return stat.S_ISSOCK(JOURNAL.stat().st_mode)
    except OSError:
        return False


def _from_warnings_up(record: logging.LogRecord) -> bool:
    ours = record.name == _OURS or record.name.startswith(f"{_OURS}.")
    return ours or record.levelno >= logging.WARNING


def _replace(root: logging.Logger, handlers: list[logging.Handler]) -> None:
    before = list(root.handlers)
    for handler in handlers:
        root.addHandler(handler)
    for old in before:
        if old not in handlers:
            root.removeHandler(old)
            # Those that were there before us are put back some day.
            if isinstance(old, (JournalHandler, StreamHandler)):
                old.close()


def _fill_standard_descriptors() -> None:
    """Opens /dev/null where 0, 1 or 2 are closed.

    Else the next file to be opened, a recording perhaps, would get the number, and each library
    that writes to standard error would write into it.
    """
    with suppress(OSError):
        while (handle := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
            os.set_inheritable(handle, True)
        os.close(handle)


def _uncaught(
    _kind: type[BaseException], error: BaseException, _trace: TracebackType | None
) -> None:
    _log.critical("ended by an error that nobody caught", exc_info=error)


def _uncaught_in_thread(found: threading.ExceptHookArgs) -> None:
    if found.exc_value is not None and not isinstance(found.exc_value, SystemExit):
        name = found.thread.name if found.thread is not None else "unknown"
        _log.critical("thread %s ended by an error", name, exc_info=found.exc_value)


def _unraisable(found: sys.UnraisableHookArgs) -> None:
    # Not the object: its representation may be anything.
    _log.error("an error where none can be raised", exc_info=found.exc_value)
