"""Files that appear whole or not at all: written beside their place, synced, then given the name.

The unfinished file is `.NAME.PID-RANDOM.part.SUFFIX`: hidden, in the same folder (a rename does
not cross file systems), and with its suffix last, from which encoders tell the format.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import stat
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from faceguard.engines.closing import Closing
from faceguard.engines.errors import FaceguardError, OutputError, OutputExists
from faceguard.engines.sync import sync

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_NAME = 255
# "." + "." + pid (7 digits at most) + "-" + 8 hex digits + ".part"
_PART_OVERHEAD = 1 + 1 + 7 + 1 + 8 + 5
_PART = re.compile(r"\..*\.(\d+)-[0-9a-f]{8}\.part[^/]*", re.DOTALL)

_WHY: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("no space is left there", "free some, or name another place"),
    errno.EDQUOT: ("the disk quota is used up", "free some, or name another place"),
    errno.EFBIG: ("the file grows larger than the file system takes", "name another place"),
    errno.EACCES: ("no permission to write there", "change its rights, or name another place"),
    errno.EPERM: ("no permission to write there", "change its rights, or name another place"),
    errno.EROFS: ("the file system is read-only", "name another place"),
    errno.ENOTDIR: ("a part of the path is a file and no folder", "name another place"),
    errno.ENOENT: ("its folder does not exist", "make the folder first"),
    errno.EISDIR: ("a folder stands there", "name a file"),
    errno.ENAMETOOLONG: ("the name is too long", "name a shorter one"),
    errno.ELOOP: ("its links lead in a circle", "name another place"),
    errno.EIO: ("the device failed while writing", "check the disk, or name another place"),
}
# Where a file system has no hard links, os.link answers with one of these.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)


def one_line(value: object) -> str:
    """A path or another's message with line breaks and other control characters made visible."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value)
    )


class Staged(Closing):
    """A file in the making; `commit` gives it its name, anything else leaves no trace of it.

    Attributes:
        path: Where it will stand.
        part: Where to write until then; an empty file that is there already.
    """

    def __init__(self, path: Path, *, force: bool) -> None:
        """Makes the unfinished file, and clears away what killed runs left of the same one.

        Args:
            path: Where the file is to stand; its folder must exist.
            force: Whether it may take the place of a file that stands there at the end.

        Raises:
            OutputExists: Something stands there and `force` is off.
            OutputError: The place cannot be written.
        """
        self.path = path
        self._force = force
        self._lock: int | None = None
        with self.told():
            self._check_target()
            _clear_stale(path)
            self.part = path.with_name(_part_name(path))
            # The lock, which dies with its holder, tells other runs that the file is in use; a
            # process id alone means nothing to one in another container.
            self._lock = os.open(self.part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            _try_lock(self._lock)

    def commit(self) -> None:
        """Puts the bytes on disk, then gives the file its name.

        Raises:
            OutputExists: Something came to stand there meanwhile and `force` is off.
            OutputError: The place cannot be written; the unfinished file is gone.
        """
        try:
            with self.told():
                sync(self.part)
                if self._force:
                    self._check_target()
                    self.part.replace(self.path)
                else:
                    self._publish_new()
                with suppress(OSError):  # some network file systems cannot sync a folder
                    sync(self.path.parent)
        finally:
            self.close()

    def close(self) -> None:
        """Removes the unfinished file; nothing happens after `commit` or a second time."""
        if self._lock is None:
            return
        with suppress(OSError):
            self.part.unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = None

    @contextmanager
    def told(self) -> Iterator[None]:
        """Turns an OSError of writing this file, from within, into an OutputError with its mend.

        Errors that belong to other files, and those that tell nothing of a disk (a broken pipe),
        pass through.
        """
        try:
            yield
        except FaceguardError:
            raise
        except OSError as error:
            ours = {None, str(self.path), str(getattr(self, "part", "")), str(self.path.parent)}
            named = error.filename
            if isinstance(named, bytes):
                named = os.fsdecode(named)
            why = _WHY.get(error.errno or 0)
            if why is None or (named if named is None else str(named)) not in ours:
                raise
            raise OutputError(f"{one_line(self.path)}: {why[0]}; {why[1]}") from error

    def _check_target(self) -> None:
        try:
            mode = os.lstat(self.path).st_mode
        except FileNotFoundError:
            return
        if stat.S_ISDIR(mode):
            raise OutputError(f"{one_line(self.path)}: a folder stands there; name a file")
        if not self._force:
            raise OutputExists(self._exists())
        # Replacing /dev/null by a file, as root, breaks the machine.
        if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
            raise OutputError(
                f"{one_line(self.path)}: a device or pipe cannot be replaced; name a file"
            )

    def _exists(self) -> str:
        return f"{one_line(self.path)}: exists already; use --force to replace it"

    def _publish_new(self) -> None:
        """Takes the name only if it is free, with no moment between looking and taking."""
        try:
            os.link(self.part, self.path)
        except FileExistsError:
            raise OutputExists(self._exists()) from None
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # Without hard links: reserve the name, then replace our own empty file.
            try:
                os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
            except FileExistsError:
                raise OutputExists(self._exists()) from None
            try:
                self.part.replace(self.path)
            except OSError:
                self.path.unlink(missing_ok=True)
                raise


def _fitting_stem(target: Path) -> str:
    """The stem, shortened so that the unfinished file's name still fits."""
    stem = target.stem
    room = _LONGEST_NAME - _PART_OVERHEAD - len(os.fsencode(target.suffix))
    while len(os.fsencode(stem)) > room and stem:
        stem = stem[:-1]
    return stem


def _part_name(target: Path) -> str:
    mark = f"{os.getpid()}-{secrets.token_hex(4)}"
    return f".{_fitting_stem(target)}.{mark}.part{target.suffix}"


def _clear_stale(target: Path) -> None:
    """Removes unfinished files of the same target whose writer is gone."""
    head, tail = f".{_fitting_stem(target)}.", f".part{target.suffix}"
    for name, pid in _leftovers(target.parent):
        if name.startswith(head) and name.endswith(tail) and not _is_running(pid):
            with suppress(OSError):
                _remove_unlocked(target.with_name(name))


@lru_cache(maxsize=64)
def _leftovers(folder: Path) -> tuple[tuple[str, int], ...]:
    """Unfinished files that lay in the folder when this process first wrote there.

    Looked up once: to list a folder of many thousand outputs anew for each of them would cost more
    than to write them.
    """
    try:
        names = [found.name for found in folder.iterdir()]
    except OSError:
        return ()  # making the unfinished file will say what is wrong
    found = ((name, _PART.fullmatch(name)) for name in names)
    return tuple((name, int(match[1])) for name, match in found if match)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _remove_unlocked(part: Path) -> None:
    handle = os.open(part, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        if _try_lock(handle):
            part.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    """Takes the file's lock; False where another holds it. No locks there count as free."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
