"""Damage for files of any kind, and how reading them may end."""

from __future__ import annotations

import struct
from collections.abc import Callable

import onnx
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from faceguard.engines.errors import BadModelFile, UnsupportedOp

Hits = list[tuple[int, bytes]]

FUZZ = settings(
    deadline=None,
    max_examples=250,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def hits_of(*, first: int = 0, largest: int = 0xFFFFFFFF) -> st.SearchStrategy[Hits]:
    """Bytes at a place; places below 0, from `first` on, count from the end.

    `largest` is the largest of the words that are likely to trip somebody.
    """
    words = [0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, largest]
    patch = st.one_of(
        st.binary(min_size=1, max_size=4),
        st.sampled_from(words).map(lambda word: struct.pack("<I", word)),
    )
    return st.lists(st.tuples(st.integers(first, 1 << 16), patch), min_size=1, max_size=6)


def hit(source: bytes, places: Hits) -> bytes:
    """The file with its damage, as long as it was."""
    damaged = bytearray(source)
    for place, patch in places:
        start = place % len(source)
        damaged[start : start + len(patch)] = patch
    return bytes(damaged[: len(source)])


def refusal_of(convert: Callable[..., onnx.ModelProto], source: bytes) -> str:
    """Converts; the only ways to end are a sound graph, or one of two errors in one line.

    Gives the error's text, empty for a graph.
    """
    refusal = ""
    try:
        model = convert(source, name="fuzz")
    except (BadModelFile, UnsupportedOp) as error:
        refusal = str(error)
    if refusal:
        assert refusal.startswith("fuzz: ")
        assert "\n" not in refusal
    else:
        onnx.checker.check_model(model, full_check=True)
    return refusal
