"""A board of FUSE in a mount namespace of its own, and `faceguard run` on it.

The tree lies over /sys/class/thermal for the daemon alone: nobody else sees it, and nothing stays
mounted, since the namespace ends with the last process in it. Both processes die with the tests.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from ctypes.util import find_library
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.parts.plant import Board, Work
from faceguard.engines.closing import Closing
from tests.edge.heat.board_heat import Settings
from tests.edge.heat.fuse_board import MOUNTED, ZONES
from tests.edge.service_process import PATIENCE_S, Service

ROOT = Path(__file__).resolve().parents[3]
_APART = ("unshare", "--mount", "--propagation", "private")


def why_not() -> str | None:
    """Why no board can be mounted here; None where it can."""
    if os.geteuid() != 0:
        return "mounting a board needs root"
    missing = [tool for tool in ("unshare", "nsenter", "setpriv") if shutil.which(tool) is None]
    if missing:
        return f"a board needs {', '.join(missing)} of util-linux"
    if importlib.util.find_spec("fuse") is None:
        return "a board needs the Python package fusepy"
    if find_library("fuse") is None:
        return "a board needs libfuse2"
    if not MOUNTED.is_dir():
        return f"this kernel has no {MOUNTED} to lay a board over"
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        return f"/dev/fuse cannot be used: {error.strerror}"
    apart = subprocess.run([*_APART, "true"], capture_output=True, check=False)
    return None if apart.returncode == 0 else "this machine does not let tests mount anything"


@dataclass(frozen=True)
class Truth:
    """What was so on the board.

    Attributes:
        at_s: Monotonic seconds.
        hottest_c: The warmest zone, without noise.
        power_w: What it drew since.
        frames_per_s: Frames that got out of the daemon.
        looks_per_s: Looks of its detector.
        level: Its level; None while there is no daemon.
    """

    at_s: float
    hottest_c: float
    power_w: float
    frames_per_s: float
    looks_per_s: float
    level: int | None


class BoardProcess(Closing):
    """The board's own process.

    Attributes:
        machine: The root folder of the machine, as it can be reached from outside.
        root: The /sys/class/thermal in there.
    """

    def __init__(
        self, folder: Path, *, board: Board, work: Work | None = None, **settings: Any
    ) -> None:
        """Starts it and waits until it is mounted, or skips the test where that cannot be done.

        Args:
            folder: For its files; the daemon's status is looked for in here, as `Service` has it.
            board: How it gets rid of its heat.
            work: What the camera's work draws.
            settings: More of `Settings`: speedup, start_c, noise_c, seed, trips.
        """
        reason = why_not()
        if reason is not None:
            pytest.skip(reason)
        self._folder = folder / "board"
        self._folder.mkdir()
        said = Settings(str(folder / "camera.json"), os.getpid(), board, work or Work(), **settings)
        (self._folder / "settings.json").write_text(said.as_json())
        command = [sys.executable, "-m", "tests.edge.heat.fuse_board", str(self._folder)]
        self.process = subprocess.Popen(
            [*_APART, *command], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        self.machine = Path(f"/proc/{self.process.pid}/root")
        self.root = self.machine / MOUNTED.relative_to("/")
        try:
            self._until_mounted()
        except BaseException:
            self.close()
            raise

    @property
    def entering(self) -> list[str]:
        """What to put before a command for it to run on this board, and to die with the tests."""
        board = str(self.process.pid)
        return [
            *("nsenter", "--target", board, "--mount", "--wd"),
            *("setpriv", "--pdeathsig", "KILL", "--"),
        ]

    def zone(self, name: str) -> Path:
        """The folder of a zone."""
        return self.root / f"thermal_zone{ZONES.index(name)}"

    def control(self, *, ambient_c: float | None = None, **zones: dict[str, Any]) -> None:
        """Breaks just this from now on, and mends all else.

        Args:
            ambient_c: The air; None for what it was.
            zones: By name ("every" for each of them): gone, frozen, busy (EAGAIN) as booleans,
                shows_c, text, slow_s.
        """
        broken = {"*" if name == "every" else name: how for name, how in zones.items()}
        said = {"zones": broken, **({} if ambient_c is None else {"ambient_c": ambient_c})}
        # As a whole: it is read at any moment.
        beside = self._folder / "control.new"
        beside.write_text(json.dumps(said))
        beside.replace(self._folder / "control.json")

    def truth(self, since_s: float = 0.0) -> list[Truth]:
        """What was so since a monotonic second."""
        *lines, _last = (self._folder / "truth.jsonl").read_text().split("\n")
        told = [Truth(**json.loads(line)) for line in lines]
        return [one for one in told if one.at_s >= since_s]

    def close(self) -> None:
        # Killed: it would not unmount what is in use. The kernel lets all who wait in it go.
        self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()

    def _until_mounted(self) -> None:
        end_s, pause = time.monotonic() + PATIENCE_S, threading.Event()
        while not ((self.root / "thermal_zone0/type").exists() and self._has_told()):
            if self.process.poll() is not None:
                assert self.process.stderr is not None
                raise AssertionError(f"the board is gone: {self.process.stderr.read()}")
            assert time.monotonic() < end_s, "the board was not mounted"
            pause.wait(0.01)

    def _has_told(self) -> bool:
        path = self._folder / "truth.jsonl"
        return path.exists() and "\n" in path.read_text()


class BoardService(Service):
    """The program on a board."""

    def __init__(
        self, place: Path, text: str, board: BoardProcess, module: str = "faceguard.edge.cli"
    ) -> None:
        """Starts it.

        Args:
            place: Folder for its files.
            text: Its configuration.
            board: Where it runs.
            module: What is run, with the arguments of `faceguard`.
        """
        self._board = board
        self._module = module
        super().__init__(place, text)

    def command(self) -> list[str]:
        return [
            *self._board.entering,
            *(sys.executable, "-m", self._module, "run", "-c", str(self.file)),
        ]
