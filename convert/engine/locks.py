"""Locks that are files: they go with whoever holds them, and leave nothing behind."""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

from faceguard.engines.closing import Closing


class Lock(Closing):
    """A lock that is held; at its end its file goes, and the file's folder where it is empty."""

    def __init__(self, path: Path, handle: int) -> None:
        """Takes over what `try_lock` has opened."""
        self._path = path
        self._handle = handle

    def close(self) -> None:
        """Lets go."""
        if self._handle < 0:
            return
        with suppress(OSError):
            # While it is held: whoever waits for this file finds that it is the file no more.
            self._path.unlink()
        os.close(self._handle)
        self._handle = -1
        with suppress(OSError):
            self._path.parent.rmdir()


def try_lock(path: Path) -> Lock | None:
    """Takes a lock, which the system lets go when this process dies.

    The file is open for writing, since NFS locks no other.

    Args:
        path: Its file; made with its folder where they are not there.

    Returns:
        The lock; None where somebody holds it.

    Raises:
        OSError: The file cannot be made or locked.
    """
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            if _is_in_the_way(path.parent):
                raise
            continue  # it stood there, and went before it was looked at
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        except FileNotFoundError:  # its folder went between the two
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if path.stat().st_ino == os.fstat(handle).st_ino:
                    return Lock(path, handle)
        except BlockingIOError:
            os.close(handle)
            return None
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # whoever held it took the file away: once more


def _is_in_the_way(place: Path) -> bool:
    """Whether something else than a folder is there; one look, as folders come and go."""
    try:
        return not stat.S_ISDIR(place.stat().st_mode)
    except FileNotFoundError:
        return place.is_symlink()  # to nothing
