"""Tiles of one size whose cores cover each pixel once, with all that a network needs around."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceguard.engines.upscaling.tile import Tile
from faceguard.engines.upscaling.tiles import cut

overlaps = st.integers(0, 40)
lengths = st.one_of(st.integers(1, 100), st.integers(1, 6000))


def check(axis, length, most, least, overlap):
    spans, side = axis.spans, axis.side
    assert spans[0].keep_from == 0
    assert spans[-1].keep_to == length
    assert all(one.keep_to == other.keep_from for one, other in itertools.pairwise(spans))
    assert least <= side <= most
    if len(spans) == 1:
        assert side == max(length, least)
        assert spans[0].start == 0
        return
    # The picture's own edges are tiles' edges, so that the network pads there as for the whole.
    assert spans[0].start == 0
    assert spans[-1].start + side == length
    for span in spans:
        assert span.keep_from < span.keep_to
        assert span.start == 0 or span.keep_from - span.start >= overlap
        assert span.start + side == length or span.start + side - span.keep_to >= overlap


@given(lengths, lengths, st.integers(1, 700), st.integers(1, 700), overlaps)
def test_cover_and_overlap(width, height, across, down, overlap):
    tile = Tile(across + 2 * overlap, down + 2 * overlap)
    plan = cut(width, height, tile, overlap)
    check(plan.across, width, tile.width, 1, overlap)
    check(plan.down, height, tile.height, 1, overlap)
    assert plan.tile_shape == (plan.down.side, plan.across.side)
    assert len(plan) == len(plan.across.spans) * len(plan.down.spans)


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 30), st.integers(1, 30), overlaps)
def test_each_pixel_is_written_once(width, height, across, down, overlap):
    plan = cut(width, height, Tile(across + 2 * overlap, down + 2 * overlap), overlap)
    written = np.zeros((height, width), int)
    for x, y in plan:
        written[y.keep_from : y.keep_to, x.keep_from : x.keep_to] += 1
    assert (written == 1).all()
    assert len(list(plan)) == len(plan)


@given(lengths, st.integers(1, 700), overlaps)
def test_no_more_tiles_and_no_larger_than_needed(length, core, overlap):
    most = core + 2 * overlap
    axis = cut(length, 1, Tile(most, 1), overlap).across
    count = len(axis.spans)
    if count == 1:
        assert length <= most
        return
    # One tile less would not reach, nor would as many that are a pixel shorter.
    assert (count - 1) * core + 2 * overlap < length
    assert count * (axis.side - 1 - 2 * overlap) + 2 * overlap < length


@given(lengths, st.integers(1, 700), overlaps)
def test_an_engine_of_one_size_gets_that_size(length, core, overlap):
    side = core + 2 * overlap
    axis = cut(1, length, Tile(1, side), overlap, least=(1, side)).down
    assert axis.side == side
    check(axis, length, side, side, overlap)


@given(lengths, st.integers(1, 300), st.integers(0, 300), overlaps)
def test_least_holds(length, core, more, overlap):
    least = core + 2 * overlap
    axis = cut(length, 1, Tile(least + more, 1), overlap, least=(least, 1)).across
    check(axis, length, least + more, least, overlap)


def test_a_picture_that_fits_is_one_tile_of_its_size():
    plan = cut(37, 20, Tile(64, 64), 40)
    assert plan.tile_shape == (20, 37)
    assert len(plan) == 1


def test_tiles_are_made_as_small_as_their_number_allows():
    plan = cut(1024, 1024, Tile(1000, 600), 4)
    assert plan.tile_shape == (516, 516)
    assert len(plan) == 4


@pytest.mark.parametrize("side", [1, 7, 8])
def test_a_tile_without_a_core_is_refused(side):
    with pytest.raises(ValueError, match=rf"width: a tile of {side} px has no core.*at least 9 px"):
        cut(100, 5, Tile(side, 5), 4)
    with pytest.raises(ValueError, match="height: a tile"):
        cut(5, 100, Tile(5, side), 4)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="width: 0 px"):
        cut(0, 5, Tile(9, 9), 1)
    with pytest.raises(ValueError, match="takes 64 px or more"):
        cut(100, 100, Tile(32, 32), 4, least=(64, 1))
