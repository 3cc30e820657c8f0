"""How much tracking and look-ahead lose when the detector looks at fewer frames.

Clips move over labelled pictures (benchmarks/parts/clips.py), YuNet looks at every frame once, and
its answers are then given out as often as each row says. A face-frame counts as exposed when more
than 5 % of the middle 60 % of its box is bare. Only faces count that are at least 40 px high, half
in the frame, and that the detector finds in the still picture: what is measured is what happens to
them over time. The settings were tuned on the half called `dev`.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.parts.clips import Clip, halves, make_clips
from benchmarks.parts.command import on_data
from benchmarks.parts.truth import wider
from faceguard.edge.lookahead import LookAhead
from faceguard.edge.masks import MaskSettings
from faceguard.edge.redact import redact
from faceguard.edge.sampling import ImageSampler
from faceguard.edge.style import Look, Style
from faceguard.edge.tracking import Tracker, TrackingSettings
from faceguard.edge.types import Cover, Frame, Image, PixelFormat
from faceguard.engines.bgr_array import BgrArray
from faceguard.engines.detectors import Detector, open_detector
from faceguard.engines.nms import pairwise_iou
from faceguard.engines.types import F32, Detections

LEAST_PX = 40
KEEP = 0.3
CLIPS, QUICK_CLIPS = 40, 3
SAME_FACE_IOU = 0.4
WAYS = [(every, ahead) for ahead in (0, 5, 15) for every in (1, 2, 3, 5)]


@dataclass(frozen=True)
class Seen:
    """A clip with what the detector said of each frame.

    Attributes:
        size: Width and height of its frames in pixels.
        found: Detections, one a frame.
        faces: The boxes that count, float32 (N, 4) in pixels, one array a frame.
    """

    size: tuple[int, int]
    found: list[Detections]
    faces: list[F32]


@dataclass(frozen=True)
class Row:
    """One way of looking, over one half of the clips.

    Attributes:
        half: "dev" or "held".
        every: Frames from one look to the next.
        look_ahead: Frames that each waits; None for the detector alone, frame by frame.
        face_frames: Faces that count, all frames together.
        exposed: Of these, exposed.
        covered: Part of the frames' area that is covered.
    """

    half: str
    every: int
    look_ahead: int | None
    face_frames: int
    exposed: int
    covered: float

    @property
    def figure(self) -> str:
        """What its share of exposed face-frames is called."""
        way = "alone" if self.look_ahead is None else f"e{self.every}_la{self.look_ahead}"
        return f"exposed_{self.half}_{way}"


def main(argv: list[str] | None = None) -> int:
    """Runs the benchmark; 0 when it measured, 2 when there is nothing to measure on."""
    return on_data("cover", __doc__, run, argv, quick="a few clips, under a minute")


def run(data: Path, quick: bool) -> dict[str, Any]:
    """Measures every way of looking on both halves, telling each row as it is ready."""
    rows = []
    print(f"{'half':6}{'every':>6}{'ahead':>6}{'face-frames':>13}{'exposed':>9}{'covered':>9}")
    for half, pictures in zip(("dev", "held"), halves(wider(data)), strict=True):
        count = QUICK_CLIPS if quick else CLIPS
        clips = [watched(clip) for clip in make_clips(pictures, count)]
        for every, ahead in [(1, None), *WAYS]:
            row = measure(half, clips, every, ahead)
            name = "alone" if ahead is None else str(ahead)
            print(f"{half:6}{every:>6}{name:>6}{row.face_frames:>13}{row.exposed:>9}"
                  f"{row.covered:>9.1%}", flush=True)  # fmt: skip
            rows.append(row)
    figures = {row.figure: round(row.exposed / row.face_frames, 5) for row in rows}
    return {"figures": figures, "rows": [asdict(row) for row in rows]}


def watched(clip: Clip) -> Seen:
    """Asks the detector about every frame of a clip, and about its still picture."""
    with (
        open_detector("yunet", score=KEEP) as detector,
        open_detector("yunet", score=0.6, long_side=1280) as still,
    ):
        counts = found_in_still(clip, still)
        found = [detector.detect(ImageSampler(clip.i420(index))) for index in range(len(clip))]
    faces = [clip.faces(i)[clip.shown(i, LEAST_PX) & counts] for i in range(len(clip))]
    return Seen((clip.width, clip.height), found, faces)


def found_in_still(clip: Clip, detector: Detector) -> npt.NDArray[np.bool_]:
    """Which faces of a clip's picture the detector finds when nothing moves, bool (N,)."""
    found = detector.detect(BgrArray(clip.pixels))
    return np.asarray((pairwise_iou(clip.boxes, found.boxes) >= SAME_FACE_IOU).any(axis=1))


def measure(half: str, clips: list[Seen], every: int, look_ahead: int | None) -> Row:
    """Covers every clip in one way and counts what is bare."""
    total = exposed = frames = 0
    area = 0.0
    for clip in clips:
        for cover, faces in zip(covers(clip, every, look_ahead), clip.faces, strict=True):
            covered = painted(cover, clip.size)
            area += float(covered.mean())
            frames += 1
            for face in faces:
                total += 1
                exposed += bare(covered, face)
    return Row(half, every, look_ahead, total, exposed, area / frames)


def covers(clip: Seen, every: int, look_ahead: int | None) -> list[Cover]:
    """The covers that `faceguard redact` would draw."""
    ahead = look_ahead or 0
    settings = TrackingSettings(coast_frames=0, reach=0.0) if look_ahead is None else None
    delay = LookAhead(ahead, Tracker(settings, keep_frames=ahead, every=every), MaskSettings())
    blank = Image.blank(PixelFormat.GRAY, *clip.size)
    out = []
    for index, found in enumerate(clip.found):
        frame = Frame(blank, index, index, Fraction(1, 25))
        out += [cover for _, cover in delay.push(frame, None if index % every else found)]
    return out + [cover for _, cover in delay.flush()]


def painted(cover: Cover, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Which pixels are covered, bool (height, width), as redaction really paints them."""
    white = Image(PixelFormat.GRAY, *size, (np.full(size[::-1], 255, np.uint8),))
    safe = redact(Frame(white, 0, 0, Fraction(1, 25)), cover, Style(look=Look.SOLID))
    return np.asarray(safe.image.planes[0] != 255)


def bare(covered: npt.NDArray[np.bool_], face: F32) -> bool:
    """Whether more than 5 % of the middle 60 % of a face's box shows."""
    x0, y0, x1, y1 = map(float, face)
    wide, tall = (x1 - x0) * 0.2, (y1 - y0) * 0.2
    rows = slice(max(0, round(y0 + tall)), max(0, round(y1 - tall)))
    middle = covered[rows, max(0, round(x0 + wide)) : max(0, round(x1 - wide))]
    return bool(middle.size) and bool(middle.mean() < 0.95)


if __name__ == "__main__":
    sys.exit(main())
