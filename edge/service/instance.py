"""One faceguard a camera, and one a name: a second one is refused.

The kernel holds the locks and lets them go however their holder ends. Lock files stay where they
are: to remove one while another process opens it would let two hold "the" lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path

from faceguard.edge.atomic import one_line
from faceguard.engines.closing import Closing
from faceguard.engines.errors import AlreadyRunning, OutputError

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")


class OneInstance(Closing):
    """Holds a camera and a name for as long as it is open."""

    def __init__(
        self, identity: str | None, name: str, folder: Path, *, shown: str = "this camera"
    ) -> None:
        """Takes both, or neither.

        Args:
            identity: What two configurations of one camera have in common; None where any number
                may read it at a time.
            name: The camera's name, under which status, recordings and addresses stand.
            folder: Where lock files go; the same for all instances on a machine.
            shown: The camera as people may read it.

        Raises:
            AlreadyRunning: Another instance has the camera or the name.
            OutputError: Lock files cannot be made there.
        """
        self._held: list[int] = []
        try:
            if identity is not None:
                self._hold(folder, "camera", identity, shown)
            self._hold(folder, "name", name, f"the name {name!r}")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Lets both go."""
        while self._held:
            os.close(self._held.pop())

    def _hold(self, folder: Path, kind: str, key: str, shown: str) -> None:
        path = folder / f"{kind}-{_plain(key)}.lock"
        handle = _locked(path, shown)
        self._held.append(handle)
        with suppress(OSError):  # a full disk: only the number in the message is lost
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)


def _locked(path: Path, shown: str) -> int:
    """Opens and locks a file that is still in its place afterwards."""
    while True:
        handle = _opened(path)
        ours = False
        try:
            _lock(handle, path, shown)
            ours = _is_at(handle, path)  # else someone cleared up between opening and locking
        finally:
            if not ours:
                os.close(handle)
        if ours:
            return handle


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise OutputError(
            f"{one_line(path)}: cannot be opened: {error.strerror}; "
            "stop the faceguard of another user, or set outputs.status.folder"
        ) from error


def _lock(handle: int, path: Path, shown: str) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise AlreadyRunning(_in_use(handle, shown)) from None
    except OSError as error:
        raise OutputError(
            f"{one_line(path)}: cannot be locked: {error.strerror}; set outputs.status.folder"
        ) from error


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.lstat())
    except FileNotFoundError:
        return False


def _in_use(handle: int, shown: str) -> str:
    try:
        holder = int(os.pread(handle, 32, 0))
    except (OSError, ValueError):  # it has locked and not yet written
        return f"{shown} is used by another faceguard; stop it: systemctl stop faceguard"
    return (
        f"{shown} is used by faceguard with process id {holder}; "
        f"stop it: systemctl stop faceguard, or kill {holder}"
    )


def _plain(key: str) -> str:
    """The key as a part of a file's name."""
    return key if _PLAIN.fullmatch(key) else hashlib.sha256(key.encode()).hexdigest()[:32]
