"""Files that grow by lines: no link is followed, and a line is there whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from faceguard.edge.atomic import one_line
from faceguard.engines.errors import OutputError

_MODE = 0o640
_FOLDER_MODE = 0o750
# Not blocking, or a pipe that nobody reads would hold us; no link is followed, or whoever may write
# in that folder could make us write elsewhere.
_FLAGS = os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW


def open_growing(path: Path, access: int, key: str) -> int:
    """Opens a file to write at its end, and makes it and its folder where there is none.

    Args:
        path: The file.
        access: `os.O_WRONLY`, or `os.O_RDWR` to see how it ends.
        key: Of the configuration, which names another place.

    Returns:
        The handle.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        return os.open(path, access | _FLAGS, _MODE)
    except OSError as error:
        is_link = error.errno == errno.ELOOP and path.is_symlink()
        why = "it is a link, which is not followed" if is_link else error.strerror
        raise unfit(path, why, key) from error


def unfit(path: Path, why: str | None, key: str) -> OutputError:
    """The error for a place that cannot be written.

    Args:
        path: The file.
        why: In a few words.
        key: Of the configuration, which names another place.
    """
    return OutputError(
        f"{one_line(path)}: cannot be written: {why}; name another place under {key}"
    )


def is_still_there(handle: int, path: Path) -> bool:
    """Whether an open file is still the one of that name: not moved away by somebody else.

    Raises:
        OSError: The place cannot be looked at.
    """
    ours = os.fstat(handle)
    try:
        there = path.lstat()
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)


def write_whole(handle: int, path: Path, data: bytes) -> None:
    """Writes at the end of a plain file; half a line is worse than none, and is taken back.

    Raises:
        OutputError: The disk is full.
        OSError: It cannot be written.
    """
    before = os.fstat(handle).st_size
    if os.write(handle, data) < len(data):
        os.ftruncate(handle, before)
        raise full(path)


def full(path: Path) -> OutputError:
    """The error for a disk on which no line has room."""
    return OutputError(f"{one_line(path)}: the disk is full; free some space")
