"""The file of a trace: grows by one write a row, is put aside when it is large, is read back."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from faceguard.edge.atomic import one_line
from faceguard.edge.heat.traces.mind import Mind
from faceguard.edge.heat.traces.trace_format import CUT, MARK, Row, Section, Sections, section_of
from faceguard.edge.outputs.growing import is_still_there, open_growing, unfit, write_whole
from faceguard.engines.closing import Closing
from faceguard.engines.errors import InputError, OutputError

_KEY = "thermal.trace"
_LOOK = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW
_HEAD = 65_536
_LONGEST_LINE = 1_000_000


class TraceFile(Closing):
    """A trace that grows. What stands in the file stays, and a new section follows it.

    Beyond its size it is put aside as FILE.1, in place of an older trace and of nothing else. Where
    somebody else moves it away (logrotate), it is made anew. One process at a time has it.
    """

    def __init__(self, path: Path, keep_mb: float) -> None:
        """Sets up; the file is opened by the first row.

        Args:
            path: The file; its folder is made where there is none.
            keep_mb: Megabytes beyond which it is put aside.
        """
        self._path = path
        self._most_bytes = int(keep_mb * 1e6)
        self._sections = Sections()
        self._file = -1

    def add(self, before: Mind, row: Row, after: Mind) -> None:
        """Writes one row. After an error, the next one opens the file anew.

        It is one write to the kernel, and no fsync: that would wear out a memory card, and wait for
        a slow one, once a second. A cut of power costs the last half minute or so.

        Args:
            before: What the decision stood on.
            row: What was felt and decided.
            after: What the next decision will stand on, if nobody changes it meanwhile.

        Raises:
            OutputError: It cannot be written, or not be put aside; nothing of the row stays there.
        """
        try:
            if self._file >= 0 and not is_still_there(self._file, self._path):
                self.close()
            self._open()
            lines = self._sections.lines(before, row, after).encode()
            size = os.fstat(self._file).st_size
            if size and size + len(lines) > self._most_bytes:
                self._put_aside()
                self.close()
                self._open()
                lines = self._sections.lines(before, row, after).encode()
            write_whole(self._file, self._path, lines)
        except OSError as error:
            self.close()
            mend = "; free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
            raise OutputError(f"{one_line(self._path)}: {error.strerror}{mend}") from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Closes the file."""
        file, self._file = self._file, -1
        self._sections.reset()
        if file >= 0:
            os.close(file)

    def _open(self) -> None:
        if self._file >= 0:
            return
        # Read as well, to see how it ends.
        self._file = open_growing(self._path, os.O_RDWR, _KEY)
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            raise unfit(self._path, "it is no plain file", _KEY)
        if _is_locked(self._file):
            raise unfit(self._path, "another faceguard writes there", _KEY)
        if not _may_be_trace(self._file):
            raise unfit(self._path, "something else stands in it, and no trace", _KEY)
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            write_whole(self._file, self._path, CUT.encode() + b"\n")

    def _put_aside(self) -> None:
        aside = self._path.with_name(self._path.name + ".1")
        why = _why_kept(aside)
        if why is not None:
            raise OutputError(
                f"{one_line(aside)}: in the way of the trace, which is full: {why}; move it away, "
                f"or name another place under {_KEY}"
            )
        self._path.replace(aside)


def is_in_use(path: Path) -> bool:
    """Whether a running process writes its trace there.

    Args:
        path: A file, or where one could be.
    """
    try:
        file = os.open(path, _LOOK)
    except OSError:
        return False  # nothing there, or a link, of which only the link could be replaced
    try:
        return _is_locked(file)
    finally:
        os.close(file)


def _why_kept(aside: Path) -> str | None:
    """Why a file must stay where it is; None where it is a trace that has had its time."""
    try:
        file = os.open(aside, _LOOK)
    except FileNotFoundError:
        return None
    except OSError as error:
        return "it is a link" if error.errno == errno.ELOOP else error.strerror
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode) or not _is_trace(file):
            return "it is no trace"
        return "another faceguard writes there" if _is_locked(file) else None
    finally:
        os.close(file)


def _may_be_trace(file: int) -> bool:
    """Whether it begins as a trace, be it empty; what a cut of power left may begin with zeros."""
    return MARK.encode().startswith(os.pread(file, len(MARK), 0).lstrip(b"\0"))


def _is_trace(file: int) -> bool:
    """Whether nothing but a trace is in it, as far as its beginning tells."""
    head, mark = os.pread(file, _HEAD, 0), MARK.encode()
    # Zeros alone could be anything's; in a trace a section follows them.
    return not head or head.startswith(mark) or (head[0] == 0 and b"\n" + mark in head)


def _is_locked(file: int) -> bool:
    """Whether another has the lock; if none has, it is taken until the file is closed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # a file system that has no locks
    return False


@dataclass(frozen=True)
class Entry:
    """A row that was read.

    Attributes:
        section: Where it belongs; the same object for all rows of one section.
        row: The row.
        line: Its number in the file, from 1.
        place: FILE:LINE, for words.
    """

    section: Section
    row: Row
    line: int
    place: str


def read_trace(path: Path) -> Iterator[Entry]:
    """Reads a trace, a row at a time.

    A row that a cut of power left half is left out, at the end as anywhere else.

    Args:
        path: The file; a plain one.

    Yields:
        The rows in the order of the file.

    Raises:
        InputError: It cannot be read, is no trace, or is damaged. What was yielded before holds.
    """
    section: Section | None = None
    awaits_names, found = False, False
    try:
        with _opened(path) as file:
            for count, line in enumerate(_lines(file, path), 1):
                place = f"{one_line(path)}:{count}"
                if line.endswith(CUT):
                    continue
                try:
                    if line.startswith(MARK):
                        section, awaits_names = section_of(line), True
                    elif section is None:
                        raise InputError(f"{one_line(path)}: is no trace of faceguard")
                    elif awaits_names:
                        if line + "\n" != section.names():
                            raise ValueError("names other columns than its section has")
                        awaits_names = False
                    else:
                        found = True
                        yield Entry(section, section.row(line), count, place)
                except ValueError as error:
                    raise InputError(f"{place}: {error}") from None
    except OSError as error:
        raise InputError(f"{one_line(path)}: cannot be read: {error.strerror}") from error
    if not found:
        raise InputError(f"{one_line(path)}: holds no whole row of a trace")


def _opened(path: Path) -> BinaryIO:
    try:
        # Not blocking: to open a pipe without a writer would never return.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:
        raise InputError(f"{one_line(path)}: cannot be read: {error}") from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise InputError(f"{one_line(path)}: is no plain file; a trace is one")
    return os.fdopen(handle, "rb")


def _lines(file: BinaryIO, path: Path) -> Iterator[str]:
    """Whole lines, without their ends."""
    count = 0
    while data := file.readline(_LONGEST_LINE):
        count += 1
        if not data.endswith(b"\n"):
            if len(data) == _LONGEST_LINE:
                raise InputError(f"{one_line(path)}:{count}: is longer than any line of a trace")
            return
        try:
            yield data[:-1].decode()
        except UnicodeDecodeError:
            if data.endswith(CUT.encode() + b"\n"):
                yield CUT
                continue
            raise InputError(f"{one_line(path)}:{count}: is no text") from None
