"""Events that snapshots are taken of, and what became of them."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from faceguard.edge.events import Event
from tests.walking import files_in

DAY_S = 86_400
NOON = datetime(2031, 5, 6, 12, 30, 15, 250_000, timezone.utc).timestamp()
NOISE = np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8)


def event(kind="face-appears", track=3, at_s=0.0, wall_s=NOON):
    return Event(kind, {"track": track, "box": [1, 2, 3, 4]}, int((1000 + at_s) * 1e9), wall_s)


def drained(output):
    """Does what waits, and ends it."""
    output.finish()
    assert output.join(20)


def shots(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in files_in(folder) if path.is_file()]
