"""Looking for remains of watermarks in pictures that came out.

Four looks, each with odds against chance of a million to one or better on one picture:

- a whole mark correlates with its original more than cells that are its averages can;
- so does a piece of 8 by 8 samples, since a cover may have a hole;
- extreme samples agree with the original's more often than they contradict it, since a leak may be
  one row;
- anywhere, a piece is noise between black and white, since the mark may come from a frame that
  nobody thinks of, or have moved.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from faceguard.edge.types import Image, Plane
from faceguard.engines.types import F32
from tests.edge.live.scene import STRIP_ROWS, Mark, Scene, layers, number_of

_PIECE = 8
# The grid of a mosaic has so many cells at most over a mark, and as many correlate by themselves.
_CELLS = 16
_CHANCE = 6.0
_PIECE_CORRELATION = 0.85
_FLAT = 4.0
_LOW, _HIGH = 24, 232
_FEWEST_EXTREMES = 24
_RECENT = 16
# Of the 56 steps in a piece, half are between black and white in noise, and few in writing.
_STEPS = 18


@dataclass(frozen=True)
class Leak:
    """Something of a watermark.

    Attributes:
        look: Which look found it: "whole", "piece", "extremes" or "noise".
        layer: 0 for luma, 1 and 2 for chroma; for "noise" the number of the plane.
        index: Number of the frame whose mark it is; -1 where unknown.
        face: Number of the face; -1 where unknown.
        strength: By the look's own measure.
    """

    look: str
    layer: int
    index: int
    face: int
    strength: float


def find_watermarks(image: Image, scene: Scene, indices: Iterable[int] | None = None) -> list[Leak]:
    """Looks at one picture.

    Args:
        image: What came out, in any format of planes; of the size that was filmed.
        scene: What was filmed.
        indices: Frames whose marks it may hold; None takes those around the number that it bears,
            or the newest that were filmed.

    Returns:
        What was found; nothing in a picture that is safe.
    """
    shown = number_of(image.planes[0])
    if indices is None:
        if shown is not None:
            indices = range(max(0, shown - _RECENT), shown + _RECENT + 1)
        else:
            indices = list(scene.filmed)[-_RECENT:]
    size = (image.width, image.height)
    marks = [(index, mark) for index in indices for mark in scene.marks(index, size)]
    found = list(_compare(image, scene, marks)) if marks else []
    for number, plane in enumerate(image.planes):
        strength = _noise(plane[STRIP_ROWS // image.format.planes[number].sub_y :])
        if strength:
            found.append(Leak("noise", number, -1, -1, strength))
    return found


def assert_no_watermark(image: Image, scene: Scene, indices: Iterable[int] | None = None) -> None:
    """Fails with a list of what was found; see `find_watermarks`."""
    leaks = find_watermarks(image, scene, indices)
    assert not leaks, f"picture {number_of(image.planes[0])} shows {len(leaks)}: {leaks[:5]}"


def assert_no_watermarks(images: Iterable[Image], scene: Scene) -> int:
    """Looks at the pictures of an output in their order, after the run.

    Returns:
        How many bore a number that could be read: a test in which none does has seen nothing.
    """
    last, read = 0, 0
    for image in images:
        shown = number_of(image.planes[0])
        read += shown is not None
        last = last if shown is None else shown
        # Where there is none to be read, it is one of those after the last.
        until = last + _RECENT + (_RECENT * 3 if shown is None else 1)
        assert_no_watermark(image, scene, range(max(0, last - _RECENT), until))
    return read


def _compare(image: Image, scene: Scene, marks: list[tuple[int, Mark]]) -> Iterable[Leak]:
    """Looks at the places of all marks at once."""
    areas = list(zip(*(layers(image, mark) for _, mark in marks), strict=True))
    for layer, of_layer in enumerate(areas):
        side = len(of_layer[0])
        shown = np.array(of_layer, np.float32)
        drawn = [scene.pattern(index, mark.face, layer, side) for index, mark in marks]
        signs = np.array(drawn, np.float32) / 127.5 - 1
        for look, strengths, limit in _looks(shown, signs):
            for place in np.flatnonzero(strengths > limit):
                index, mark = marks[int(place)]
                yield Leak(look, layer, index, mark.face, float(strengths[place]))


def _looks(shown: F32, signs: F32) -> Iterable[tuple[str, F32, float]]:
    """The looks at a stack of areas: name, one strength for each area, and what is too much."""
    count, size = len(shown), shown[0].size
    whole = _correlations(shown.reshape(count, size), signs.reshape(count, size))
    yield "whole", whole, (math.sqrt(_CELLS) + _CHANCE) / math.sqrt(size)
    pieces = _correlations(_pieces(shown), _pieces(signs))
    yield "piece", pieces.reshape(count, -1).max(axis=1, initial=0), _PIECE_CORRELATION
    high = shown >= _HIGH
    extreme = high | (shown <= _LOW)
    extremes = extreme.sum(axis=(1, 2))
    agreed = (np.where(high, signs, -signs) * extreme).sum(axis=(1, 2))
    strength = agreed / np.sqrt(np.maximum(extremes, 1))
    yield "extremes", np.where(extremes >= _FEWEST_EXTREMES, strength, 0), _CHANCE


def _pieces(areas: F32) -> F32:
    """Squares of 8 by 8 of a stack of areas, a row of samples each."""
    rows, columns = (length // _PIECE for length in areas.shape[1:])
    cut = areas[:, : rows * _PIECE, : columns * _PIECE]
    squares = cut.reshape(len(areas), rows, _PIECE, columns, _PIECE).swapaxes(2, 3)
    return squares.reshape(-1, _PIECE * _PIECE)


def _correlations(a: F32, b: F32) -> F32:
    """Of Pearson, row by row; 0 where one is flat."""
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    squares_a, squares_b = (a * a).sum(axis=1), (b * b).sum(axis=1)
    flat = squares_a < _FLAT * _FLAT * a.shape[1]
    scale = np.sqrt(np.where(flat, 1.0, squares_a) * np.maximum(squares_b, 1.0))
    return np.asarray(np.where(flat, 0.0, (a * b).sum(axis=1) / scale))


def _noise(plane: Plane) -> float:
    """How many pieces of a plane are noise between black and white, both ways."""
    layers = [plane] if plane.ndim == 2 else [plane[..., n] for n in range(plane.shape[2])]
    count = 0
    for layer in layers:
        squares = _pieces(layer[None]).reshape(-1, _PIECE, _PIECE)
        high, low = squares >= _HIGH, squares <= _LOW
        sides = (high[:, :, 1:] & low[:, :, :-1]) | (low[:, :, 1:] & high[:, :, :-1])
        ups = (high[:, 1:] & low[:, :-1]) | (low[:, 1:] & high[:, :-1])
        steps = np.minimum(sides.sum(axis=(1, 2)), ups.sum(axis=(1, 2)))
        count += int((steps >= _STEPS).sum())
    return float(count)
