"""Video with exact truth: a camera that moves over a labelled picture.

Each frame is a view of the picture, so the boxes of its faces are known to a fraction of a pixel.
What makes detectors miss faces in real video is there too: motion blur along the way, noise that is
new in each frame, sizes that change, and faces that come in from the edge.

Nothing here draws on a clock or a global generator: the same arguments give the same pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.parts.truth import Labelled
from faceguard.edge.types import Frame, Image, PixelFormat
from faceguard.engines.types import F32, U8

SPEEDS = (2.0, 5.0, 10.0)
"""Pixels of the clip a frame: a slow, a brisk and a fast pan (10 crosses 640 pixels in 2 s)."""

SEED = 20250303
_SHUTTER = 0.5  # part of a frame's time that a usual camera's shutter is open
_NOISE = 2.5  # standard deviation, as of an indoor camera


@dataclass(frozen=True)
class View:
    """The part of the picture that one frame shows: top left corner and width, in its pixels."""

    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Clip:
    """A picture, and one view of it a frame.

    Attributes:
        name: Picture, move and speed, for messages.
        pixels: The picture, uint8 (height, width, 3): B, G, R.
        boxes: float32 (N, 4): x0, y0, x1, y1 of its faces, in its pixels.
        views: What each frame shows.
        width: Width of the frames in pixels, even.
        height: Height of the frames in pixels, even.
        seed: What the noise is drawn from.
    """

    name: str
    pixels: U8
    boxes: F32
    views: tuple[View, ...]
    width: int
    height: int
    seed: int

    def __len__(self) -> int:
        """How many frames."""
        return len(self.views)

    def bgr(self, index: int) -> U8:
        """One frame, uint8 (height, width, 3): B, G, R."""
        view = self.views[index]
        step = view.width / (2 * self.width)
        # Twice the size and then averaged, or fine detail would flicker where the view is wide.
        matrix = np.array([[step, 0, view.x + (step - 1) / 2], [0, step, view.y + (step - 1) / 2]])
        large = cv2.warpAffine(
            self.pixels,
            matrix,
            (2 * self.width, 2 * self.height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        sharp = cv2.resize(large, (self.width, self.height), interpolation=cv2.INTER_AREA)
        return self._with_noise(self._with_motion_blur(np.asarray(sharp, np.uint8), index), index)

    def i420(self, index: int) -> Image:
        """One frame in the planes that a video decoder gives."""
        joined = np.asarray(cv2.cvtColor(self.bgr(index), cv2.COLOR_BGR2YUV_I420), np.uint8)
        rows, half = self.height, (self.height // 2, self.width // 2)
        chroma = joined[rows:].reshape(2, *half)
        planes = (joined[:rows], chroma[0], chroma[1])
        return Image(PixelFormat.I420, self.width, self.height, planes)

    def faces(self, index: int) -> F32:
        """Where the faces are in one frame.

        Returns:
            float32 (N, 4) in pixels of the frame, always in the picture's order, also those that
            lie outside of it in part or whole.
        """
        view = self.views[index]
        corner = np.array([view.x, view.y, view.x, view.y])
        return np.asarray((self.boxes - corner) * (self.width / view.width), np.float32)

    def shown(self, index: int, least_px: float) -> npt.NDArray[np.bool_]:
        """Which faces are so high in one frame and lie in it by half or more, bool (N,)."""
        boxes = self.faces(index)
        size = np.array([self.width, self.height])
        inside = np.minimum(boxes[:, 2:], size) - np.maximum(boxes[:, :2], 0)
        whole = boxes[:, 2:] - boxes[:, :2]
        part = np.maximum(inside, 0).prod(axis=1) / whole.prod(axis=1)
        return np.asarray((part >= 0.5) & (whole[:, 1] >= least_px))

    def frames(self) -> Iterator[Frame]:
        """All frames as a source gives them, at 25 frames a second."""
        for index in range(len(self)):
            yield Frame(self.i420(index), index, index, Fraction(1, 25), 1)

    def _with_motion_blur(self, pixels: U8, index: int) -> U8:
        """Smears along the movement since the frame before; a zoom blurs little and is left out."""
        now, before = self.views[index], self.views[max(0, index - 1)]
        scale = _SHUTTER * self.width / now.width
        dx = ((now.x + now.width / 2) - (before.x + before.width / 2)) * scale
        dy = (
            (now.y - before.y) + (now.width - before.width) * self.height / self.width / 2
        ) * scale
        length = math.hypot(dx, dy)
        if length < 1:
            return pixels
        side = 2 * math.ceil(length / 2) + 1
        kernel = np.zeros((side, side), np.float32)
        for part in np.linspace(-0.5, 0.5, 4 * side):
            kernel[round(side // 2 + part * dy), round(side // 2 + part * dx)] += 1
        blurred = cv2.filter2D(pixels, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
        return np.asarray(blurred, np.uint8)

    def _with_noise(self, pixels: U8, index: int) -> U8:
        noise = np.random.default_rng((self.seed, index)).standard_normal(pixels.shape, np.float32)
        return np.asarray(np.clip(pixels + _NOISE * noise, 0, 255), np.uint8)


@dataclass(frozen=True)
class _Scene:
    """What a move is planned over: sizes in the picture's pixels, one face to follow."""

    width: float
    height: float
    aspect: float
    face: F32

    @property
    def widest(self) -> float:
        return min(self.width, self.height * self.aspect)

    def view(self, x: float, y: float, width: float) -> View:
        """The nearest view that lies in the picture."""
        width = min(width, self.widest)
        x = min(max(x, 0.0), self.width - width)
        return View(x, min(max(y, 0.0), self.height - width / self.aspect), width)

    def around(self, x: float, y: float, width: float) -> View:
        """The view with this middle."""
        return self.view(x - width / 2, y - width / self.aspect / 2, width)

    @property
    def middle(self) -> tuple[float, float]:
        x0, y0, x1, y1 = map(float, self.face)
        return (x0 + x1) / 2, (y0 + y1) / 2


