"""Damaged pictures: frames or one InputError, and never anything else."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faceguard.edge.sources.picture import open_picture
from faceguard.engines.errors import InputError
from tests.edge.pictures import MARKED, animation, scene

SMALL = {
    **{name: partial(make, scene(20, 14)) for name, make in MARKED.items()},
    "moving-gif": lambda: animation("GIF", 3),
    "moving-webp": lambda: animation("WEBP", 3, alpha=True),
    "moving-png": lambda: animation("PNG", 3, alpha=True),
}


@cache
def _whole(name: str) -> bytes:
    return SMALL[name]()


def _frames_or_input_error(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        with open_picture(path, max_pixels=1_000_000) as source:
            for frame in source:
                assert frame.image.width * frame.image.height <= 1_000_000
    except InputError as error:
        line = str(error)
    else:
        return
    assert line.startswith(f"{path}: ")
    assert "\n" not in line


@pytest.mark.parametrize("name", SMALL)
@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(drawn=st.data())
def test_flipped_bytes(tmp_path, name, drawn):
    content = bytearray(_whole(name))
    # Headers steer the readers, so half of the damage goes there.
    places = st.one_of(st.integers(0, min(200, len(content) - 1)), st.integers(0, len(content) - 1))
    for place in drawn.draw(st.lists(places, min_size=1, max_size=6)):
        content[place] = drawn.draw(st.integers(0, 255))
    _frames_or_input_error(tmp_path / "picture", bytes(content))


@pytest.mark.parametrize("name", SMALL)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(drawn=st.data())
def test_cut_and_patched(tmp_path, name, drawn):
    content = _whole(name)
    start, end = sorted(drawn.draw(st.tuples(*[st.integers(0, len(content))] * 2)))
    patch = drawn.draw(st.binary(max_size=12))
    _frames_or_input_error(tmp_path / "picture", content[:start] + patch + content[end:])


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    start=st.sampled_from([_whole(name)[:count] for name in SMALL for count in (4, 16, 40)]),
    rest=st.binary(max_size=300),
)
def test_a_right_beginning_with_anything_after(tmp_path, start, rest):
    _frames_or_input_error(tmp_path / "picture", start + rest)
