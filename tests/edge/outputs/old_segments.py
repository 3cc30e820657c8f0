"""Segments of any age on a disk, and a `Retention` over them with clocks that tests set."""

from __future__ import annotations

import os
from pathlib import Path

from faceguard.edge.config.outputs import RecordingsOutput
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.disk import Shelf
from faceguard.edge.outputs.retention import Retention
from faceguard.edge.service.quiet import Quiet
from tests.edge.outputs.recorder import NAME

DAY_S = 86_400
NOW = 1_781_000_000.0


class Clocks:
    """A wall clock that can be set, and one that only goes on."""

    def __init__(self) -> None:
        self.wall_s = NOW
        self.clock_s = 1000.0

    def go(self, seconds: float) -> None:
        self.wall_s += seconds
        self.clock_s += seconds


def segment(folder: Path, name: str, *, mtime_s: float = NOW, size: int = 1000) -> Path:
    path = folder / NAME / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))
    os.utime(path, (mtime_s, mtime_s))
    return path


def names(folder: Path) -> list[str]:
    place = folder / NAME
    return sorted(p.relative_to(place).as_posix() for p in place.rglob("*") if p.name != ".lock")


def retention(
    folder: Path, clocks: Clocks, meters: Meters | None = None, earlier: Retention | None = None
) -> Retention:
    meters = meters or Meters()
    shelf = Shelf(folder, NAME)
    return Retention(
        shelf,
        meters,
        Quiet(meters),
        wall_s=lambda: clocks.wall_s,
        clock_s=lambda: clocks.clock_s,
        **({"earlier": earlier} if earlier else {}),
    )


def bounds(folder: Path, **settings) -> RecordingsOutput:
    return RecordingsOutput(folder=folder, **{"free_mb": 0, "keep_days": None, **settings})
