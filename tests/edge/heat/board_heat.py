"""A board's heat: what the daemon really does, what that draws, and what each zone then shows.

The loop is closed over reality: the board draws power for the frames that really got out and for
the detector's looks, both read from the daemon's status file. Nothing else of the daemon is known
here, so a daemon that only says that it slowed down does not get cooler.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.parts.plant import Board, Plant, Work

REAL = ("cpu", "gpu", "soc0", "soc1", "soc2")
_STEP_S = 0.2
# The sensors count in steps of a 32nd degree.
_STEPS_A_DEGREE = 32


@dataclass(frozen=True)
class Settings:
    """How the board is made.

    Attributes:
        status: The daemon's status file.
        parent: Process that it dies with.
        board: How it gets rid of its heat, in its own seconds.
        work: What frames and looks draw.
        speedup: Its seconds that pass in one of ours.
        stale_s: A status file that has not changed for so long is one of a daemon that stands.
        start_c: Temperature at the start; None for the ambient's.
        noise_c: Standard deviation of a reading.
        seed: Of offsets and noise.
        trips: By zone, further trip points: millidegrees and type.
    """

    status: str
    parent: int
    board: Board
    work: Work = field(default_factory=Work)
    speedup: float = 10.0
    stale_s: float = 3.0
    start_c: float | None = None
    noise_c: float = 0.08
    seed: int = 1
    trips: Mapping[str, tuple[tuple[int, str], ...]] = field(default_factory=dict)

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Settings:
        plain = json.loads(text)
        return Settings(
            **{**plain, "board": Board(**plain["board"]), "work": Work(**plain["work"])}
        )


@dataclass(frozen=True)
class Done:
    """What the daemon did of late: per second, over the time between its last two status files."""

    frames_per_s: float = 0.0
    looks_per_s: float = 0.0
    level: int | None = None


class Watcher:
    """Reads the daemon's status file."""

    def __init__(self, path: Path, stale_s: float) -> None:
        self._path = path
        self._stale_s = stale_s
        self._last: tuple[int, float, int, int] | None = None
        self._changed_s = time.monotonic()
        self._done = Done()

    def look(self) -> Done:
        """What was done; nothing, where the status is gone or stands still."""
        now = self._read()
        if now is None:
            self._last = None
            return Done()
        (pid, written_s, frames, looks), level = now
        if self._last is None or self._last[0] != pid:
            self._done = Done(level=level)
        elif written_s > self._last[1]:
            past_s = written_s - self._last[1]
            self._done = Done(
                (frames - self._last[2]) / past_s, (looks - self._last[3]) / past_s, level
            )
        elif time.monotonic() - self._changed_s > self._stale_s:
            return Done(level=level)
        if now[0] != self._last:
            self._last, self._changed_s = now[0], time.monotonic()
        return self._done

    def _read(self) -> tuple[tuple[int, float, int, int], int] | None:
        try:
            said = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return None
        # To the millisecond, where `uptime_s` is to the tenth of a second.
        written_s = datetime.fromisoformat(said["written"]).timestamp()
        counted = (said["pid"], written_s, said["frames"]["out"], said["detector"]["looks"])
        return counted, said["level"]


class Hot:
    """The board's heat, as time goes by; for any thread."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._settings = settings
        self._control = folder / "control.json"
        self._truth = folder / "truth.jsonl"
        self._plant = Plant(settings.board, start_c=settings.start_c)
        self._watcher = Watcher(Path(settings.status), settings.stale_s)
        self._done = Done()
        self._power_w = settings.work.idle_w
        self._lock = threading.Lock()
        self._at_s = time.monotonic()
        self._chance = random.Random(settings.seed)
        self.offsets_c = {name: self._chance.uniform(-1.5, 0.0) for name in REAL}
        self._frozen: dict[str, bytes] = {}

    def start(self) -> None:
        threading.Thread(target=self._work, name="plant", daemon=True).start()

    def control(self) -> dict[str, Any]:
        """What is broken at the moment."""
        try:
            found: dict[str, Any] = json.loads(self._control.read_text())
        except FileNotFoundError:
            return {}
        return found

    def fault(self, zone: str) -> dict[str, Any]:
        zones = self.control().get("zones", {})
        return {**zones.get("*", {}), **zones.get(zone, {})}

    def hottest_c(self) -> float:
        """The warmest of all zones, as it is."""
        with self._lock:
            return self._now_c() + max(self.offsets_c.values())

    def shown(self, zone: str) -> bytes:
        """What a zone's file says."""
        fault = self.fault(zone)
        with self._lock:
            if not fault.get("frozen"):
                self._frozen.pop(zone, None)
            elif zone in self._frozen:
                return self._frozen[zone]
            offset_c = self.offsets_c.get(zone, max(self.offsets_c.values()))
            value_c = self._now_c() + offset_c + self._chance.gauss(0, self._settings.noise_c)
            value_c = round(value_c * _STEPS_A_DEGREE) / _STEPS_A_DEGREE
            text = b"%d\n" % int(fault.get("shows_c", value_c) * 1000)
            if fault.get("frozen"):
                self._frozen[zone] = text
        return str(fault["text"]).encode() if "text" in fault else text

    def _now_c(self) -> float:
        now_s = time.monotonic()
        past_s, self._at_s = now_s - self._at_s, now_s
        return self._plant.advance(self._power_w, past_s * self._settings.speedup)

    def _work(self) -> None:
        work, pause = self._settings.work, threading.Event()
        with self._truth.open("w", buffering=1) as truth:
            while not pause.wait(_STEP_S):
                done, ambient_c = self._watcher.look(), self.control().get("ambient_c")
                hottest_c = self.hottest_c()
                with self._lock:
                    self._power_w = (
                        work.idle_w
                        + done.frames_per_s * work.frame_j
                        + done.looks_per_s * work.look_j
                    )
                    if ambient_c is not None:
                        self._plant.ambient_c = ambient_c
                    power_w, at_s = self._power_w, self._at_s
                told = {"at_s": at_s, "hottest_c": hottest_c, "power_w": power_w, **asdict(done)}
                truth.write(json.dumps(told) + "\n")
