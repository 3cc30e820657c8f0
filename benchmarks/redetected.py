"""How many faces are still found after each style: what a weak mask leaves for a machine.

Faces that YuNet finds in the pictures of FACEGUARD_DATA are covered, and YuNet and CenterFace look
again. A face counts as found again when a detection overlaps its box by IoU 0.3 or more. CenterFace
finds some heads by their outline alone, even under a solid mask: the `solid` rows are the floor.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.parts.command import on_data
from faceguard.edge.masks import MaskSettings, mask_for
from faceguard.edge.redact import redact
from faceguard.edge.style import Look, Style
from faceguard.edge.tracking import Sighting
from faceguard.edge.types import Cover, Frame, Image, Shape
from faceguard.engines.bgr_array import BgrArray
from faceguard.engines.detectors import Detector, open_detector
from faceguard.engines.types import U8, Region

LONG_SIDE_PX = 1280
FOUND_IOU = 0.3
QUICK_PICTURES = 8


@dataclass(frozen=True)
class Row:
    """One style and shape.

    Attributes:
        look: The style.
        shape: Outline of the masks.
        faces: Faces covered.
        found: Of these, found again, by detector.
    """

    look: str
    shape: str
    faces: int
    found: dict[str, int]


def main(argv: list[str] | None = None) -> int:
    """Runs the benchmark; 0 when it measured, 2 when there is nothing to measure on."""
    return on_data("redetected", __doc__, run, argv, pictures="pictures")


def run(data: Path, quick: bool) -> dict[str, Any]:
    """Measures every style in every shape."""
    rows = measure(read_pictures(data / "images", QUICK_PICTURES if quick else None))
    figures = {
        f"redetected_{row.look}_{row.shape}_{name}": count
        for row in rows
        for name, count in row.found.items()
    }
    return {
        "figures": {**figures, "faces": rows[0].faces},
        "rows": [asdict(row) for row in rows],
    }


def read_pictures(folder: Path, count: int | None) -> list[U8]:
    """The pictures, none larger than the detectors look at."""
    pictures = []
    for path in sorted(folder.iterdir())[:count]:
        pixels = cv2.imread(str(path))
        if pixels is not None:
            scale = min(1.0, LONG_SIDE_PX / max(pixels.shape))
            small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            pictures.append(np.asarray(small, np.uint8))
    return pictures


def measure(pictures: list[U8]) -> list[Row]:
    """Every style in every shape."""
    rows = []
    with (
        open_detector("yunet", long_side=LONG_SIDE_PX, score=0.6) as finder,
        open_detector("centerface", long_side=LONG_SIDE_PX, score=0.35) as other,
    ):
        faces = [finder.detect(BgrArray(pixels)).regions() for pixels in pictures]
        print(f"{'style':16}{'shape':9}{'faces':>6}{'yunet':>7}{'centerface':>12}")
        for look in Look:
            for shape in Shape:
                found = {"yunet": 0, "centerface": 0}
                for pixels, regions in zip(pictures, faces, strict=True):
                    safe = covered(pixels, regions, look, shape)
                    found["yunet"] += again(finder, safe, regions)
                    found["centerface"] += again(other, safe, regions)
                row = Row(look.value, shape.value, sum(map(len, faces)), found)
                print(f"{row.look:16}{row.shape:9}{row.faces:>6}{found['yunet']:>7}"
                      f"{found['centerface']:>12}", flush=True)  # fmt: skip
                rows.append(row)
    return rows


def covered(pixels: U8, faces: list[Region], look: Look, shape: Shape) -> U8:
    """The picture as `faceguard redact` gives it out, but for the style and the shape."""
    size = (pixels.shape[1], pixels.shape[0])
    settings = MaskSettings(shape=shape)
    masks = (mask_for(Sighting(n, f, 1.0), settings, size) for n, f in enumerate(faces, 1))
    frame = Frame(Image.from_bgr(pixels), 0, 0, Fraction(1, 25))
    cover = Cover(tuple(mask for mask in masks if mask is not None))
    return np.ascontiguousarray(redact(frame, cover, Style(look=look)).image.planes[0])


def again(detector: Detector, pixels: U8, faces: list[Region]) -> int:
    """How many of the faces the detector finds in the redacted picture."""
    found = detector.detect(BgrArray(pixels)).regions()
    return sum(any(face.iou(other) >= FOUND_IOU for other in found) for face in faces)


if __name__ == "__main__":
    sys.exit(main())
