"""Tiles: nothing between them, nothing twice."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceguard.engines.bgr_array import BgrArray
from faceguard.engines.detectors import Detector
from faceguard.engines.detectors.tiling import OVERLAP, View, merge, tiles
from faceguard.engines.detectors.yunet import YuNet
from faceguard.engines.runtime import open_runtime
from faceguard.engines.types import Detections, Region

WHOLE = Region(0, 0, 1000, 600)
LEFT = Region(0, 0, 600, 600)
RIGHT = Region(400, 0, 1000, 600)


def _found(*rows):
    boxes = np.array([row[:4] for row in rows], np.float32).reshape(-1, 4)
    scores = np.array([row[4] for row in rows], np.float32)
    return Detections(boxes, scores, np.zeros((len(rows), 5, 2), np.float32))


def _merged(**views):
    regions = {"whole": WHOLE, "left": LEFT, "right": RIGHT}
    given_ = [View(regions[name], _found(*rows)) for name, rows in views.items()]
    result = merge(given_, 1000, 600, 0.3)
    rows = zip(result.boxes, result.scores, strict=True)
    return [[round(float(v), 3) for v in (*b, s)] for b, s in rows]


@given(st.integers(1, 5000), st.integers(1, 5000), st.sampled_from([320, 512, 640, 1280]))
def test_tiles_cover_and_overlap(width, height, side):
    parts = tiles(width, height, side)
    if max(width, height) <= side:
        assert parts == []
        return
    for low, high, length in (("x0", "x1", width), ("y0", "y1", height)):
        spans = sorted({(getattr(part, low), getattr(part, high)) for part in parts})
        assert spans[0][0] == 0
        assert spans[-1][1] == length
        for start, end in spans:
            assert start % 2 == 0
            assert end - start <= side + 1
        for (_, end), (start, _) in itertools.pairwise(spans):
            # Rounding to even starts may cost two pixels.
            assert end - start >= round(side * OVERLAP) - 2


def test_same_face_in_two_views_is_one():
    whole = (450, 100, 500, 160, 0.6)
    left = (452, 101, 501, 161, 0.9)
    assert _merged(whole=[whole], left=[left], right=[left]) == [[452, 101, 501, 161, 0.9]]


def test_cut_face_yields_to_the_whole_one_though_its_score_is_higher():
    cut = (560, 100, 600, 220, 0.95)
    full = (561, 95, 660, 225, 0.7)
    assert _merged(whole=[], left=[cut], right=[full]) == [[561, 95, 660, 225, 0.7]]


def test_cut_face_that_nobody_else_saw_stays():
    cut = (560, 100, 600, 220, 0.4)
    other = (100, 100, 150, 160, 0.9)
    assert _merged(whole=[], left=[other, cut]) == [
        [100, 100, 150, 160, 0.9],
        [560, 100, 600, 220, 0.4],
    ]


def test_parts_of_one_face_are_joined():
    left = (380, 100, 600, 400, 0.5)
    right = (400, 110, 640, 410, 0.8)
    assert _merged(left=[left], right=[right]) == [[380, 100, 640, 410, 0.8]]


def test_neighbours_on_the_line_stay_two():
    first = (560, 100, 600, 160, 0.8)
    second = (400, 100, 440, 160, 0.7)
    assert len(_merged(left=[first], right=[second])) == 2


def test_picture_edges_cut_nothing():
    edge = (0, 0, 40, 50, 0.5)
    better = (0, 0, 60, 70, 0.4)  # would swallow it, were it taken for a part
    assert _merged(whole=[better], left=[edge]) == [[0, 0, 40, 50, 0.5]]


def test_nothing_merged_is_nothing():
    assert _merged(whole=[], left=[], right=[]) == []


@pytest.fixture(scope="module")
def crowd(astronaut):
    """A large picture with small faces, some of them on the lines between tiles of 640 pixels."""
    picture = np.full((1500, 2000, 3), 90, np.uint8)
    # The face is 90x113 at (178, 63) in the sample; a quarter of it is too small for the whole
    # picture shrunk to 640, and large enough at full resolution.
    small = cv2.resize(astronaut, (160, 160), interpolation=cv2.INTER_AREA)
    corners = [(40, 40), (560, 40), (400, 700), (590, 600), (1500, 560), (1820, 1320), (960, 1000)]
    faces = []
    for x, y in corners:
        picture[y : y + 160, x : x + 160] = small
        scale = 160 / 512
        faces.append([x + 178 * scale, y + 63 * scale, x + 268 * scale, y + 176 * scale])
    return picture, np.array(faces, np.float32)


@pytest.mark.models
def test_tiles_find_small_faces_each_once(engine_path, crowd):
    picture, faces = crowd
    runtime = open_runtime(engine_path("yunet"), threads=2)
    with Detector(runtime, YuNet(), score=0.6, long_side=640) as plain:
        alone = plain.detect(BgrArray(picture))
        tiled = Detector(runtime, YuNet(), score=0.6, long_side=640, tile=True)
        found = tiled.detect(BgrArray(picture))
    assert len(alone) < len(faces)
    assert len(found) == len(faces)
    for face in faces:
        region = Region(*map(float, face))
        assert sum(region.iou(box) > 0.5 for box in found.regions()) == 1


@pytest.mark.models
def test_a_small_picture_needs_no_tiles(engine_path, astronaut):
    runtime = open_runtime(engine_path("yunet"), threads=2)
    with Detector(runtime, YuNet()) as plain:
        want = plain.detect(BgrArray(astronaut))
        have = Detector(runtime, YuNet(), tile=True).detect(BgrArray(astronaut))
    np.testing.assert_array_equal(have.boxes, want.boxes)
    assert len(have) == 1
