"""The child process as its parent sees it: started, heard, asked to stop, killed."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from contextlib import ExitStack, suppress
from io import FileIO

from faceguard.convert.build.wire import STOP, Message, Receiver, one_line
from faceguard.engines.closing import Closing

_START = (
    # The parent's own path, so that the child finds the very same modules.
    "import sys; handles = map(int, sys.argv[1:3]); sys.path[:] = sys.argv[3:]; "
    "from faceguard.convert.build import worker; worker.main(*handles)"
)
_READ_BYTES = 1 << 16
_LOG_CHUNKS = 16
_REAP_S = 2.0


class Child(Closing):
    """One child; leaving the block kills it where it still runs.

    It is the leader of a session of its own: a Ctrl-C on the terminal reaches the parent only,
    which decides.
    """

    def __init__(self, request: str, engine_handle: int) -> None:
        """Starts it.

        Args:
            request: The request as JSON, one line.
            engine_handle: Where the child writes the engine.

        Raises:
            OSError: It cannot be started.
        """
        self.killed = False
        self._receiver = Receiver()
        self._log: deque[bytes] = deque(maxlen=_LOG_CHUNKS)
        self._held = ExitStack()
        self._selector = self._held.enter_context(selectors.DefaultSelector())
        try:
            self._messages, messages = self._pipe()
            self._log_end, log = self._pipe()
            handles = (messages.fileno(), engine_handle)
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, *map(str, handles), *sys.path],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=handles,
                start_new_session=True,
            )
        except BaseException:
            self._held.close()
            raise
        self._held.callback(self._end)
        # The pipes end when the child's copies do.
        messages.close()
        log.close()
        for end in (self._messages, self._log_end):
            self._selector.register(end, selectors.EVENT_READ)
        self._tell(request.encode() + b"\n")

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
        self._selector.register(wake, selectors.EVENT_READ)
        try:
            ready = [key.fd for key, _ in self._selector.select(max(wait_s, 0.0))]
        finally:
            self._selector.unregister(wake)
        for handle in ready:
            data = os.read(handle, _READ_BYTES)
            if handle == wake:
                continue
            if not data:
                self._selector.unregister(handle)
            elif handle == self._messages.fileno():
                messages += self._receiver.feed(data)
            else:
                self._log.append(data)
        return messages

    def ask_to_stop(self) -> None:
        """Asks it to end its build; it does between two steps."""
        self._tell(STOP)

    def kill(self) -> None:
        """Ends it now, and whatever it started."""
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

    def _tell(self, data: bytes) -> None:
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):  # it is gone; its messages end too
                self._process.stdin.write(data)

    def _pipe(self) -> tuple[FileIO, FileIO]:
        """The reading and the writing end."""
        reading, writing = os.pipe()
        ends = FileIO(reading, "r"), FileIO(writing, "w")
        for end in ends:
            self._held.enter_context(end)
        return ends

    def _end(self) -> None:
        self.kill()
        deadline = time.monotonic() + _REAP_S
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(deadline - time.monotonic())
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        if self._process.returncode is None:
            # It hangs within a driver and cannot be reaped; claiming that it was keeps Python
            # from warning about it at exit.
            self._process.returncode = -signal.SIGKILL
