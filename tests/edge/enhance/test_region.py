"""Cutting out a part, in every arrangement of planes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceguard.edge.enhance.region import cut_out, parse_region, within
from faceguard.edge.sinks.area import Area
from faceguard.edge.types import Image, PixelFormat
from faceguard.engines.errors import UsageError

# So that a place fits into 8 bits.
SIDES = st.integers(1, 16)


@pytest.mark.parametrize(
    ("text", "region"),
    [("1,2,3,4", (1, 2, 3, 4)), (" 0, 0, 10, 10", (0, 0, 10, 10)), ("-5,-6,7,8", (-5, -6, 7, 8))],
)
def test_a_region_is_read(text, region):
    assert parse_region(text) == region


@pytest.mark.parametrize(
    "text", ["", "1,2,3", "1,2,3,4,5", "1,2,0,4", "1,2,3,-4", "a,b,c,d", "1.5,2,3,4", "٣,1,1,1"]
)
def test_what_is_no_region_is_refused_in_one_line(text):
    with pytest.raises(UsageError, match=r"--roi.*x,y,w,h") as caught:
        parse_region(text)
    assert "\n" not in str(caught.value)


@given(
    form=st.sampled_from(PixelFormat),
    size=st.tuples(SIDES, SIDES),
    at=st.tuples(st.integers(-9, 18), st.integers(-9, 18)),
    asked=st.tuples(SIDES, SIDES),
)
def test_a_part_is_what_lies_there_and_at_most_a_sample_more(form, size, at, asked):
    """Each sample tells its own place, so that a part that lies elsewhere shows."""
    width, height = size
    planes = []
    for spec in form.planes:
        shape = spec.shape(width, height)
        rows, columns = np.mgrid[: shape[0], : shape[1]]
        places = (rows * 16 + columns).astype(form.dtype)
        planes.append(places if len(shape) == 2 else np.stack([places] * shape[2], axis=2))
    image = Image(form, width, height, tuple(planes))
    region = Area(*at, *asked)
    left, top = max(0, at[0]), max(0, at[1])
    right, bottom = min(width, at[0] + asked[0]), min(height, at[1] + asked[1])
    if left >= right or top >= bottom:
        with pytest.raises(UsageError, match="outside"):
            cut_out(image, region)
        return
    part = cut_out(image, region)
    luma = part.planes[0] if part.planes[0].ndim == 2 else part.planes[0][..., 0]
    first = int(luma[0, 0])
    y, x = first // 16, first % 16
    columns = max(spec.sub_x for spec in form.planes)
    rows = max(spec.sub_y for spec in form.planes)
    assert left - columns < x <= left
    assert top - rows < y <= top
    assert x % columns == 0
    assert y % rows == 0
    assert right <= x + part.width <= min(width, right + columns - 1)
    assert bottom <= y + part.height <= min(height, bottom + rows - 1)
    for spec, plane, whole in zip(form.planes, part.planes, planes, strict=True):
        shape = spec.shape(part.width, part.height)
        below, right_of = y // spec.sub_y, x // spec.sub_x
        np.testing.assert_array_equal(
            plane, whole[below : below + shape[0], right_of : right_of + shape[1]]
        )


def test_a_part_keeps_within_whole_samples():
    assert within(Area(3, 5, 2, 2), 100, 100, columns=2, rows=2) == Area(2, 4, 4, 4)
    assert within(Area(98, 0, 50, 1), 99, 7, columns=2, rows=2) == Area(98, 0, 1, 2)
