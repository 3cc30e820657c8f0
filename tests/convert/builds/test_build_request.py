"""Requests and messages on their way between processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceguard.convert.build.request import BuildRequest
from faceguard.convert.child.wire import Receiver, one_line
from faceguard.engines.errors import UsageError
from faceguard.engines.spec import Profile

sides = st.integers(1, 4000)
paths = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1).map(
    Path
)


@st.composite
def profiles(draw):
    axes = draw(st.lists(st.tuples(sides, sides, sides).map(sorted), min_size=1, max_size=5))
    return Profile(*(tuple(shape) for shape in zip(*axes, strict=True)))


requests = st.builds(
    BuildRequest,
    graph=paths,
    out=paths,
    backend=st.sampled_from(["tensorrt", "tensorrt-rtx"]),
    profiles=st.dictionaries(st.text(), profiles(), max_size=3),
    workspace_bytes=st.none() | st.integers(1, 1 << 40),
    timing_cache=st.none() | paths,
    targets=st.lists(st.sampled_from(["sm75", "sm86", "sm120"])).map(tuple),
)


@given(requests)
def test_requests_come_back_as_they_were(request_):
    line = request_.to_json()
    assert "\n" not in line
    assert BuildRequest.from_json(line) == request_
    request_.check()


def test_a_path_that_is_no_text_comes_back():
    path = Path("f\udcff.onnx")
    request = BuildRequest(path, path, "tensorrt")
    assert BuildRequest.from_json(request.to_json().encode()) == request


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"targets": ("sm87",)}, "runs on a Jetson"),
        ({"targets": ("sm86", "ampere")}, "'ampere' names no GPU"),
        ({"workspace_bytes": 0}, "workspace of 0 bytes"),
        ({"backend": "onnx"}, "builds no engine"),
    ],
)
def test_what_cannot_be_meant_is_refused(values, told):
    fields = {"graph": Path("a"), "out": Path("b"), "backend": "tensorrt-rtx", **values}
    with pytest.raises(UsageError, match=told):
        BuildRequest(**fields).check()


def test_tensorrt_itself_does_not_look_at_targets():
    BuildRequest(Path("a"), Path("b"), "tensorrt", targets=("sm87",)).check()


@given(st.lists(st.integers(1, 9)))
def test_messages_cut_anywhere_come_out_whole(cuts):
    data = b'{"kind": "a"}\n{"kind": "b", "text": "\\n"}\n{"kind": "cut of'
    receiver, messages, start = Receiver(), [], 0
    for length in [*cuts, len(data)]:
        messages += receiver.feed(data[start : start + length])
        start += length
    assert messages == [{"kind": "a"}, {"kind": "b", "text": "\n"}]


@given(st.text(), st.integers(3, 40))
def test_one_line_is_one_line(text, limit):
    line = one_line(text, limit)
    assert line.isprintable()
    assert len(line) <= limit
