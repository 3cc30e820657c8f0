"""The status file: how the camera is, as one JSON file that is always whole."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from faceguard.edge.atomic import one_line
from faceguard.edge.outputs.plain import plain
from faceguard.engines.closing import Closing
from faceguard.engines.errors import InputError, OutputError

_MODE = 0o644
_LARGEST = 1_000_000
_SUFFIX = ".json"
_SILENT_S = 5.0
_PROC = Path("/proc")


class StatusFile(Closing):
    """FOLDER/NAME.json, written anew each time and gone at the end.

    There is no secret in it, so everybody may read it. It is not synced: it lives no longer than
    the machine runs.
    """

    def __init__(self, folder: Path, name: str) -> None:
        """Names the place; the first `write` makes the file.

        Args:
            folder: Where it goes; must exist.
            name: Of the camera.
        """
        self._path = folder / f"{name}{_SUFFIX}"
        self._part = folder / f".{name}{_SUFFIX}.part"
        self._started = _ticks(os.getpid())

    def write(self, state: Mapping[str, Any]) -> None:
        """Puts a new state in place of the last.

        Args:
            state: Scalars, short lists and mappings of such, with `pid` in it.

        Raises:
            OutputError: The place cannot be written.
            TypeError: There is something in it that is not to be written down.
        """
        whole = {
            **plain(state),
            # By these a reader tells whether the writer still lives.
            "written_ns": time.monotonic_ns(),
            "pid_started": self._started,
        }
        data = json.dumps(whole, allow_nan=False).encode() + b"\n"
        try:
            self._replace(data)
        except OSError as error:
            raise OutputError(
                f"{one_line(self._path)}: the status cannot be written: {error.strerror}; "
                "mend that, or name another folder in outputs.status.folder"
            ) from error

    def close(self) -> None:
        """Removes the file."""
        for path in (self._path, self._part):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _replace(self, data: bytes) -> None:
        # Anyone may write to some of these folders, so no link is followed.
        self._part.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(self._part, flags, _MODE)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, _MODE)
            file.write(data)
        self._part.replace(self._path)


class Life(Enum):
    """Whether the one who wrote a status still lives."""

    WELL = "well"
    """It wrote a moment ago."""
    SILENT = "silent"
    """It is there and has not written for some seconds."""
    GONE = "gone"
    """There is no such process any more."""


@dataclass(frozen=True)
class Status:
    """A status as it was found.

    Attributes:
        name: Of the camera.
        state: What was written; any key may be missing, for another version may have written it.
        life: Whether its writer lives.
        age_s: Seconds since it was written; None where nobody knows.
    """

    name: str
    state: Mapping[str, Any]
    life: Life
    age_s: float | None


def read_status(folder: Path, name: str) -> Status | None:
    """The status of a camera.

    Args:
        folder: Where the file is.
        name: Of the camera.

    Returns:
        The status, or None where there is none.

    Raises:
        InputError: The file cannot be read, or is none of ours.
    """
    path = folder / f"{name}{_SUFFIX}"
    try:
        with path.open("rb") as file:
            state = json.loads(file.read(_LARGEST))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{one_line(path)}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{one_line(path)}: no status file of faceguard; remove it") from error
    if not isinstance(state, dict):
        raise InputError(f"{one_line(path)}: no status file of faceguard; remove it")
    return Status(name, state, *_life(state))


def names_in(folder: Path) -> list[str]:
    """Names of the cameras that have a status file in a folder, sorted."""
    try:
        found = [path.name for path in folder.iterdir()]
    except OSError:
        return []
    names = (name.removesuffix(_SUFFIX) for name in found if name.endswith(_SUFFIX))
    return sorted(name for name in names if name and not name.startswith("."))


def _life(state: Mapping[str, Any]) -> tuple[Life, float | None]:
    pid, started, written_ns = (state.get(key) for key in ("pid", "pid_started", "written_ns"))
    age_s = None
    if isinstance(written_ns, int):
        age_s = (time.monotonic_ns() - written_ns) / 1e9
        if age_s < 0:
            return Life.GONE, None  # from before the machine was started anew
    if not isinstance(pid, int) or pid <= 0:
        return Life.GONE, age_s
    ticks = _ticks(pid)
    # Another process may have the number by now.
    if ticks is None or (started is not None and ticks != started):
        return Life.GONE, age_s
    return (Life.WELL if age_s is not None and age_s <= _SILENT_S else Life.SILENT), age_s


def _ticks(pid: int) -> int | None:
    """When a process was started, in clock ticks since boot; None where there is none."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The name in parentheses may have spaces and parentheses in it; the rest has not.
    fields = text.rpartition(")")[2].split()
    state, started = fields[0], fields[19]
    return None if state in ("Z", "X") else int(started)
