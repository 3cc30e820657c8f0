"""The child process as its parent sees it: started, heard, asked to stop, killed."""

from __future__ import annotations

import errno
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from contextlib import ExitStack, suppress
from io import FileIO
from pathlib import Path

from faceguard.convert.child.wire import STOP, Message, Receiver, one_line
from faceguard.engines.closing import Closing
from faceguard.engines.errors import BuildFailed, NotEnoughMemory

_START = (
    # The parent's own path, so that the child finds the very same modules.
    "import sys; _, room, handles, *sys.path = sys.argv; import importlib; "
    "importlib.import_module(room).main(*map(int, handles.split(',')))"
)
_READ_BYTES = 1 << 16
_LOG_CHUNKS = 16
REAP_S = 2.0
"""How long a killed child may take to be gone; one that hangs within a driver never is."""


class Child(Closing):
    """One child; leaving the block kills it where it still runs.

    It is the leader of a session of its own: a Ctrl-C on the terminal reaches the parent only,
    which decides.

    Attributes:
        killed: Whether `kill` did it.
    """

    def __init__(self, room: str, request: bytes, *handles: int) -> None:
        """Starts it.

        Args:
            room: The module whose `main` does the work; it is given the handle for messages, then
                those of the caller.
            request: What the child is to do; it comes to it through `inside.Inside.request`.
            handles: Open files that the child is to have.

        Raises:
            NotEnoughMemory: The system has no room for another process.
            BuildFailed: It cannot be started.
        """
        self.killed = False
        self._receiver = Receiver()
        self._log: deque[bytes] = deque(maxlen=_LOG_CHUNKS)
        # Written as the child reads: one that hangs at its start must not hang its parent.
        self._untold = memoryview(b"%d\n" % len(request) + request)
        self._held = ExitStack()
        try:
            self._selector = self._held.enter_context(selectors.DefaultSelector())
            self._messages, messages = self._pipe()
            self._log_end, log = self._pipe()
            passed = (messages.fileno(), *handles)
            self._process = subprocess.Popen(
                [_python(), "-c", _START, room, ",".join(map(str, passed)), *sys.path],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=passed,
                start_new_session=True,
            )
        except OSError as error:
            self._held.close()
            raise _not_started(error) from error
        except BaseException:
            self._held.close()
            raise
        self._held.callback(self._end)
        # The pipes end when the child's copies do.
        messages.close()
        log.close()
        for end in (self._messages, self._log_end):
            self._selector.register(end, selectors.EVENT_READ)
        assert self._process.stdin is not None  # noqa: S101 it was asked for
        self._control = self._process.stdin.fileno()
        os.set_blocking(self._control, False)
        self._selector.register(self._control, selectors.EVENT_WRITE)

    def close(self) -> None:
        """Kills it where it still runs, and waits until it is gone."""
        self._held.close()

    @property
    def is_talking(self) -> bool:
        """Whether more messages may come; a child that is gone has none."""
        return self._messages in self._selector.get_map()

    def listen(self, wait_s: float, *, wake: int) -> list[Message]:
        """What it said.

        Args:
            wait_s: How long to wait for more.
            wake: A handle that ends the wait when it can be read.

        Returns:
            Its messages since the last call; often none.
        """
        messages: list[Message] = []
        gone = self._process.poll() is not None
        self._selector.register(wake, selectors.EVENT_READ)
        try:
            ready = [key.fd for key, _ in self._selector.select(0 if gone else max(wait_s, 0.0))]
        finally:
            self._selector.unregister(wake)
        for handle in ready:
            if handle == self._control:
                self._tell()
                continue
            data = os.read(handle, _READ_BYTES)
            if handle == wake:
                continue
            if not data:
                self._selector.unregister(handle)
            elif handle == self._messages.fileno():
                messages += self._receiver.feed(data)
            else:
                self._log.append(data)
        if gone and self.is_talking and self._messages.fileno() not in ready:
            # Something that it started has its pipe; nobody speaks for it any more.
            self._selector.unregister(self._messages)
        return messages

    def ask_to_stop(self) -> None:
        """Asks it to end; when it does is its own affair."""
        if not self._untold and self._control not in self._selector.get_map():
            self._selector.register(self._control, selectors.EVENT_WRITE)
        self._untold = memoryview(bytes(self._untold) + STOP)
        self._tell()

    def kill(self) -> None:
        """Ends it now, and whatever it started in its session."""
        if self._process.poll() is None:
            self.killed = True
            with suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def wait(self, limit_s: float) -> int | None:
        """How it ended: its exit code, negative for a signal; None where it still runs."""
        try:
            return self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return None

    def last_words(self, lines: int = 4) -> str:
        """The end of its log, on one line."""
        os.set_blocking(self._log_end.fileno(), False)
        while data := self._log_end.read(_READ_BYTES):
            self._log.append(data)
        text = b"".join(self._log).decode(errors="replace")
        said = [one_line(line, 200) for line in text.splitlines() if line.strip()]
        return " | ".join(said[-lines:]) or "nothing"

    def _tell(self) -> None:
        """Writes as much as the pipe takes now."""
        try:
            while self._untold:
                self._untold = self._untold[os.write(self._control, self._untold) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # it is gone; its messages end too
            self._untold = memoryview(b"")
        if self._control in self._selector.get_map():
            self._selector.unregister(self._control)

    def _pipe(self) -> tuple[FileIO, FileIO]:
        """The reading and the writing end."""
        reading, writing = os.pipe()
        ends = FileIO(reading, "r"), FileIO(writing, "w")
        for end in ends:
            self._held.enter_context(end)
        return ends

    def _end(self) -> None:
        self.kill()
        deadline = time.monotonic() + REAP_S
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(deadline - time.monotonic())
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        if self._process.returncode is None:
            # It hangs within a driver and cannot be reaped; claiming that it was keeps Python
            # from warning about it at exit.
            self._process.returncode = -signal.SIGKILL


def _python() -> str:
    """The Python that runs here; where a program has it built in, the one beside its libraries."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own = Path(sys.executable or "")
    if own.name.startswith("python"):
        return str(own)
    beside = [
        Path(prefix, "bin", found)
        for prefix in (sys.prefix, sys.base_prefix)
        for found in (name, "python3")
    ]
    found = next((path for path in beside if os.access(path, os.X_OK)), None)
    if found is None:
        raise BuildFailed(
            f"no {name} was found at {sys.prefix}, and a build runs in a process of its own; "
            "install it, or set sys.executable"
        )
    return str(found)


def _not_started(error: OSError) -> BuildFailed | NotEnoughMemory:
    reason = error.strerror or type(error).__name__
    if error.errno in (errno.ENOMEM, errno.EAGAIN):
        return NotEnoughMemory(
            f"no process can be started for the build ({reason}); stop other programs"
        )
    return BuildFailed(f"no process can be started for the build ({reason}); see `ulimit -a`")
