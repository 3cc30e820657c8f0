"""`faceguard run` as a process, and what it tells a service manager."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from faceguard.engines.closing import Closing
from tests.walking import files_in

PATIENCE_S = 60.0
# A machine that runs tests may be hot, or have no sensors: neither is what most of them look at.
UNGOVERNED = (
    "thermal: {limit_c: 95, trip_margin_c: 0, emergency_c: 20, without_sensors: unlimited}\n"
)


class Service(Closing):
    """The program, and what it tells a service manager."""

    def __init__(self, place: Path, text: str) -> None:
        self.place = place
        self.file = place / "camera.yaml"
        self.file.write_text(text)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = place / "notify"
        self._socket.bind(str(address))
        self._socket.settimeout(0.2)
        self.told: list[str] = []
        environment = {
            **os.environ,
            "NOTIFY_SOCKET": str(address),
            "WATCHDOG_USEC": "2000000",
            # Locks go here: other tests, and other people's cameras, have their own.
            "RUNTIME_DIRECTORY": str(place),
        }
        self.process = subprocess.Popen(
            self.command(), env=environment, stderr=subprocess.PIPE, text=True
        )

    def command(self) -> list[str]:
        """What is started."""
        return [sys.executable, "-m", "faceguard.edge.cli", "run", "-c", str(self.file)]

    def until(self, condition: Callable[[], bool], what: str) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < end_s:
            self._listen()
            if condition():
                return
            if self.process.poll() is not None:
                break
        raise AssertionError(f"{what}: not within {PATIENCE_S} s; {self.told}; {self.errors()}")

    def until_told(self, word: str) -> None:
        self.until(lambda: any(word in message for message in self.told), word)

    def errors(self) -> str:
        if self.process.poll() is None:
            return ""
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def status(self) -> dict:
        try:
            return json.loads((self.place / "camera.json").read_text())
        except FileNotFoundError:
            return {}

    def events(self) -> list[str]:
        path = self.place / "events.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line)["kind"] for line in lines]

    def camera(self) -> dict:
        return self.status().get("camera", {"state": None})

    def until_out(self, frames: int) -> None:
        """Waits until so many frames more got out."""
        before = self.status().get("frames", {}).get("out", 0)
        self.until(
            lambda: self.status().get("frames", {}).get("out", 0) >= before + frames, "frames out"
        )

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        self._listen()
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()
        self._socket.close()

    def _listen(self) -> None:
        try:
            while True:
                self.told += self._socket.recv(4096).decode().splitlines()
        except TimeoutError:
            pass


def segments(place: Path) -> list[Path]:
    """The recordings of a service."""
    return files_in(place / "recordings", ".mp4")
