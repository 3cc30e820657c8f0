"""What runs in the child: builds one engine, tells how it goes, ends when it is told to.

Standard input brings the request, then `stop`; its end means that the parent is gone. Messages go
out over a pipe of their own, the engine into a file that the parent has opened. Whatever libraries
print goes to standard output and error, which the parent reads as the log.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
import threading
import traceback
from contextlib import suppress
from io import FileIO
from pathlib import Path
from types import TracebackType

from faceguard.convert.build.backend import Build, Stopped, load_backend
from faceguard.convert.build.listener import Listener
from faceguard.convert.build.request import BuildRequest
from faceguard.convert.build.wire import STOP, Sender, write_all
from faceguard.engines.errors import FaceguardError, NotEnoughMemory, OutputError

_PR_SET_PDEATHSIG = 1
_OOM_SCORE = "800"


def main(message_handle: int, engine_handle: int) -> None:
    """Does the work; does not return.

    Args:
        message_handle: Where messages go.
        engine_handle: An empty file for the engine.
    """
    _die_with_parent()
    _die_first()
    sys.excepthook = _crash
    for handle in (message_handle, engine_handle):
        os.set_inheritable(handle, False)
    stop = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    control = FileIO(0, "r", closefd=False)
    request = BuildRequest.from_json(control.readline())
    threading.Thread(target=_listen, args=(control, stop), daemon=True).start()
    sender = Sender(message_handle)
    try:
        _build(request, engine_handle, sender, stop)
    except FaceguardError as error:
        sender.send("failed", error=type(error).__name__, text=str(error))
    except MemoryError:
        sender.send(
            "failed",
            error=NotEnoughMemory.__name__,
            text=f"{request.graph}: memory ran out while it was built; stop other programs",
        )
    except Stopped:
        pass
    _exit(0)


def _build(
    request: BuildRequest, engine_handle: int, sender: Sender, stop: threading.Event
) -> None:
    sender.send("stage", name=f"loading {request.backend}")
    listener = Listener()
    trt = load_backend(request.backend)
    build = Build(trt, request, listener=listener, sender=sender, stop=stop)
    engine = build.run()
    try:
        write_all(engine_handle, engine)
    except OSError as error:
        raise OutputError(
            f"{request.out}: the engine of {engine.nbytes} bytes cannot be written "
            f"({error.strerror}); free some space, or write elsewhere"
        ) from error
    sender.send(
        "built",
        bytes=engine.nbytes,
        version=trt.__version__,
        warnings=listener.warnings,
        peak_mb=_peak_mb(),
    )
    # From here on a crash of the library does no harm any more.
    sender.send("layers", layers=build.inspect())


def _listen(control: FileIO, stop: threading.Event) -> None:
    while line := control.readline():
        if line == STOP:
            stop.set()
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


def _peak_mb() -> float:
    """The most memory that this process held.

    Not `ru_maxrss`: that one counts what the parent held when it started this process.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return round(int(found.group(1)) * 1024 / 1e6, 1) if found else 0.0


def _crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    traceback.print_exception(kind, error, trace)
    _exit(1)


def _exit(code: int) -> None:
    """Ends at once: libraries that are taken down in order crash in doing so."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
