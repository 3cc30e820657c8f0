"""Programs that take turns over rounds, and how they compare."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.parts import remux
from benchmarks.parts.measure import Usage, last_line, measured

_COLUMN = 10


@dataclass(frozen=True)
class Clip:
    """A video file and how many frames are in it."""

    path: Path
    frames: int


@dataclass
class Row:
    """One program and what it cost.

    Attributes:
        key: Its name in the figures and files.
        label: Its name for people.
        clip: What it works on.
        command: The program, given where to write.
        rounds: In which rounds it runs.
        runs: What each round cost.
        absent: Why there is nothing to show.
        out_kb: Size of what it wrote.
        encoder: What libx264 says of its settings in what was written.
    """

    key: str
    label: str
    clip: Clip
    command: Callable[[Path], list[str]]
    rounds: int
    runs: dict[int, Usage] = field(default_factory=dict)
    absent: str | None = None
    out_kb: float = 0.0
    encoder: dict[str, str] = field(default_factory=dict)

    def fps(self, number: int) -> float:
        """Frames a second in one round, the program's start and end included."""
        return self.clip.frames / self.runs[number].wall_s

    def middle(self, what: Callable[[Usage], float]) -> float:
        """Median over the rounds."""
        return median(map(what, self.runs.values()))

    @property
    def peak_mb(self) -> float:
        """The largest peak of all rounds, in MiB."""
        return max(usage.peak_mb for usage in self.runs.values())

    def run(self, number: int, folder: Path) -> None:
        """Runs once, and makes sure that the work was done."""
        out, log = folder / f"{self.key}.mp4", folder / f"{self.key}.log"
        out.unlink(missing_ok=True)
        try:
            usage = measured(self.command(out), log)
        except (OSError, TimeoutError) as error:
            self.absent = str(error)
            return
        if usage.code or not out.is_file():
            self.absent = f"exit code {usage.code}: {last_line(log)}"
            return
        written = len(remux.frame_times(out))
        # FFmpeg's program may show a frame once more to keep a constant rate.
        if abs(written - self.clip.frames) > max(1, self.clip.frames // 100):
            self.absent = f"wrote {written} of {self.clip.frames} frames"
            return
        self.runs[number] = usage
        self.out_kb, self.encoder = out.stat().st_size / 1000, remux.x264_options(out)

    def told(self) -> dict[str, object]:
        """The row for a file."""
        if self.absent or not self.runs:
            return {"key": self.key, "absent": self.absent or "not run"}
        return {
            "key": self.key,
            "label": self.label,
            "clip": self.clip.path.name,
            "frames": self.clip.frames,
            "fps": round(median(map(self.fps, self.runs)), 2),
            "wall_s": [round(usage.wall_s, 3) for usage in self.runs.values()],
            "cpu_s": [round(usage.cpu_s, 3) for usage in self.runs.values()],
            "peak_mb": round(self.peak_mb, 1),
            "out_kb": round(self.out_kb, 1),
            "encoder": self.encoder,
        }


def ratio(one: Row | None, other: Row | None) -> float | None:
    """How many times as fast one program is as another, median over the rounds that both ran in."""
    if one is None or other is None or one.absent or other.absent:
        return None
    both = sorted(one.runs.keys() & other.runs.keys())
    return median(one.fps(n) / other.fps(n) for n in both) if both else None


def run_rounds(rows: list[Row], folder: Path, say: Callable[[str], None]) -> list[float]:
    """Runs all rows round by round, in turns.

    Returns:
        How busy the machine was before each round: the load of the last minute.
    """
    loads = []
    rounds = max(row.rounds for row in rows)
    for number in range(rounds):
        loads.append(round(os.getloadavg()[0], 2))
        turn = [row for row in rows if number < row.rounds and not row.absent]
        for row in turn[:: -1 if number % 2 else 1]:
            say(f"round {number + 1} of {rounds}: {row.label.strip()}")
            row.run(number, folder)
    return loads


def table(rows: Iterable[Row], deface: Row | None, limit: Row | None) -> list[str]:
    """The rows for people, beside those two where they are comparable."""
    head = ["frames", "fps", "x deface", "of limit", "wall s", "cpu s", "peak MiB", "out kB"]
    lines = [" " * 24 + "".join(f"{name:>{_COLUMN}}" for name in head)]
    for row in rows:
        if row.absent or not row.runs:
            lines.append(f"{row.label:24}  absent: {row.absent or 'not run'}")
            continue
        faster, share = ratio(row, deface), ratio(row, limit)
        cells = [
            f"{row.clip.frames}",
            f"{median(map(row.fps, row.runs)):.1f}",
            "-" if faster is None else f"{faster:.2f}",
            "-" if share is None else f"{share:.3f}",
            f"{row.middle(lambda usage: usage.wall_s):.2f}",
            f"{row.middle(lambda usage: usage.cpu_s):.2f}",
            f"{row.peak_mb:.0f}",
            f"{row.out_kb:.0f}",
        ]
        lines.append(f"{row.label:24}" + "".join(f"{cell:>{_COLUMN}}" for cell in cells))
    return lines


def encoder_notes(rows: Iterable[Row], limit: Row) -> list[str]:
    """Where a program's encoder was not set as the limit's was."""
    want = limit.encoder
    notes: dict[str, list[str]] = {}
    for row in rows:
        if row.absent or not row.runs:
            continue
        other = [
            f"{key}={row.encoder.get(key)} (limit {want.get(key)})"
            for key in sorted(want.keys() | row.encoder.keys())
            if row.encoder.get(key) != want.get(key)
        ]
        if other:
            notes.setdefault(", ".join(other), []).append(row.label.strip())
    return [f"libx264 {what}: {', '.join(who)}" for what, who in notes.items()]
