"""The RTSP server's process as the camera sees it: found, started, spoken to, and ended."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from faceguard.edge.outputs import rtsp_wire as wire
from faceguard.engines.closing import Closing
from faceguard.engines.errors import OutputError

PACKAGES = (
    "sudo apt install python3-gi gir1.2-gst-rtsp-server-1.0 "
    "gstreamer1.0-plugins-base gstreamer1.0-plugins-good"
)
"""What makes a Debian, Ubuntu or JetPack able to serve RTSP."""

_SCRIPT = Path(__file__).with_name("rtsp_server.py")
_SYSTEM_PYTHON = "/usr/bin/python3"
# Nothing from the environment or the current folder, and nothing written beside the script.
_ISOLATED = ("-I", "-B")
# GStreamer reads its list of plugins anew where it cannot keep one, which takes a while.
_PROBE_S = 30.0
_GONE_S = 0.5
_SAID_CHARS = 4000
# What an interpreter and GStreamer may want to know; anything else is none of their business.
_ENVIRONMENT = (
    "GI_TYPELIB_PATH",
    "GST_PLUGIN_PATH",
    "GST_PLUGIN_SYSTEM_PATH",
    "GST_REGISTRY",
    "HOME",
    "LD_LIBRARY_PATH",
    "PATH",
    "XDG_CACHE_HOME",
)
_found: str | None = None
_finding = threading.Lock()


def find_interpreter(stop: threading.Event | None = None) -> str | None:
    """A Python that has GStreamer's RTSP server: this one, else the system's.

    Each is tried in a process of its own, since loading GStreamer may crash. What was found is
    remembered; that nothing was found is not, for a package may come while the camera runs.

    Args:
        stop: Ends the search.

    Returns:
        Its path, or None where there is none.
    """
    global _found  # noqa: PLW0603 - it cannot change while the machine is up
    with _finding:
        if _found is None:
            for path in dict.fromkeys((sys.executable, _SYSTEM_PYTHON)):
                if path and os.access(path, os.X_OK) and _can_serve(path, stop):
                    _found = path
                    break
        return _found


def _can_serve(interpreter: str, stop: threading.Event | None) -> bool:
    with subprocess.Popen(
        [interpreter, *_ISOLATED, str(_SCRIPT), "--probe"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        start_new_session=True,
    ) as child:
        until_s = time.monotonic() + _PROBE_S
        while time.monotonic() < until_s and not (stop is not None and stop.is_set()):
            try:
                lacks, _ = child.communicate(timeout=0.1)
            except subprocess.TimeoutExpired:
                continue
            return child.returncode == 0 and not lacks
        child.kill()
    return False


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8"}  # the server reads some of GLib's messages


class RtspChild(Closing):
    """The process. For one thread; only `send` may wait, and for no longer than it is told."""

    def __init__(self, interpreter: str, settings: dict[str, Any]) -> None:
        """Starts it.

        Args:
            interpreter: From `find_interpreter`.
            settings: What it is to do, as JSON takes it; the password goes no other way.

        Raises:
            OSError: It cannot be started.
        """
        ours, its = socket.socketpair()
        try:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                [interpreter, *_ISOLATED, str(_SCRIPT)],
                stdin=its.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=_environment(),
                start_new_session=True,
            )
        except OSError:
            ours.close()
            raise
        finally:
            its.close()
        self._wire = wire.Wire(ours)
        self._poll = select.poll()
        self._poll.register(ours, select.POLLIN)
        assert self._process.stderr is not None  # noqa: S101 - for mypy: we asked for it
        self._says = self._process.stderr
        os.set_blocking(self._says.fileno(), False)
        with suppress(wire.Ended):  # `receive` will say so
            self._wire.send(wire.SETTINGS, json.dumps(settings).encode())

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def waiting_bytes(self) -> int:
        """What it has not read yet, besides what lies in the socket."""
        return self._wire.waiting_bytes

    def receive(self, wait_s: float = 0.0) -> list[tuple[bytes, bytes]]:
        """What it has told: kinds and bodies; what waited for it goes on its way.

        Args:
            wait_s: How long to wait for something.

        Raises:
            OutputError: It is gone.
        """
        if wait_s:
            self._poll.poll(wait_s * 1000)
        try:
            self._wire.flush()
            return self._wire.receive()
        except wire.Ended:
            raise self._gone() from None

    def send(self, kind: bytes, *parts: bytes, wait_s: float = 0.0) -> None:
        """Tells it something; what it does not read now waits in `waiting_bytes`.

        Args:
            kind: One of `rtsp_wire`'s.
            parts: The body, in pieces.
            wait_s: How long it is given to read.

        Raises:
            OutputError: It is gone.
        """
        try:
            self._wire.send(kind, *parts)
            if wait_s and self._wire.waiting_bytes:
                self._flush(wait_s)
        except wire.Ended:
            raise self._gone() from None

    def _flush(self, wait_s: float) -> None:
        poll = select.poll()
        poll.register(self._wire, select.POLLOUT)
        until_s = time.monotonic() + wait_s
        while self._wire.waiting_bytes and (left_s := until_s - time.monotonic()) > 0:
            poll.poll(left_s * 1000)
            self._wire.flush()

    def said(self) -> list[str]:
        """Lines that it, or GStreamer in it, wrote to standard error since the last call."""
        try:
            said = self._says.read(_SAID_CHARS) or b""
        except (BlockingIOError, ValueError):
            return []
        return [line for line in said.decode(errors="replace").splitlines() if line.strip()]

    def close(self) -> None:
        """Ends it at once; it holds nothing that could be lost."""
        self._process.kill()
        self._wire.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GONE_S)
        self._says.close()

    def _gone(self) -> OutputError:
        """How it came to its end; waits a moment for it."""
        try:
            code = self._process.wait(_GONE_S)
        except subprocess.TimeoutExpired:
            return OutputError("the RTSP server closed its connection to us; it is started anew")
        how = f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
        return OutputError(f"the RTSP server {how}; it is started anew")