_Move = Callable[[_Scene, float, int, np.random.Generator], list[View]]


def _pan(scene: _Scene, speed: float, frames: int, rng: np.random.Generator) -> list[View]:
    """Straight on, and back again from the picture's edge."""
    width = 0.55 * scene.widest
    room = scene.width - width, scene.height - width / scene.aspect
    turn = rng.uniform(0, 2 * math.pi)
    steps = speed * math.cos(turn) * np.arange(frames), speed * math.sin(turn) * np.arange(frames)
    starts = rng.uniform(0, room[0]), rng.uniform(0, room[1])
    xs, ys = (_bounced(a + b, c) for a, b, c in zip(starts, steps, room, strict=True))
    return [scene.view(float(x), float(y), width) for x, y in zip(xs, ys, strict=True)]


def _zoom(scene: _Scene, speed: float, frames: int, rng: np.random.Generator) -> list[View]:
    """In on the face and out again, between the whole picture and a third of its width."""
    steps = _bounced(
        np.asarray(rng.uniform(0, 1) + np.arange(frames) * speed / 200, np.float64), 1.0
    )
    return [scene.around(*scene.middle, scene.widest * 3.0 ** -float(step)) for step in steps]


def _enter(scene: _Scene, speed: float, frames: int, rng: np.random.Generator) -> list[View]:
    """The face waits outside, comes in from the side, and goes out again."""
    x0, _, x1, _ = map(float, scene.face)
    from_right = x0 > scene.width - x1
    # As wide as the picture leaves room beside the face.
    width = min(0.6 * scene.widest, (x0 if from_right else scene.width - x1) - 4)
    start = x0 - 2 - width if from_right else x1 + 2
    rests = 8
    ways = _bounced(speed * np.maximum(np.arange(frames) - rests, 0.0), 0.7 * width)
    y = scene.middle[1] - width / scene.aspect * rng.uniform(0.3, 0.7)
    return [scene.view(start + (way if from_right else -way), y, width) for way in map(float, ways)]


