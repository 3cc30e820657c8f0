"""`faceguard run` as a service manager runs it, and when it gave what after its start."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.parts.measure import last_line
from benchmarks.parts.scrape import Samples, scrape

THREAD_NAMES = Path(__file__).with_name("thread_names")
_LISTEN_S = 0.02
_START_S = 60.0
_END_S = 10.0
_OUT, _WHOLE = "frames_out_total", "frames_whole_total"


class NotRunning(Exception):
    """The daemon did not start, or has ended; says why."""


@dataclass(frozen=True)
class Setup:
    """What is asked of the daemon.

    Attributes:
        look_ahead: Frames that each one waits.
        every: Look at every n-th frame.
        rtsp: Whether it serves RTSP.
        recordings: Whether it records.
    """

    look_ahead: int = 0
    every: int = 1
    rtsp: bool = True
    recordings: bool = True


@dataclass(frozen=True)
class Start:
    """What came when, seconds from the start of the process.

    Attributes:
        ready_s: READY=1, as systemd hears it: a frame is out, be it a slate.
        frame_s: The first redacted frame of the camera was out.
        verdict_s: The first frame was out in which faces are covered, and not the whole picture;
            None where that was not waited for.
    """

    ready_s: float
    frame_s: float
    verdict_s: float | None


class CameraDaemon:
    """One run, as a context manager.

    Attributes:
        metrics_port: Where its figures are.
        rtsp_url: Where its video is.
        recordings: Folder of its recordings.
    """

    def __init__(self, camera_url: str, setup: Setup, folder: Path) -> None:
        """Writes a configuration; `with` starts it.

        Args:
            camera_url: Of the network camera.
            setup: What else.
            folder: An empty one, for all that it writes.
        """
        self.metrics_port, rtsp_port = _free_ports(2)
        self.rtsp_url = f"rtsp://127.0.0.1:{rtsp_port}/bench"
        self.recordings = folder / "recordings"
        self._folder = folder
        self._log = folder / "log"
        self._config = folder / "bench.yaml"
        # JSON is YAML, too.
        told = configuration(camera_url, setup, self.recordings, self.metrics_port, rtsp_port)
        self._config.write_text(json.dumps(told, indent=1), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None
        self._notify: socket.socket | None = None
        self._begun_s = 0.0

    @property
    def pid(self) -> int:
        """Of the process."""
        if self._process is None:
            raise NotRunning("not started")
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text(encoding="utf-8", errors="replace").rstrip()

    def __enter__(self) -> CameraDaemon:
        """Starts it."""
        notify = self._folder / "notify"
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._notify.bind(str(notify))
            # Where modules may not be kept compiled, each start would compile them anew, which is
            # not so where faceguard was installed.
            kept = {key: v for key, v in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
            environment = {
                **kept,
                "NOTIFY_SOCKET": str(notify),
                "RUNTIME_DIRECTORY": str(self._folder),
                "PYTHONPATH": str(THREAD_NAMES),
            }
            with self._log.open("wb") as log:
                self._begun_s = time.monotonic()
                self._process = subprocess.Popen(
                    [*program(), "run", "--config", str(self._config)],
                    cwd=self._folder,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
        except BaseException:
            self._notify.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Ends it."""
        with suppress(NotRunning):
            self.stop()

    def started(self, *, until_verdict: bool = True) -> Start:
        """Waits until it is up.

        Args:
            until_verdict: Whether to wait for the first frame that is not covered whole.

        Raises:
            NotRunning: It ended, or did not get so far in a minute.
        """
        ready_s: float | None = None
        frame_s: float | None = None
        verdict_s: float | None = None
        is_sure = False
        while ready_s is None or frame_s is None or (until_verdict and not is_sure):
            self._check()
            if ready_s is None:
                ready_s = self._heard_ready(_LISTEN_S)
            else:
                time.sleep(_LISTEN_S)
            out, whole, at_s = self._frames()
            if out >= 1 and frame_s is None:
                frame_s = at_s
            # A frame is counted as whole right after it is counted as out: what the next look
            # takes back was none.
            is_sure = out - whole >= 1 and verdict_s is not None
            if not is_sure:
                verdict_s = at_s if out - whole >= 1 else None
        return Start(ready_s, frame_s, verdict_s if until_verdict else None)

    def stop(self) -> float:
        """Ends it by SIGTERM, or after ten seconds by SIGKILL.

        Returns:
            Seconds that it took to end.

        Raises:
            NotRunning: It had ended before, did not end, or with another code than 0.
        """
        process, self._process = self._process, None
        if self._notify is not None:
            self._notify.close()
        if process is None:
            raise NotRunning("not started")
        if process.poll() is not None:
            raise self._ended(process.returncode)
        begun_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise NotRunning(f"did not end within {_END_S:g} s of SIGTERM") from None
        if code:
            raise self._ended(code)
        return time.monotonic() - begun_s

    def _check(self) -> None:
        if self._process is None:
            raise NotRunning("not started")
        if self._process.poll() is not None:
            raise self._ended(self._process.returncode)
        if time.monotonic() - self._begun_s > _START_S:
            raise NotRunning(f"not up after {_START_S:g} s: {last_line(self._log)}")

    def _ended(self, code: int) -> NotRunning:
        return NotRunning(f"faceguard run: exit code {code}: {last_line(self._log)}")

    def _heard_ready(self, patience_s: float) -> float | None:
        if self._notify is None:
            raise NotRunning("not started")
        self._notify.settimeout(patience_s)
        try:
            message = self._notify.recv(4096)
        except TimeoutError:
            return None
        at_s = time.monotonic() - self._begun_s
        return at_s if b"READY=1" in message.splitlines() else None

    def _frames(self) -> tuple[float, float, float]:
        """Frames out, those of them covered whole, and when that was."""
        try:
            found = scrape(self.metrics_port, [f"faceguard_{name}" for name in (_OUT, _WHOLE)])
        except OSError:  # not up yet
            return 0.0, 0.0, 0.0
        at_s = found.at_ns / 1e9 - self._begun_s
        return _sum(found.samples, _OUT), _sum(found.samples, _WHOLE), at_s


