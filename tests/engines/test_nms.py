"""Suppression against a plain reference, and against OpenCV's."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceguard.engines.nms import areas, intersections, nms, pairwise_iou
from faceguard.engines.types import Region


def _random(count, seed, spread=300.0):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, spread, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 60, (count, 2))], axis=1)
    return boxes.astype(np.float32), (rng.permutation(count) + 1).astype(np.float32) / (count + 1)


def _reference(boxes, scores, iou):
    """Greedy suppression as a textbook has it, one pair at a time."""
    regions = [Region(*map(float, box)) for box in boxes]
    kept = []
    for place in sorted(range(len(boxes)), key=lambda index: (-scores[index], index)):
        if all(regions[place].iou(regions[other]) <= iou for other in kept):
            kept.append(place)
    return kept


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 90), st.integers(0, 1000), st.sampled_from([0.1, 0.3, 0.5, 0.9]))
def test_keeps_what_the_textbook_keeps(count, seed, iou):
    boxes, scores = _random(count, seed)
    assert nms(boxes, scores, iou).tolist() == _reference(boxes, scores, iou)


@pytest.mark.parametrize("count", [255, 256, 257, 900])
def test_keeps_the_same_across_blocks(count):
    boxes, scores = _random(count, 7)
    kept = nms(boxes, scores, 0.3).tolist()
    assert kept == _reference(boxes, scores, 0.3)
    assert len(kept) < count  # or nothing was tested


def test_agrees_with_opencv():
    boxes, scores = _random(400, 3)
    sized = boxes.copy()
    sized[:, 2:] -= sized[:, :2]
    theirs = cv2.dnn.NMSBoxes(sized.tolist(), scores.tolist(), 0.0, 0.3)
    assert nms(boxes, scores, 0.3).tolist() == np.asarray(theirs).ravel().tolist()


def test_nothing_in_nothing_out():
    none = np.zeros((0, 4), np.float32)
    assert nms(none, np.zeros(0, np.float32), 0.3).tolist() == []
    assert pairwise_iou(none, np.ones((3, 4), np.float32)).shape == (0, 3)


def test_earlier_box_wins_a_tie():
    boxes = np.array([[0, 0, 10, 10]] * 3, np.float32)
    assert nms(boxes, np.full(3, 0.5, np.float32), 0.3).tolist() == [0]


def test_boxes_without_area_overlap_nothing():
    boxes = np.array([[5, 5, 5, 5], [9, 9, 1, 1], [0, 0, 10, 10]], np.float32)
    assert areas(boxes).tolist() == [0, 0, 100]
    assert intersections(boxes, boxes)[:2].sum() == 0
    assert not np.isnan(pairwise_iou(boxes, boxes)).any()
    assert sorted(nms(boxes, np.array([0.9, 0.8, 0.7], np.float32), 0.3).tolist()) == [0, 1, 2]


def test_touching_boxes_share_nothing():
    first = np.array([[0, 0, 10, 10]], np.float32)
    second = np.array([[10, 0, 20, 10], [5, 0, 15, 10], [0, 0, 10, 10]], np.float32)
    assert pairwise_iou(first, second)[0].tolist() == pytest.approx([0, 1 / 3, 1])
