"""One faceguard a camera, and one a name: a second one is refused.

The kernel holds the locks and lets them go however their holder ends. A camera is locked twice: by
a socket in the kernel's own name space, which needs no folder that all have in common, and by a
file, which also those see who have another network name space. A name is locked by a file alone,
next to the status that goes by it. Lock files stay where they are: to remove one while another
process opens it would let two hold "the" lock.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import socket
import struct
from contextlib import ExitStack, suppress
from pathlib import Path

from faceguard.edge.atomic import one_line
from faceguard.engines.closing import Closing
from faceguard.engines.errors import AlreadyRunning, OutputError

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Those who ask for our number stay in this queue, as nobody takes them out of it.
_MOST_ASKED = 128
_CREDENTIALS = struct.Struct("iII")


class OneInstance(Closing):
    """Holds a camera and a name for as long as it is open; for one thread."""

    def __init__(
        self, identity: str | None, name: str, folder: Path, *, shown: str = "this camera"
    ) -> None:
        """Takes both, or neither.

        Args:
            identity: What two configurations of one camera have in common; None where any number
                may read it at a time.
            name: The camera's name, under which status, recordings and addresses stand.
            folder: Where lock files go; the same for all instances on a machine, if possible.
            shown: The camera as people may read it.

        Raises:
            AlreadyRunning: Another instance has the camera or the name.
            OutputError: The locks cannot be made.
        """
        self._folder = folder
        self._identity: str | None = None
        self._camera = ExitStack()
        self._name = ExitStack()
        try:
            self.follow(identity, shown=shown)
            _hold_file(self._name, folder, "name", name, f"the name {name!r}")
        except BaseException:
            self.close()
            raise

    def follow(self, identity: str | None, *, shown: str = "this camera") -> None:
        """Takes the camera under the name that it has now, and lets the one of before go.

        A link to a device says which one only when the device is there, and after the camera was
        plugged in anew it may be another. Nothing happens where the name is the same.

        Args:
            identity: As in `__init__`.
            shown: As in `__init__`.

        Raises:
            AlreadyRunning: Another instance has it; what was held stays held.
            OutputError: The locks cannot be made; what was held stays held.
        """
        if identity == self._identity:
            return
        with ExitStack() as taken:
            if identity is not None:
                # The socket first: from the kernel it is known who holds it.
                _hold_socket(taken, identity, shown)
                _hold_file(taken, self._folder, "camera", identity, shown)
            self._camera.close()
            self._camera = taken.pop_all()
            self._identity = identity

    def close(self) -> None:
        """Lets both go."""
        self._camera.close()
        self._name.close()
        self._identity = None


def _hold_socket(holder: ExitStack, identity: str, shown: str) -> None:
    """Takes an address that only one socket may have; the kernel frees it with the process."""
    address = f"\0faceguard-camera-{hashlib.sha256(identity.encode()).hexdigest()[:32]}"
    try:
        ours = holder.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        ours.bind(address)
        # Only of a socket that listens does the kernel say whose it is.
        ours.listen(_MOST_ASKED)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise AlreadyRunning(_in_use(shown, _owner(address))) from None
        raise OutputError(
            f"{shown}: cannot be reserved by a socket: {error.strerror}; "
            "let the sandbox allow AF_UNIX (systemd: RestrictAddressFamilies=)"
        ) from error


def _owner(address: str) -> int | None:
    """The process that listens there; None where it cannot be known."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.setblocking(False)
            asking.connect(address)
            found = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError:  # it has just gone, or too many have asked
        return None
    pid: int = _CREDENTIALS.unpack(found)[0]
    return pid or None  # 0 for a process that cannot be seen from this container


def _hold_file(holder: ExitStack, folder: Path, kind: str, key: str, shown: str) -> None:
    path = folder / f"{kind}-{_plain(key)}.lock"
    handle = _locked(path, shown)
    holder.callback(os.close, handle)
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
            "mend that, or name a folder for all faceguards in RUNTIME_DIRECTORY"
        ) from error


def _lock(handle: int, path: Path, shown: str) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise AlreadyRunning(_in_use(shown, _written(handle))) from None
    except OSError as error:
        raise OutputError(
            f"{one_line(path)}: cannot be locked: {error.strerror}; "
            "name a folder on another disk in RUNTIME_DIRECTORY, the same for all faceguards"
        ) from error


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.lstat())
    except FileNotFoundError:
        return False


def _written(handle: int) -> int | None:
    try:
        return int(os.pread(handle, 32, 0))
    except (OSError, ValueError):  # it has locked and not yet written
        return None


def _in_use(shown: str, holder: int | None) -> str:
    if holder is None:
        return (
            f"{shown} is used by another faceguard; find it: pgrep -af faceguard, "
            "or systemctl list-units 'faceguard*'"
        )
    return (
        f"{shown} is used by faceguard with process id {holder}; stop it: kill {holder}, "
        f"or stop its unit, which this names: systemctl status {holder}"
    )


def _plain(key: str) -> str:
    """The key as a part of a file's name."""
    return key if _PLAIN.fullmatch(key) else hashlib.sha256(key.encode()).hexdigest()[:32]
