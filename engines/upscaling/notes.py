"""Where measurements of memory are kept: a small JSON beside the graph, or in the user's cache.

Each holds what one graph takes with several runtimes and numbers of threads. What is damaged or of
another form is no measurement, and is written anew.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from faceguard.engines.sync import sync
from faceguard.engines.upscaling.footprint import Footprint, Key

_log = logging.getLogger(__name__)

LOCK_LIMIT_S = 330.0
"""A little more than measuring may take."""

_FIRST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 0.5
_MOST = 16
_MOST_BYTES = 1 << 20


class _Note(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    measured: tuple[Footprint, ...] = ()


def find_note(graph: Path, key: Key) -> Footprint | None:
    """What was measured for this, and nothing else, before.

    Args:
        graph: The graph or engine.
        key: What it was to be measured for.
    """
    for path in _places(graph, key):
        for footprint in _read(path):
            if footprint.key == key:
                return footprint
    return None


def keep_note(graph: Path, footprint: Footprint) -> Path | None:
    """Writes a measurement down, whole or not at all.

    Args:
        graph: What was measured.
        footprint: What came of it.

    Returns:
        Where; None where no place can be written, and it will be measured again.
    """
    for path in _places(graph, footprint.key):
        others = [old for old in _read(path) if old.key != footprint.key]
        note = _Note(measured=(*others[-_MOST + 1 :], footprint))
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(note.model_dump_json(indent=1) + "\n", encoding="utf-8")
            sync(draft)
            draft.replace(path)
        except OSError as error:
            _log.info("%s cannot be written: %s", path, error.strerror)
            with suppress(OSError):
                draft.unlink()
        else:
            return path
    return None


@contextmanager
def note_lock(graph: Path, key: Key, *, limit_s: float = LOCK_LIMIT_S) -> Iterator[bool]:
    """Lets one process at a time measure a graph; where no lock can be had, all may.

    It waits as long as another measures, which has a time limit; the system lets go of the lock
    of a process that dies. One that holds it for longer, because it was stopped or means no good,
    is waited for no more.

    Args:
        graph: The graph or engine.
        key: What is to be measured.
        limit_s: So long it waits in all.

    Yields:
        Whether the lock is held.
    """
    until_ns = time.monotonic_ns() + int(limit_s * 1e9)
    for path in _places(graph, key):
        lock = path.with_name(f".{path.name}.lock")
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            handle = _locked(lock, until_ns)
        except OSError:
            continue
        if handle is None:
            _log.warning("%s is held by another process for too long: going on without it", lock)
            break
        try:
            yield True
        finally:
            with suppress(OSError):
                # While it is held: whoever waits for this file finds that it is the file no more.
                lock.unlink()
            os.close(handle)
        return
    yield False


def _locked(lock: Path, until_ns: int) -> int | None:
    """The locked file; None where another kept it until then."""
    never = threading.Event()
    pause_s = _FIRST_PAUSE_S
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            if _is_taken(handle):
                with suppress(FileNotFoundError):
                    if lock.stat().st_ino == os.fstat(handle).st_ino:
                        return handle
                # Whoever held it took the file away: once more.
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        left_s = (until_ns - time.monotonic_ns()) / 1e9
        if left_s <= 0:
            return None
        never.wait(min(pause_s, left_s))
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _is_taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _places(graph: Path, key: Key) -> list[Path]:
    """Beside the graph, which all users share; then in the user's cache."""
    beside = graph.with_name(f"{graph.name}.memory.json")
    base = os.environ.get("XDG_CACHE_HOME")
    home = os.environ.get("HOME")
    if base:
        cache = Path(base)
    elif home:
        cache = Path(home) / ".cache"
    else:  # a service user may have no home
        return [beside]
    # Graphs of one name lie in several stores.
    return [beside, cache / "faceguard/memory" / f"{graph.stem}-{key.sha256[:16]}.json"]


def _read(path: Path) -> tuple[Footprint, ...]:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        return _Note.model_validate_json(data).measured if len(data) <= _MOST_BYTES else ()
    except (OSError, ValidationError):
        return ()
