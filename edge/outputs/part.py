"""A segment's file while it is written: whole fragments only, each on disk before the next."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass

from typing_extensions import Self

from faceguard.edge.outputs.place import BLOCK, FILE_MODE, is_there, sync_folder

# What a write says when there is no more space.
FULL = (errno.ENOSPC, errno.EDQUOT)
_CLOSED, _OPEN = ".mp4", ".part.mp4"


@dataclass(frozen=True)
class Kept:
    """A finished segment.

    Attributes:
        day: Name of its folder.
        name: Its own.
        size: Bytes that it takes on disk.
        mtime_s: When it was last written to, seconds since 1970.
    """

    day: str
    name: str
    size: int
    mtime_s: float


class Part:
    """`HH-MM-SS.part.mp4`, which becomes `HH-MM-SS.mp4`; a name that is taken gets -2, -3.

    Attributes:
        size: Bytes written so far.
    """

    def __init__(self, folder: int, day: str, name: str, file: int, size: int) -> None:
        """Takes over a file; see `new` and `left_over`."""
        self._day = day
        self._name = name
        self._file = file
        self.size = size
        self._folder = os.dup(folder)

    @classmethod
    def new(cls, folder: int, day: str, moment: str) -> Self:
        """An empty file.

        Args:
            folder: Handle of the day's folder.
            day: Its name.
            moment: HH-MM-SS.

        Raises:
            OSError: It cannot be made.
        """
        name = _free_stem(folder, moment) + _OPEN
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        file = os.open(name, flags, FILE_MODE, dir_fd=folder)
        sync_folder(folder)  # or a power cut would leave the bytes without a name
        return cls(folder, day, name, file, 0)

    @classmethod
    def left_over(cls, folder: int, day: str, name: str) -> Self:
        """What a killed run left, cut to its whole fragments.

        Raises:
            OSError: It cannot be opened or cut.
        """
        file = os.open(name, os.O_RDWR | os.O_NOFOLLOW, dir_fd=folder)
        try:
            before, size = os.fstat(file), whole_bytes(file)
            if size < before.st_size:
                os.ftruncate(file, size)
                os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        except BaseException:
            os.close(file)
            raise
        return cls(folder, day, name, file, size)

    @property
    def is_gone(self) -> bool:
        """Whether somebody removed it."""
        return os.fstat(self._file).st_nlink == 0

    def append(self, fragments: bytes) -> None:
        """Writes and waits until it is on disk; all of it or nothing.

        Raises:
            OSError: That failed; the file is as it was before.
        """
        try:
            rest = memoryview(fragments)
            at = self.size
            while rest:
                written = os.pwrite(self._file, rest, at)
                rest, at = rest[written:], at + written
            os.fdatasync(self._file)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._file, self.size)
            raise
        self.size = at

    def finish(self) -> Kept | None:
        """Gives it its name, or removes it when there is nothing in it.

        Returns:
            What it became; None where nothing was left.

        Raises:
            OSError: That failed; the next start finishes it.
        """
        try:
            if self.size == 0 or self.is_gone:
                with suppress(FileNotFoundError):
                    os.unlink(self._name, dir_fd=self._folder)
                return None
            os.fsync(self._file)
            stem = self._name.removesuffix(_OPEN)
            if is_there(self._folder, stem + _CLOSED):
                stem = _free_stem(self._folder, stem[:8])
            name = stem + _CLOSED
            os.rename(self._name, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            sync_folder(self._folder)
            stat = os.fstat(self._file)
            return Kept(self._day, name, stat.st_blocks * BLOCK, stat.st_mtime)
        finally:
            os.close(self._file)
            os.close(self._folder)


def whole_bytes(file: int) -> int:
    """How many bytes of a fragmented MP4 are whole fragments; 0 without any.

    Boxes as in ISO/IEC 14496-12: 4 bytes of size, 4 of type; a size of 1 has 8 more bytes.
    """
    length = os.fstat(file).st_size
    at = whole = 0
    in_fragment = False
    while at + 8 <= length:
        head = os.pread(file, 16, at)
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        if size < 8 or at + size > length:
            break
        at += size
        if kind == b"moof":
            in_fragment = True
        elif (kind == b"mdat" and in_fragment) or (kind == b"mfra" and whole):
            in_fragment, whole = False, at
    return whole


def _free_stem(folder: int, moment: str) -> str:
    stem, number = moment, 1
    while is_there(folder, stem + _CLOSED) or is_there(folder, stem + _OPEN):
        number += 1
        stem = f"{moment}-{number}"
    return stem
