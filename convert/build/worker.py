"""What runs in the child: builds one engine, tells how it goes, ends when it is told to.

The engine goes into a file that the parent has opened.
"""

from __future__ import annotations

import re
import threading
from pathlib import Path

from faceguard.convert.build.backend import Build, Stopped, load_backend
from faceguard.convert.build.forward import Forwarded
from faceguard.convert.build.listener import Listener
from faceguard.convert.build.request import BuildRequest
from faceguard.convert.child.inside import Inside, leave
from faceguard.convert.child.wire import Sender, write_all
from faceguard.engines.errors import OutputError


def main(message_handle: int, engine_handle: int) -> None:
    """Does the work; does not return.

    Args:
        message_handle: Where messages go.
        engine_handle: An empty file for the engine.
    """
    stop = threading.Event()
    inside = Inside(message_handle, engine_handle, on_stop=stop.set)
    request = BuildRequest.from_json(inside.request)
    try:
        with inside.telling(str(request.graph)):
            _build(request, engine_handle, inside.sender, stop)
    except Stopped:
        pass
    leave()


def _build(
    request: BuildRequest, engine_handle: int, sender: Sender, stop: threading.Event
) -> None:
    Forwarded(sender).stage(f"loading {request.backend}")
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


def _peak_mb() -> float:
    """The most memory that this process held.

    Not `ru_maxrss`: that one counts what the parent held when it started this process.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return round(int(found.group(1)) * 1024 / 1e6, 1) if found else 0.0
