"""A file that has no name until it is whole, so that whatever happens leaves nothing behind."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from faceguard.convert.files import output_error
from faceguard.engines.closing import Closing
from faceguard.engines.errors import OutputError

_ELSEWHERE = "write elsewhere"
# What file systems without nameless files answer (NFS, FAT), and what old kernels do.
_NO_NAMELESS = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOSYS)


class EngineFile(Closing):
    """The engine while it is written; gone at the end of the block unless it was published.

    Attributes:
        handle: Where to write.
    """

    def __init__(self, path: Path) -> None:
        """Opens it in the folder where it is to appear.

        Args:
            path: The name that it is to get.

        Raises:
            OutputError: The folder is missing or cannot be written, or the name is a folder's.
        """
        self._path = path
        self._draft = path.with_name(f".{path.name}.part")
        self._nameless = True
        self.handle = -1
        if path.is_dir():
            raise OutputError(f"{path}: is a folder; name a file in it")
        try:
            self.handle = self._open()
        except OSError as error:
            raise output_error(path.parent, error, elsewhere=_ELSEWHERE) from error

    def publish(self) -> None:
        """Gives it its name; a file that stands there is replaced.

        Raises:
            OutputError: From the system.
        """
        try:
            if self._nameless:
                self._name()
            else:
                self._draft.replace(self._path)
                self._nameless = True
        except OSError as error:
            raise output_error(self._path.parent, error, elsewhere=_ELSEWHERE) from error

    def close(self) -> None:
        """Lets go; what has no name now is gone."""
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1
        if not self._nameless:
            with suppress(OSError):
                self._draft.unlink()
            self._nameless = True

    def _open(self) -> int:
        try:
            return os.open(self._path.parent, os.O_TMPFILE | os.O_RDWR, 0o666)
        except OSError as error:
            if error.errno not in _NO_NAMELESS:
                raise
        self._nameless = False
        return os.open(self._draft, os.O_CREAT | os.O_TRUNC | os.O_RDWR | os.O_NOFOLLOW, 0o666)

    def _name(self) -> None:
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            try:
                self._link(self._path.name, folder)
            except FileExistsError:
                # A link cannot replace a file, a rename can.
                self._draft.unlink(missing_ok=True)
                self._link(self._draft.name, folder)
                self._draft.replace(self._path)
        finally:
            os.close(folder)

    def _link(self, name: str, folder: int) -> None:
        # With a folder's handle Python calls linkat, the only way to follow this link.
        source = f"/proc/self/fd/{self.handle}"
        os.link(source, name, dst_dir_fd=folder, follow_symlinks=True)