def _shake(scene: _Scene, speed: float, frames: int, rng: np.random.Generator) -> list[View]:
    """Held by hand: a few swings of different lengths about the face."""
    width = 0.5 * scene.widest
    times = np.arange(frames)
    ways = np.zeros((2, frames))
    for period, axis in product((11.0, 17.0, 29.0), (0, 1)):
        # Fastest in the middle of a swing, where the three together make about this speed.
        reach = speed * period / (2 * math.pi) / 2
        ways[axis] += reach * np.sin(2 * math.pi * (times / period + rng.uniform()))
    x, y = scene.middle
    return [scene.around(x + float(dx), y + float(dy), width) for dx, dy in ways.T]


MOVES: dict[str, _Move] = {"pan": _pan, "zoom": _zoom, "enter": _enter, "shake": _shake}


def make_clip(
    picture: Labelled,
    move: str,
    speed: float,
    *,
    frames: int = 75,
    size: tuple[int, int] = (640, 360),
    seed: int = SEED,
) -> Clip:
    """A clip over one picture, about one of its larger faces.

    Args:
        picture: The picture; must have a face.
        move: One of MOVES.
        speed: About how many pixels of the clip things move a frame; a zoom changes sizes by
            `speed` / 2 per cent a frame or so.
        frames: How many frames.
        size: Width and height of the frames in pixels, even.
        seed: Chooses the face, the place, the direction and the noise.
    """
    pixels = picture.read()
    rng = np.random.default_rng(seed)
    heights = picture.boxes[:, 3] - picture.boxes[:, 1]
    large = np.flatnonzero(heights >= min(40.0, float(heights.max())))
    face = picture.boxes[int(rng.choice(large))]
    scene = _Scene(pixels.shape[1], pixels.shape[0], size[0] / size[1], face)
    # Speeds are planned in the picture's pixels; a view of about half its width is the usual one.
    views = MOVES[move](scene, speed * 0.55 * scene.widest / size[0], frames, rng)
    name = f"{picture.path.stem} {move} {speed:g}"
    return Clip(name, pixels, picture.boxes, tuple(views), *size, seed)


def halves(pictures: Sequence[Labelled]) -> tuple[list[Labelled], list[Labelled]]:
    """Pictures to develop on, and pictures to keep for the final measurement; always the same."""
    order = np.random.default_rng(SEED).permutation(len(pictures))
    middle = len(pictures) // 2
    return [pictures[i] for i in order[:middle]], [pictures[i] for i in order[middle:]]


def make_clips(
    pictures: Sequence[Labelled], number: int, *, frames: int = 75, least_px: float = 40
) -> Iterator[Clip]:
    """Clips over pictures in turn, each with the next move and speed.

    Args:
        pictures: Where to draw from; those without a face so large are passed over.
        number: How many clips at most.
        frames: How many frames each.
        least_px: Height of a face that counts, in pixels of picture and frame; a clip shows at
            least one in a third of its frames.
    """
    ways = [(move, speed) for speed in SPEEDS for move in MOVES]
    made = 0
    for place, picture in enumerate(pictures):
        if made == number:
            return
        if not picture.at_least(least_px).any():
            continue
        move, speed = ways[made % len(ways)]
        clip = make_clip(picture, move, speed, frames=frames, seed=SEED + place)
        if sum(bool(clip.shown(i, least_px).any()) for i in range(frames)) * 3 >= frames:
            made += 1
            yield clip


def _bounced(way: npt.NDArray[np.floating[Any]], room: float) -> npt.NDArray[np.float64]:
    """A way between 0 and `room`, turned round at both ends."""
    if room <= 0:
        return np.zeros_like(way)
    return np.asarray(room - np.abs(way % (2 * room) - room))
