"""How much tracking and look-ahead lose when the detector looks at fewer frames.

Clips move over labelled pictures (benchmarks/parts/clips.py), YuNet looks at every frame once, and
its answers are then given out as often as each row says. A face-frame counts as exposed when more
than 5 % of the middle 60 % of its box is bare. Only faces count that are at least 40 px high, half
in the frame, and that the detector finds in the still picture: what is measured is what happens to
them over time. The settings were tuned on the half called `dev`.

The second table drops frames of the camera before they come to the detector, as the daemon does
when it must stay cool: every k-th is kept, every m-th of those is looked at. Face-frames are those
of frames that go out; the gap is from one planned look to the next, of a camera of 30 frames a
second. Rows marked `planned` do without the looks at frames that are quite another picture.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.parts.clips import Clip, halves, make_clips
from benchmarks.parts.command import on_data
from benchmarks.parts.rates import RATES, Rate, RateRow, taken_in, thumb
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
CLIPS, QUICK_CLIPS, QUICK_AHEAD = 40, 3, 5
SAME_FACE_IOU = 0.4
WAYS = [(every, ahead) for ahead in (0, 5, 15) for every in (1, 2, 3, 5)]


@dataclass(frozen=True)
class Seen:
    """A clip with what the detector said of each frame.

    Attributes:
        size: Width and height of its frames in pixels.
        found: Detections, one a frame.
        faces: The boxes that count, float32 (N, 4) in pixels, one array a frame.
        thumbs: Its frames, small.
    """

    size: tuple[int, int]
    found: list[Detections]
    faces: list[F32]
    thumbs: list[Image]


@dataclass
class Count:
    """What is bare in frames that went out.

    Attributes:
        face_frames: Faces that count, all frames together.
        exposed: Of these, exposed.
        frames: Frames.
        whole: Of these, covered whole because nobody knows what is in them.
        area: Parts of the frames' area that are covered, all frames together.
    """

    face_frames: int = 0
    exposed: int = 0
    frames: int = 0
    whole: int = 0
    area: float = 0.0

    def add(self, cover: Cover, size: tuple[int, int], faces: Iterable[F32]) -> None:
        """Counts one frame."""
        covered = painted(cover, size)
        self.frames += 1
        self.whole += cover.whole is not None
        self.area += float(covered.mean())
        for face in faces:
            self.face_frames += 1
            self.exposed += bare(covered, face)


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
    count = QUICK_CLIPS if quick else CLIPS
    watched_clips = {
        half: [watched(clip) for clip in make_clips(pictures, count)]
        for half, pictures in zip(("dev", "held"), halves(wider(data)), strict=True)
    }
    rates = [rate for rate in RATES if not quick or rate.look_ahead == QUICK_AHEAD]
    rows: list[Row | RateRow] = []
    print(f"{'half':6}{'every':>6}{'ahead':>6}{'face-frames':>13}{'exposed':>9}{'covered':>9}")
    for half, clips in watched_clips.items():
        for every, ahead in [(1, None), *WAYS]:
            row = measure(half, clips, every, ahead)
            name = "alone" if ahead is None else str(ahead)
            print(f"{half:6}{every:>6}{name:>6}{row.face_frames:>13}{row.exposed:>9}"
                  f"{row.covered:>9.1%}", flush=True)  # fmt: skip
            rows.append(row)
    print(f"\n{'half':6}{'k':>2}{'m':>3}{'gap ms':>8}{'ahead':>6}{'looks':>9}{'face-frames':>13}"
          f"{'exposed':>9}{'covered':>9}{'whole':>7}{'looked':>8}")  # fmt: skip
    for half, clips in watched_clips.items():
        for rate in rates:
            at_rate = measure_rate(half, clips, rate)
            looks = "planned" if rate.planned_only else "all"
            print(f"{half:6}{rate.keep:>2}{rate.look:>3}{rate.gap_ms:>8}{rate.look_ahead:>6}"
                  f"{looks:>9}{at_rate.face_frames:>13}{at_rate.exposed:>9}{at_rate.covered:>9.1%}"
                  f"{at_rate.whole:>7.1%}{at_rate.looked:>8.1%}", flush=True)  # fmt: skip
            rows.append(at_rate)
    figures = {row.figure: round(row.exposed / row.face_frames, 5) for row in rows}
    return {"figures": figures, "rows": [asdict(row) for row in rows]}


def watched(clip: Clip) -> Seen:
    """Asks the detector about every frame of a clip, and about its still picture."""
    found, thumbs = [], []
    with (
        open_detector("yunet", score=KEEP) as detector,
        open_detector("yunet", score=0.6, long_side=1280) as still,
    ):
        counts = found_in_still(clip, still)
        for index in range(len(clip)):
            image = clip.i420(index)
            found.append(detector.detect(ImageSampler(image)))
            thumbs.append(thumb(image))
    faces = [clip.faces(i)[clip.shown(i, LEAST_PX) & counts] for i in range(len(clip))]
    return Seen((clip.width, clip.height), found, faces, thumbs)


def found_in_still(clip: Clip, detector: Detector) -> npt.NDArray[np.bool_]:
    """Which faces of a clip's picture the detector finds when nothing moves, bool (N,)."""
    found = detector.detect(BgrArray(clip.pixels))
    return np.asarray((pairwise_iou(clip.boxes, found.boxes) >= SAME_FACE_IOU).any(axis=1))


def measure(half: str, clips: list[Seen], every: int, look_ahead: int | None) -> Row:
    """Covers every clip in one way and counts what is bare."""
    count = Count()
    for clip in clips:
        for cover, faces in zip(covers(clip, every, look_ahead), clip.faces, strict=True):
            count.add(cover, clip.size, faces)
    covered = count.area / count.frames
    return Row(half, every, look_ahead, count.face_frames, count.exposed, covered)


def measure_rate(half: str, clips: list[Seen], rate: Rate) -> RateRow:
    """The same for one rate, from each frame that it can start with."""
    count, looks = Count(), 0
    for clip in clips:
        for start in range(rate.keep):
            taken, looked = taken_in(rate, start, clip.size, clip.found, clip.thumbs)
            looks += looked
            for one in taken:
                count.add(one.cover, clip.size, clip.faces[one.index])
    return RateRow(
        half=half,
        keep=rate.keep,
        look=rate.look,
        look_ahead=rate.look_ahead,
        planned_only=rate.planned_only,
        gap_ms=rate.gap_ms,
        face_frames=count.face_frames,
        exposed=count.exposed,
        covered=count.area / count.frames,
        whole=count.whole / count.frames,
        looked=looks / count.frames,
    )


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
