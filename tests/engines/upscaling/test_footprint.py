"""What measurements say of other tiles."""

from __future__ import annotations

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from faceguard.engines.upscaling.footprint import Footprint, Key, Measure, Need, work_pixels
from faceguard.engines.upscaling.tile import Tile

MIB = 1 << 20
KEY = Key(sha256="0" * 64, form="plain", runtime="some 1.0", threads=2, device="some")
NOTHING = Need(resident=0, address=0)
KINDS = ("resident", "address")


def footprint(*tiles: tuple[int, int, int]) -> Footprint:
    measures = [Measure(pixels=p, need=Need(resident=r, address=a)) for p, r, a in tiles]
    return Footprint(key=KEY, load=NOTHING, loaded=NOTHING, tiles=tuple(measures))


sizes = st.integers(0, 1 << 32)
footprints = st.lists(
    st.tuples(st.integers(1, 1 << 20), sizes, sizes),
    min_size=1,
    max_size=6,
    unique_by=lambda t: t[0],
).map(lambda tiles: footprint(*sorted(tiles)))
growing = st.lists(st.tuples(st.integers(1, 1 << 20), sizes), min_size=1, max_size=6).map(
    lambda steps: footprint(
        *zip(accumulate(s[0] for s in steps), accumulate(s[1] for s in steps), [0] * 6)  # noqa: B905
    )
)
pixels = st.integers(1, 1 << 26)


@given(footprints, pixels, pixels)
def test_more_pixels_never_need_less(made, one, other):
    low, high = made.need(min(one, other)), made.need(max(one, other))
    assert low.resident <= high.resident
    assert low.address <= high.address


@given(footprints)
def test_what_was_measured_is_within_what_is_said(made):
    for tile in made.tiles:
        said = made.need(tile.pixels)
        assert said.resident > tile.need.resident * 1.09
        assert said.address > max(tile.need.address, tile.need.resident) * 1.09


@given(growing, pixels)
def test_above_the_largest_it_grows_as_steeply_as_anywhere(made, more):
    tiles = made.tiles
    last = tiles[-1]
    said = made.need(last.pixels + more).resident - last.need.resident
    for low, high in pairwise(tiles):
        slope = (high.need.resident - low.need.resident) / (high.pixels - low.pixels)
        assert said >= slope * more * 0.999


@given(footprints, st.integers(0, 1 << 34), st.sampled_from(KINDS))
def test_the_most_pixels_within_a_budget_are_just_that(made, budget, kind):
    most = made.most_pixels(budget, kind)
    if most:
        assert made.need(most).of(kind) <= budget
    if most < 1 << 40:
        assert made.need(most + 1).of(kind) > budget


def test_a_smaller_tile_than_was_measured_saves_nothing():
    made = footprint((4096, 10 * MIB, 12 * MIB), (16384, 40 * MIB, 40 * MIB))
    assert made.need(1) == made.need(4096)


def test_one_measurement_goes_by_its_pixels():
    made = footprint((1000, 10 * MIB, 0))
    assert made.need(3000).resident == 33 * MIB + 4 * MIB
    # What lies in memory has an address, whatever was reserved before it was looked at.
    assert made.need(3000).address == made.need(3000).resident


def test_tiles_must_grow():
    with pytest.raises(ValidationError, match="tiles must grow"):
        footprint((4096, 1, 1), (1024, 1, 1))
    with pytest.raises(ValidationError):
        footprint()


def test_sides_count_in_blocks():
    assert work_pixels(Tile(64, 64)) == 4096
    assert work_pixels(Tile(1, 100, 3)) == 8 * 104 * 3
