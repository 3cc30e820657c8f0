"""What systemd is told: that we are ready, how we are, and that frames still get out.

The protocol is one datagram a message, see sd_notify(3). Without systemd nothing happens.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import deque
from collections.abc import Mapping

from faceguard.edge.service.scrub import SCRUBBER
from faceguard.engines.closing import Closing

_LONGEST_STATUS = 200
_MOST_WAITING = 8


class Notifier(Closing):
    """Speaks to the service manager; never raises and never waits.

    What must not be lost (ready, reloading, stopping) and finds the manager's socket full is sent
    before the next message. Safe from any thread.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Looks whether there is a service manager.

        Args:
            environment: Where NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are looked up.
        """
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._socket = _open() if self._address else None
        self._waiting: deque[bytes] = deque(maxlen=_MOST_WAITING)
        self._lock = threading.Lock()
        self.watchdog_s = _watchdog_s(environment)

    def ready(self) -> None:
        """The start, or a reload, is over: the first frame is out."""
        self._tell("READY=1", keep=True)

    def status(self, text: str) -> None:
        """One line for `systemctl status`.

        Args:
            text: Without addresses or secrets; those that are known are taken out once more.
        """
        line = " ".join(SCRUBBER.scrub(text).split())
        self._tell(f"STATUS={line[:_LONGEST_STATUS]}")

    def alive(self) -> None:
        """Feeds the watchdog."""
        self._tell("WATCHDOG=1")

    def reloading(self) -> None:
        """A reload begins; `ready` ends it."""
        now_us = time.monotonic_ns() // 1000
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={now_us}", keep=True)

    def stopping(self) -> None:
        """The end begins."""
        self._tell("STOPPING=1", keep=True)

    def close(self) -> None:
        """Lets the socket go."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def _tell(self, message: str, *, keep: bool = False) -> None:
        with self._lock:
            if self._socket is None:
                return
            self._waiting.append(message.encode("utf-8", "backslashreplace"))
            while self._waiting:
                try:
                    self._socket.sendto(self._waiting[0], self._address)
                except BlockingIOError:
                    if not keep:
                        self._waiting.pop()
                    return
                except OSError:
                    pass  # the manager has gone, or restarts; there is nobody to tell
                self._waiting.popleft()


class Pulse:
    """Decides when the watchdog is fed: only if something got out since the last time.

    The deliver room beats, the main thread feeds. A hang in either starves the watchdog.
    """

    def __init__(self, notifier: Notifier) -> None:
        """Starts without a beat."""
        self._notifier = notifier
        self._beaten = False

    def beat(self) -> None:
        """A frame or slate went out; may be called from any thread."""
        self._beaten = True

    def feed(self) -> bool:
        """Called about once a second.

        Returns:
            Whether the watchdog was fed.
        """
        if not self._beaten:
            return False
        # Taken back first: a beat that comes in between then counts for the next time.
        self._beaten = False
        self._notifier.alive()
        return True


def _address(name: str) -> str:
    """The socket's address; empty where there is none that we can reach."""
    if name.startswith("@"):  # in the abstract name space, which begins with a zero byte
        return "\0" + name[1:]
    return name if name.startswith("/") else ""


def _open() -> socket.socket | None:
    try:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    except OSError:
        return None
    made.setblocking(False)
    return made


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    """How often the watchdog wants to be fed at least; None where there is none for us."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None  # meant for the process that started us
    try:
        interval_us = int(environment.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return interval_us / 1e6 if interval_us > 0 else None
