"""Peak memory of enlarging one picture, in a fresh process each."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from faceguard.engines.child import ChildFailed, run_limited

MODEL = "espcn-x2"
SMALL, LARGE = 512, 4096
SIDES = (SMALL, 1024, 2048, LARGE)
TARGETS: dict[str, tuple[float | None, float | None]] = {f"peak_ratio_{LARGE}_{SMALL}": (0.9, 1.1)}
"""What figures should be: at least, at most."""
SOURCE_GB = {512: 1.8, 1024: 5.2, 2048: 12.6, 4096: 38.1}
"""What the source's service held for EDSR x3 on a GPU: its own table, not measured here."""

_ONCE, _EDSR = (Path(__file__).with_name(f"upscale_{name}.py") for name in ("once", "edsr"))
_LIMIT_S = 600.0


class NoPeak(Exception):
    """A process that did not come to its end; the message is one line."""


@dataclass(frozen=True)
class Peak:
    """What one process held.

    Attributes:
        side: Width and height of the picture, in pixels.
        peak_mb: The most resident memory, MiB.
        callers_mb: Of that, the picture and its result.
        idle_mb: Resident before the work, without the picture.
        took_s: How long the work took.
    """

    side: int
    peak_mb: float
    callers_mb: float
    idle_mb: float
    took_s: float

    @property
    def own_mb(self) -> float:
        """All but the picture and its result: libraries, model, tiles."""
        return self.peak_mb - self.callers_mb

    @property
    def work_mb(self) -> float:
        """Of that, what came with the work."""
        return self.own_mb - self.idle_mb

    def told(self) -> dict[str, Any]:
        """The row for a file."""
        parts = {**asdict(self), "own_mb": self.own_mb, "work_mb": self.work_mb}
        return {name: round(value, 2) for name, value in parts.items()}


@dataclass(frozen=True)
class Predicted:
    """What enlarging by EDSR is to take, by the model that chooses its tile.

    Attributes:
        tile: The tile, in words.
        peak_mb: Of the whole process, MiB, without the picture and its result.
    """

    tile: str
    peak_mb: float


def measure(side: int, *, threads: int, model: str = MODEL) -> Peak:
    """Enlarges a square picture in a fresh process.

    Raises:
        NoPeak: It failed.
    """
    words = [model, str(side), str(threads)]
    return Peak(**_told(f"{model} at {side}x{side}", _ONCE, words))


def foreseen(sides: Sequence[int], *, threads: int) -> dict[int, Predicted]:
    """EDSR's peaks by side of a square picture, in a fresh process that enlarges nothing.

    Raises:
        NoPeak: It failed.
    """
    told = _told("edsr-x3", _EDSR, [str(threads), *map(str, sides)])
    return {int(side): Predicted(**one) for side, one in told.items()}


def _told(what: str, script: Path, words: Sequence[str]) -> dict[str, Any]:
    """What a script prints as JSON."""
    try:
        answer = run_limited([sys.executable, str(script), *words], limit_s=_LIMIT_S)
    except ChildFailed as error:
        raise NoPeak(f"{what}: {error}") from error
    if answer.code:
        said = [line for line in answer.err.splitlines() if line.strip()]
        raise NoPeak(f"{what}: {answer.crash or (said[-1] if said else answer.code)}")
    found: dict[str, Any] = json.loads(answer.out.splitlines()[-1])
    return found


def figures(peaks: Sequence[Peak]) -> dict[str, float | None]:
    """`peak_ratio_4096_512`, and the largest of the two peaks that it compares."""
    own = {peak.side: peak.own_mb for peak in peaks}
    small, large = own.get(SMALL), own.get(LARGE)
    if small is None or large is None:
        return {f"peak_ratio_{LARGE}_{SMALL}": None, f"peak_mb_{LARGE}": None}
    return {
        f"peak_ratio_{LARGE}_{SMALL}": round(large / small, 3),
        f"peak_mb_{LARGE}": round(large, 1),
    }


def lines(peaks: Sequence[Peak], predicted: Mapping[int, Predicted]) -> list[str]:
    """The peaks for people, beside the source's.

    Args:
        peaks: As measured.
        predicted: EDSR's, by side.
    """
    heads = ["own MiB", "idle", "work", "with picture", "EDSR MiB", "its tile", "source GB"]
    told = [f"{f'peak memory, {MODEL}':24}" + "".join(f"{head:>13}" for head in heads)]
    for peak in peaks:
        edsr = predicted.get(peak.side)
        cells = [
            *(f"{value:.0f}" for value in (peak.own_mb, peak.idle_mb, peak.work_mb, peak.peak_mb)),
            *((f"{edsr.peak_mb:.0f}", edsr.tile) if edsr else ("-", "-")),
            f"{SOURCE_GB[peak.side]:.1f}" if peak.side in SOURCE_GB else "-",
        ]
        told.append(f"{f'{peak.side}x{peak.side}':24}" + "".join(f"{cell:>13}" for cell in cells))
    return [
        *told,
        "own: without the picture and its result; idle: of it, before the work. EDSR: predicted.",
        "source: EDSR x3 on a GPU, quoted.",
    ]
