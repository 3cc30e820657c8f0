"""How a child begins, hears that it is to stop, and ends.

Standard input brings the request, then `stop`; its end means that the parent is gone. Messages go
out over a pipe of their own. Whatever libraries print goes to standard output and error, which the
parent reads as the log.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader, FileIO
from pathlib import Path
from types import TracebackType

from faceguard.convert.child.wire import STOP, Sender
from faceguard.engines.errors import FaceguardError, MissingPackage, NotEnoughMemory

_PR_SET_PDEATHSIG = 1
_OOM_SCORE = "800"


class Inside:
    """This process, as a child.

    Attributes:
        sender: Takes messages for the parent.
        request: What the parent asked for.
    """

    def __init__(self, message_handle: int, *handles: int, on_stop: Callable[[], None]) -> None:
        """Sets the process up, and waits for the request.

        Args:
            message_handle: Where messages go.
            handles: Further handles from the parent; programs started here are not to have them.
            on_stop: Called, in a thread or in a signal's handler, when the parent wants an end.
        """
        _die_with_parent()
        _die_first()
        sys.excepthook = _crash
        for handle in (message_handle, *handles):
            os.set_inheritable(handle, False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: on_stop())
        control = BufferedReader(FileIO(0, "r", closefd=False))
        size = control.readline()
        if not size:  # the parent is gone already
            leave(1)
        self.request = control.read(int(size))
        self.sender = Sender(message_handle)
        threading.Thread(target=_listen, args=(control, on_stop), daemon=True).start()

    @contextmanager
    def telling(self, name: str) -> Iterator[None]:
        """Sends what the block raises to the parent.

        Args:
            name: What is worked on, for a message.
        """
        try:
            yield
        except FaceguardError as error:
            self.sender.send_error(error)
        except ModuleNotFoundError as error:
            self.sender.send_error(
                MissingPackage(
                    f"{name}: this needs the Python package {error.name!r}; "
                    "run: pip install 'faceguard-edge[cpu,convert]'"
                )
            )
        except MemoryError:
            self.sender.send_error(
                NotEnoughMemory(f"{name}: memory ran out while it was built; stop other programs")
            )


def leave(code: int = 0) -> None:
    """Ends at once: libraries that are taken down in order crash in doing so."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _listen(control: BufferedReader, on_stop: Callable[[], None]) -> None:
    while line := control.readline():
        if line == STOP:
            on_stop()
    os._exit(1)


def _die_with_parent() -> None:
    """Asks the kernel to kill this process with its parent.

    The end of standard input says the same, but a thread hears it only when the library lets
    Python run.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _die_first() -> None:
    """Where memory runs out, a build is to go before the camera that runs beside it."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")


def _crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    traceback.print_exception(kind, error, trace)
    leave(1)
