"""`make demo`: two samples through the front door, and a sheet that shows before and after."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from faceguard.edge.cli import main as faceguard
from faceguard.edge.progress import Progress
from faceguard.edge.redactor import Redaction, Redactor
from faceguard.engines.store import find_file

Pixels = npt.NDArray[np.uint8]
MODELS = ["yunet", "astronaut", "carphone"]
ROW_PX = 256


def main() -> int:
    """Pulls, redacts, draws; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out"))
    folder: Path = parser.parse_args().out
    code = faceguard(["models", "pull", *MODELS])
    if code != 0:
        return code
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    pairs = [
        (find_file("carphone"), folder / "demo.mp4"),
        (find_file("astronaut"), folder / "demo.jpg"),
    ]
    done = []
    with Redactor() as redactor, Progress(len(pairs), quiet=False) as progress:
        for source, output in pairs:
            with progress.file(source) as bar:
                done.append(
                    redactor.file(
                        source,
                        output,
                        force=True,
                        on_start=bar.start,
                        on_frame=bar.step,
                    )
                )
    sheet = folder / "demo-sheet.png"
    draw_sheet(done, sheet)
    print_table(done, sheet, time.monotonic() - begun)
    return 0


def draw_sheet(done: list[Redaction], path: Path) -> None:
    """Before above, after below: the picture, and three moments of the video."""
    film, picture = done
    before = [still(picture.source), *moments(film.source)]
    after = [still(picture.output), *moments(film.output)]
    rows = [np.hstack([fitted(image) for image in images]) for images in (before, after)]
    gap = np.full((8, rows[0].shape[1], 3), 255, np.uint8)
    cv2.imwrite(str(path), np.vstack([rows[0], gap, rows[1]]))


def still(path: Path) -> Pixels:
    """A picture's pixels."""
    return np.asarray(cv2.imread(str(path)), np.uint8)


def moments(path: Path) -> list[Pixels]:
    """Three frames of a video: near its start, its middle and its end."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    return [frames[len(frames) * part // 10] for part in (1, 5, 9)]


def fitted(image: Pixels) -> Pixels:
    """The picture at the height of a row."""
    width = round(image.shape[1] * ROW_PX / image.shape[0])
    return np.asarray(cv2.resize(image, (width, ROW_PX), interpolation=cv2.INTER_AREA), np.uint8)


def print_table(done: list[Redaction], sheet: Path, seconds: float) -> None:
    """What was done, and where it lies."""
    say = sys.stdout.write
    say(f"\n{'sample':<26} {'frames':>6} {'faces':>5} {'frames/s':>8}  written\n")
    for one in done:
        rate = one.frames / one.seconds
        say(f"{one.source.name:<26} {one.frames:>6} {one.tracks:>5} {rate:>8.1f}  {one.output}\n")
    say(f"before and after: {sheet}   ({seconds:.1f} s in all)\n")


if __name__ == "__main__":
    sys.exit(main())
