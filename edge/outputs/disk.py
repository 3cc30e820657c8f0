"""Where recordings lie: FOLDER/NAME/YYYY-MM-DD/HH-MM-SS.mp4, times in UTC.

The one that is being written is `HH-MM-SS.part.mp4`, which plays as well. Whoever writes holds the
lock of FOLDER/NAME, so a `.part.mp4` found at the start is what a killed run left.

Nothing but files of these names is ever touched, and no link below FOLDER/NAME is followed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from faceguard.edge.outputs.part import BLOCK, FILE_MODE, Kept, Part, sync_folder
from faceguard.engines.closing import Closing
from faceguard.engines.errors import AlreadyRunning, OutputError
from faceguard.engines.sync import sync

_DAY = re.compile(r"\d{4,}-\d\d-\d\d")
_CLOSED = re.compile(r"(\d\d-\d\d-\d\d)(?:-(\d{1,6}))?\.mp4")
_OPEN = re.compile(r"(\d\d-\d\d-\d\d)(?:-\d{1,6})?\.part\.mp4")
_FOLDER_MODE = 0o750
# Network file systems that have no locks answer with one of these.
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


class Shelf(Closing):
    """The recordings of one camera; one process at a time has it."""

    def __init__(self, folder: Path, name: str) -> None:
        """Makes the folder and locks it.

        Args:
            folder: As configured.
            name: Of the camera.

        Raises:
            OutputError: It cannot be made or written to.
            AlreadyRunning: Another process records there.
        """
        self.folder = folder
        self.place = folder / name
        self._lock = -1
        self._root = -1
        try:
            folder.mkdir(_FOLDER_MODE, parents=True, exist_ok=True)
            self.place.mkdir(_FOLDER_MODE, exist_ok=True)
            with suppress(OSError):  # some network file systems cannot sync a folder
                sync(folder)
            self._root = os.open(self.place, os.O_RDONLY | os.O_DIRECTORY)
            self._lock = os.open(
                ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE, dir_fd=self._root
            )
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise AlreadyRunning(
                f"{self.place}: another faceguard records there; give this camera another name"
            ) from None
        except OSError as error:
            if error.errno in _NO_LOCKS and self._lock >= 0:
                return
            self.close()
            raise OutputError(
                f"{self.place}: cannot record there: {error.strerror}; mend its rights, "
                "or name another folder in outputs.recordings.folder"
            ) from error

    def close(self) -> None:
        """Lets the lock go."""
        for handle in (self._lock, self._root):
            if handle >= 0:
                os.close(handle)
        self._lock = self._root = -1

    def check(self) -> None:
        """Sees to it that what is written still lands in the folder of that name.

        Raises:
            OutputError: It was removed, renamed, or another disk was mounted over it.
        """
        held = os.fstat(self._root)
        try:
            named = self.place.stat()
        except OSError:
            named = None
        if named is None or (named.st_dev, named.st_ino) != (held.st_dev, held.st_ino):
            raise OutputError(f"{self.place}: the folder went away while recording")

    def free_bytes(self) -> int:
        """Space that is left for us, in bytes."""
        disk = os.fstatvfs(self._root)
        return disk.f_bavail * disk.f_frsize

    def begin(self, wall_s: float) -> Part:
        """An empty file for a new segment.

        Args:
            wall_s: When it begins, seconds since 1970; any number, since clocks may be wrong.

        Raises:
            OSError: It cannot be made.
        """
        moment = time.gmtime(max(0.0, wall_s))
        day = time.strftime("%Y-%m-%d", moment)
        with suppress(FileExistsError):
            os.mkdir(day, _FOLDER_MODE, dir_fd=self._root)
            sync_folder(self._root)
        handle = self._open_day(day)
        try:
            return Part.new(handle, day, time.strftime("%H-%M-%S", moment))
        finally:
            os.close(handle)

    def closed(self) -> list[Kept]:
        """All finished segments, the oldest first; days without anything go."""
        found = []
        for day, handle in self._days():
            files = self._files(handle)
            for entry in files:
                if _CLOSED.fullmatch(entry.name):
                    with suppress(FileNotFoundError):
                        stat = entry.stat(follow_symlinks=False)
                        size = stat.st_blocks * BLOCK
                        found.append(Kept(day, entry.name, size, stat.st_mtime))
            if not files:
                with suppress(OSError):  # something else is in there
                    os.rmdir(day, dir_fd=self._root)
        return sorted(found, key=lambda kept: (kept.mtime_s, kept.day, _order(kept.name)))

    def adopt(self) -> int:
        """Finishes what killed runs left: whole fragments get their name, empty files go.

        Returns:
            How many segments came out of it.
        """
        adopted = 0
        for day, handle in self._days():
            names = [e.name for e in self._files(handle) if _OPEN.fullmatch(e.name)]
            for name in sorted(names, key=_order):
                with suppress(OSError):  # one that is broken is no reason not to record
                    adopted += Part.left_over(handle, day, name).finish() is not None
        return adopted

    def remove(self, kept: Kept) -> bool:
        """Removes a segment, and its day's folder if that was the last.

        Returns:
            Whether it was there.

        Raises:
            OSError: It cannot be removed.
        """
        try:
            handle = self._open_day(kept.day)
        except FileNotFoundError:
            return False
        try:
            os.unlink(kept.name, dir_fd=handle)
        except FileNotFoundError:
            return False
        finally:
            os.close(handle)
        with suppress(OSError):  # not empty
            os.rmdir(kept.day, dir_fd=self._root)
        return True

    def touch(self, kept: Kept, wall_s: float) -> Kept:
        """Gives a segment another time of writing.

        Raises:
            OSError: That is not allowed.
        """
        handle = self._open_day(kept.day)
        try:
            os.utime(kept.name, (wall_s, wall_s), dir_fd=handle, follow_symlinks=False)
        finally:
            os.close(handle)
        return Kept(kept.day, kept.name, kept.size, wall_s)

    def _open_day(self, day: str) -> int:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        return os.open(day, flags, dir_fd=self._root)

    def _days(self) -> Iterator[tuple[str, int]]:
        """Folders of days, with a handle each that is closed afterwards."""
        with os.scandir(self._root) as entries:
            days = sorted(e.name for e in entries if _DAY.fullmatch(e.name))
        for day in days:
            try:
                handle = self._open_day(day)
            except OSError:  # a link, a file, or gone by now
                continue
            try:
                yield day, handle
            finally:
                os.close(handle)

    @staticmethod
    def _files(handle: int) -> list[os.DirEntry[str]]:
        """Plain files in an open folder."""
        with os.scandir(handle) as entries:
            return [entry for entry in entries if entry.is_file(follow_symlinks=False)]


def _order(name: str) -> tuple[str, int]:
    """For sorting: 10-00-00 before 10-00-00-2 before 10-00-00-10."""
    number = name[8:].split(".")[0].lstrip("-")
    return name[:8], int(number or 1)
