"""Where recordings lie: FOLDER/NAME/YYYY-MM-DD/HH-MM-SS.mp4, times in UTC.

The one that is being written is `HH-MM-SS.part.mp4`, which plays as well. Whoever writes holds the
lock of FOLDER/NAME, so a `.part.mp4` found at the start is what a killed run left.

Nothing but files of these names is ever touched, and no link is followed: neither NAME nor below.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from faceguard.edge.outputs.part import Kept, Part
from faceguard.edge.outputs.place import BLOCK, FILE_MODE, Place, files
from faceguard.engines.closing import Closing
from faceguard.engines.errors import AlreadyRunning, OutputError

_DAY = re.compile(r"\d{4,}-\d\d-\d\d")
_CLOSED = re.compile(r"(\d\d-\d\d-\d\d)(?:-(\d{1,6}))?\.mp4")
_OPEN = re.compile(r"(\d\d-\d\d-\d\d)(?:-\d{1,6})?\.part\.mp4")
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
        self.place = folder / name
        self._lock = -1
        try:
            self._at = Place(folder, name)
        except OSError as error:
            raise self._unfit(error) from error
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
            self._lock = os.open(".lock", flags, FILE_MODE, dir_fd=self._at.handle)
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
            raise self._unfit(error) from error

    def close(self) -> None:
        """Lets the lock go."""
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)
        self._at.close()

    def check(self) -> None:
        """Sees to it that what is written still lands in the folder of that name.

        Raises:
            OutputError: It was removed, renamed, or another disk was mounted over it.
        """
        if not self._at.is_there:
            raise OutputError(f"{self.place}: the folder went away while recording")

    def free_bytes(self) -> int:
        """Space that is left for us, in bytes."""
        disk = os.fstatvfs(self._at.handle)
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
        with self._at.day(day, make=True) as handle:
            return Part.new(handle, day, time.strftime("%H-%M-%S", moment))

    def closed(self) -> list[Kept]:
        """All finished segments, the oldest first; days without anything go."""
        found = []
        for day, handle in self._at.days(_DAY):
            there = files(handle)
            for entry in there:
                if _CLOSED.fullmatch(entry.name):
                    with suppress(FileNotFoundError):
                        stat = entry.stat(follow_symlinks=False)
                        size = stat.st_blocks * BLOCK
                        found.append(Kept(day, entry.name, size, stat.st_mtime))
            if not there:
                self._at.clear(day)
        return sorted(found, key=lambda kept: (kept.mtime_s, kept.day, _order(kept.name)))

    def adopt(self) -> int:
        """Finishes what killed runs left: whole fragments get their name, empty files go.

        Returns:
            How many segments came out of it.
        """
        adopted = 0
        for day, handle in self._at.days(_DAY):
            names = [e.name for e in files(handle) if _OPEN.fullmatch(e.name)]
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
            with self._at.day(kept.day) as handle:
                os.unlink(kept.name, dir_fd=handle)
        except FileNotFoundError:
            return False
        self._at.clear(kept.day)
        return True

    def touch(self, kept: Kept, wall_s: float) -> Kept:
        """Gives a segment another time of writing.

        Raises:
            OSError: That is not allowed.
        """
        with self._at.day(kept.day) as handle:
            os.utime(kept.name, (wall_s, wall_s), dir_fd=handle, follow_symlinks=False)
        return replace(kept, mtime_s=wall_s)

    def _unfit(self, error: OSError) -> OutputError:
        return OutputError(
            f"{self.place}: cannot record there: {error.strerror}; mend its rights, "
            "or name another folder in outputs.recordings.folder"
        )


def _order(name: str) -> tuple[str, int]:
    """For sorting: 10-00-00 before 10-00-00-2 before 10-00-00-10."""
    number = name[8:].split(".")[0].lstrip("-")
    return name[:8], int(number or 1)
