"""FOLDER/NAME of one camera with a folder a day in it, which nothing here ever leaves.

All goes by handles of folders that are open, and no link is followed on the way down from FOLDER:
not NAME, not a day, not a file. So whoever may write there cannot make us write, or remove, what
lies elsewhere. FOLDER itself may be a link, since that is what the configuration names.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from faceguard.engines.closing import Closing
from faceguard.engines.errors import OutputError

FILE_MODE = 0o640
BLOCK = 512  # bytes, the unit of st_blocks on any file system
_FOLDER_MODE = 0o750
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
# What opening a link as a folder says, and a file.
_NO_FOLDER = (errno.ELOOP, errno.ENOTDIR)
# Where a file system has no hard links, os.link answers with one of these.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


class Place(Closing):
    """FOLDER/NAME, open.

    Attributes:
        path: FOLDER/NAME, for words.
        handle: Of the open folder.
    """

    def __init__(self, folder: Path, name: str) -> None:
        """Makes the folder where there is none, and opens it.

        Args:
            folder: As configured.
            name: Of the camera.

        Raises:
            OutputError: A link or a file stands at FOLDER/NAME.
            OSError: It cannot be made or opened.
        """
        self.path = folder / name
        self.handle = -1
        folder.mkdir(_FOLDER_MODE, parents=True, exist_ok=True)
        above = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with suppress(FileExistsError):
                os.mkdir(name, _FOLDER_MODE, dir_fd=above)
                sync_folder(above)
            self.handle = os.open(name, _FOLDER, dir_fd=above)
        except OSError as error:
            if error.errno not in _NO_FOLDER:
                raise
            raise OutputError(
                f"{self.path}: a link or a file stands there, and neither is written through; "
                "remove it, or name another folder"
            ) from error
        finally:
            os.close(above)

    def close(self) -> None:
        """Lets the folder go."""
        handle, self.handle = self.handle, -1
        if handle >= 0:
            os.close(handle)

    @property
    def is_there(self) -> bool:
        """Whether it is still the one of that name: not removed, renamed, or mounted over."""
        held = os.fstat(self.handle)
        try:
            named = self.path.lstat()
        except OSError:
            return False
        return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)

    @contextmanager
    def day(self, name: str, *, make: bool = False) -> Iterator[int]:
        """A handle of a day's folder.

        Args:
            name: YYYY-MM-DD.
            make: Whether to make it where there is none.

        Raises:
            OSError: It is not there, or is no folder but a link or a file.
        """
        if make:
            with suppress(FileExistsError):
                os.mkdir(name, _FOLDER_MODE, dir_fd=self.handle)
                sync_folder(self.handle)
        handle = os.open(name, _FOLDER, dir_fd=self.handle)
        try:
            yield handle
        finally:
            os.close(handle)

    def days(self, wanted: re.Pattern[str]) -> Iterator[tuple[str, int]]:
        """Folders of days, the oldest first, with a handle each that is closed afterwards."""
        with os.scandir(self.handle) as entries:
            names = sorted(entry.name for entry in entries if wanted.fullmatch(entry.name))
        for name in names:
            try:
                handle = os.open(name, _FOLDER, dir_fd=self.handle)
            except OSError:  # a link, a file, gone by now, or not for us
                continue
            try:
                yield name, handle
            finally:
                os.close(handle)

    def clear(self, day: str) -> None:
        """Removes a day's folder, if nothing is left in it."""
        with suppress(OSError):
            os.rmdir(day, dir_fd=self.handle)


def files(handle: int) -> list[os.DirEntry[str]]:
    """Plain files in an open folder."""
    with os.scandir(handle) as entries:
        return [entry for entry in entries if entry.is_file(follow_symlinks=False)]


def is_there(handle: int, name: str) -> bool:
    """Whether anything of that name is in an open folder."""
    try:
        os.stat(name, dir_fd=handle, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def put(handle: int, name: str, data: bytes) -> int:
    """Puts a new file into an open folder: whole and on disk, or not at all.

    Until it is whole it is `.STEM.PID-RANDOM.part.SUFFIX`, which only a kill leaves behind.

    Args:
        handle: Of the folder.
        name: Of the file.
        data: All that shall be in it.

    Returns:
        Bytes that it takes on disk.

    Raises:
        FileExistsError: The name is taken.
        OSError: It cannot be written.
    """
    mark = f"{os.getpid()}-{secrets.token_hex(4)}"
    part = f".{Path(name).stem}.{mark}.part{Path(name).suffix}"
    file = os.open(part, _NEW, FILE_MODE, dir_fd=handle)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fsync(file)
        _publish(handle, part, name)
        size = os.fstat(file).st_blocks * BLOCK
    finally:
        os.close(file)
        with suppress(OSError):
            os.unlink(part, dir_fd=handle)
    sync_folder(handle)
    return size


def _publish(handle: int, part: str, name: str) -> None:
    """Gives a file its name only if that is free, with no moment between looking and taking."""
    try:
        os.link(part, name, src_dir_fd=handle, dst_dir_fd=handle, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    else:
        return
    # Without hard links: reserve the name, then replace our own empty file.
    os.close(os.open(name, _NEW, FILE_MODE, dir_fd=handle))
    try:
        os.rename(part, name, src_dir_fd=handle, dst_dir_fd=handle)
    except OSError:
        os.unlink(name, dir_fd=handle)
        raise


def sync_folder(handle: int) -> None:
    """Puts a folder's names on disk, where its file system can."""
    with suppress(OSError):  # some network file systems cannot
        os.fsync(handle)