def configuration(
    camera_url: str, setup: Setup, recordings: Path, metrics_port: int, rtsp_port: int
) -> dict[str, Any]:
    """What a user would write into the file; all that is not measured stays as it is by itself."""
    outputs: dict[str, Any] = {}
    if setup.rtsp:
        outputs["rtsp"] = {"port": rtsp_port}
    if setup.recordings:
        outputs["recordings"] = {"folder": str(recordings), "free_mb": 50}
    return {
        "name": "bench",
        "camera": {"kind": "rtsp", "url": camera_url},
        "detector": {"model": "yunet", "engine": "none", "every": setup.every},
        "tracking": {"look_ahead": setup.look_ahead},
        # What a warm machine would take away is not what is measured here.
        "thermal": {"limit_c": 95, "emergency_c": 20, "without_sensors": "unlimited"},
        "outputs": outputs,
        "metrics": {"port": metrics_port},
    }


def program() -> list[str]:
    """The command `faceguard`, as a shell finds it in this environment."""
    script = Path(sys.executable).with_name("faceguard")
    return [str(script)] if script.is_file() else [sys.executable, "-m", "faceguard.edge.cli"]


def _sum(samples: Samples, name: str) -> float:
    return sum(samples.get(name, {}).values())


def _free_ports(count: int) -> list[int]:
    """Ports that nobody had a moment ago, all different."""
    with ExitStack() as stack:
        holders = [stack.enter_context(socket.socket()) for _ in range(count)]
        for holder in holders:
            holder.bind(("127.0.0.1", 0))
        return [int(holder.getsockname()[1]) for holder in holders]
