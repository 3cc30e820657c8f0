"""Pictures whose faces are known, for measuring; none of them is part of the product."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from faceguard.engines.types import F32, U8

ROOT = Path(__file__).resolve().parent.parent.parent


def data_folder() -> Path | None:
    """The folder of the larger data set, FACEGUARD_DATA; None where it is missing."""
    folder = Path(os.environ.get("FACEGUARD_DATA") or ROOT.parent / "shared" / "data")
    return folder if (folder / "truth").is_dir() else None


@dataclass(frozen=True)
class Labelled:
    """One picture and its faces.

    Attributes:
        path: The picture's file.
        size: Width and height in pixels that the boxes are in, and the picture is read at; None
            where that is the file's own size.
        boxes: float32 (N, 4): x0, y0, x1, y1 in pixels.
    """

    path: Path
    size: tuple[int, int] | None
    boxes: F32

    def read(self) -> U8:
        """The picture, uint8 (height, width, 3): B, G, R, at the size of its boxes."""
        # Boxes were drawn on the pixels as they are stored.
        how = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        pixels = cv2.imread(str(self.path), how)
        if pixels is None:
            raise SystemExit(f"{self.path}: not a picture; is the data set whole?")
        if self.size is not None and pixels.shape[1::-1] != self.size:
            pixels = cv2.resize(pixels, self.size, interpolation=cv2.INTER_LINEAR)
        return np.asarray(pixels, np.uint8)

    def at_least(self, height_px: float) -> npt.NDArray[np.bool_]:
        """Which boxes are so high, bool (N,)."""
        return np.asarray(self.boxes[:, 3] - self.boxes[:, 1] >= height_px)


def wider(data: Path) -> list[Labelled]:
    """The WIDER FACE validation pictures that are there, each read at the size of its labels."""
    folder = data / "truth" / "wider"
    labelled = []
    for name, size, rows in _wider_blocks(folder / "labelv2_val.txt"):
        path = folder / "images" / Path(name).name
        if path.is_file():
            labelled.append(Labelled(path, size, _boxes(rows)))
    return sorted(labelled, key=lambda picture: picture.path.name)


def maskfaces(data: Path) -> list[Labelled]:
    """The street pictures with and without masks, labelled in VOC XML."""
    folder = data / "truth" / "maskfaces"
    pictures = {path.stem: path for path in (folder / "images").iterdir()}
    labelled = []
    for note in sorted((folder / "annotations").glob("*.xml")):
        path = pictures.get(note.stem)
        if path is None:
            continue
        rows = [
            [float(box.findtext(key) or "nan") for key in ("xmin", "ymin", "xmax", "ymax")]
            for box in ET.parse(note).getroot().iter("bndbox")  # noqa: S314 (a local data set)
        ]
        labelled.append(Labelled(path, None, _boxes(rows)))
    return labelled


SETS = {"wider": (wider, 40), "masks": (maskfaces, 20)}
"""Each set's reader, and the height in pixels from which its faces count."""


def _wider_blocks(
    labels: Path,
) -> Iterator[tuple[str, tuple[int, int], list[list[float]]]]:
    """Name, width and height, and box rows of each picture in the list."""
    name, size = "", (0, 0)
    rows: list[list[float]] = []
    for line in labels.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            if name:
                yield name, size, rows
            name, width, height = line[1:].rsplit(maxsplit=2)
            name, size, rows = name.strip(), (int(width), int(height)), []
        elif line.strip():
            rows.append([float(value) for value in line.split()[:4]])
    if name:
        yield name, size, rows


def _boxes(rows: list[list[float]]) -> F32:
    return np.asarray(rows, np.float32).reshape(-1, 4)
