"""Where what lives only as long as the machine runs goes: locks, and the status file."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from faceguard.edge.atomic import one_line
from faceguard.engines.errors import OutputError

_NAME = "faceguard"
_SYSTEM = Path("/run")
# What to change where the folder is no good, by who named it.
_CONFIGURED = "name another in outputs.status.folder"
_SYSTEMD = "name another in RUNTIME_DIRECTORY (systemd: RuntimeDirectory=)"
_USERS = "name one of this user's own in XDG_RUNTIME_DIR"
_TEMPORARY = Path("/tmp")  # noqa: S108 - a folder of our own in it, whose owner is checked


def runtime_folder(
    configured: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    *,
    system: Path = _SYSTEM,
    temporary: Path = _TEMPORARY,
) -> Path:
    """The runtime folder, made where it was not there.

    The first of: what is configured; what systemd made (RUNTIME_DIRECTORY); /run/faceguard for
    whoever may write there; the user's own runtime folder; /tmp/faceguard-UID.

    Args:
        configured: From the configuration, if it names one.
        environment: Where RUNTIME_DIRECTORY and XDG_RUNTIME_DIR are looked up.
        system: Instead of /run, for tests.
        temporary: Instead of /tmp, for tests.

    Returns:
        A folder that this process may write in.

    Raises:
        OutputError: It cannot be made or written in, or belongs to someone else.
    """
    if configured is not None:
        return _made(configured, 0o755, _CONFIGURED)
    given = _from_systemd(environment)
    if given is not None:
        return _made(given, 0o755, _SYSTEMD)
    if (system / _NAME).is_dir() or os.access(system, os.W_OK):
        # Root in a container may find /run read-only; another's /run/faceguard likewise.
        with suppress(OutputError):
            return _made(system / _NAME, 0o755, _SYSTEMD)
    own = _users_own(environment)
    if own is not None:
        return _made(own / _NAME, 0o700, _USERS)
    folder = _made(temporary / f"{_NAME}-{os.geteuid()}", 0o700, _USERS)
    _check_private(folder)
    return folder


def runtime_folders(
    configured: Path | None = None, environment: Mapping[str, str] = os.environ
) -> list[Path]:
    """Where a reader should look for what a service may have left: likeliest first.

    Nothing is made, and the folders need not be there.
    """
    if configured is not None:
        return [configured]
    own = _users_own(environment)
    return [
        _from_systemd(environment) or _SYSTEM / _NAME,
        *([own / _NAME] if own is not None else []),
        _TEMPORARY / f"{_NAME}-{os.geteuid()}",
    ]


def _from_systemd(environment: Mapping[str, str]) -> Path | None:
    """The first folder of RuntimeDirectory=."""
    first = environment.get("RUNTIME_DIRECTORY", "").split(":")[0]
    return Path(first) if first else None


def _users_own(environment: Mapping[str, str]) -> Path | None:
    """XDG_RUNTIME_DIR where it is ours: `su` and `sudo` may leave another user's in place."""
    folder = Path(environment.get("XDG_RUNTIME_DIR", ""))
    try:
        usable = folder.is_absolute() and folder.stat().st_uid == os.geteuid()
    except OSError:
        return None
    return folder if usable else None


def _made(folder: Path, mode: int, otherwise: str) -> Path:
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
    except FileExistsError:
        raise OutputError(f"{one_line(folder)}: no folder; remove it, or {otherwise}") from None
    except OSError as error:
        raise OutputError(
            f"{one_line(folder)}: cannot be made: {error.strerror}; make it, or {otherwise}"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(
            f"{one_line(folder)}: no permission to write there; change its rights, or {otherwise}"
        )
    return folder


def _check_private(folder: Path) -> None:
    """In /tmp anyone may have put a folder or a link of this name before us."""
    found = folder.lstat()
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    if not ours or found.st_mode & 0o022:
        raise OutputError(
            f"{one_line(folder)}: belongs to another user or is open to them; "
            f"remove it, or {_USERS}"
        )
