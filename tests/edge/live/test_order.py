"""The times of what goes out, whatever comes in between."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from faceguard.edge.live.order import Order
from faceguard.edge.redact import redact
from faceguard.edge.style import Style
from faceguard.edge.types import Cover, Frame
from tests.edge.live.room import TICKS, frame
from tests.edge.live.scene import Scene

S_NS = 1_000_000_000
PICTURE = frame(Scene(), 0)


class Outgoing:
    """Lets frames and slates out through an order, as the room does."""

    def __init__(self) -> None:
        self.order = Order(epoch_ns=0)
        self.times: list[int] = []
        self.number = 0

    def frame(self, pts: int, session: int = 1) -> int:
        self._out(self.order.of_frame(replace(PICTURE, pts=pts, session=session)))
        return self.times[-1]

    def slate(self, now_ns: int, waiting: Frame | None = None) -> int:
        self._out(replace(PICTURE, pts=self.order.of_slate(now_ns, waiting), session=0))
        return self.times[-1]

    def _out(self, one: Frame) -> None:
        one = replace(one, index=self.number)
        self.number += 1
        self.order.went_out(redact(one, Cover(whole="a test"), Style()))
        self.times.append(one.pts)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("frame"), st.integers(-(10**6), 10**6), st.integers(1, 3)),
            st.tuples(st.just("slate"), st.integers(0, 20 * S_NS), st.none()),
        ),
        max_size=20,
    )
)
def test_all_that_goes_out_is_later_than_what_went_before(steps):
    out = Outgoing()
    for what, at, session in steps:
        out.frame(at, session) if what == "frame" else out.slate(at)
    assert out.times == sorted(set(out.times))
    assert out.order.last_index == len(steps) - 1
    assert out.order.has_begun == bool(steps)


def test_frames_of_a_session_keep_their_distances_after_a_slate_that_was_later():
    out = Outgoing()
    assert out.frame(0) == 0
    moved = out.slate(10 * S_NS) + 1
    assert [out.frame(n * TICKS) for n in (1, 2, 5)] == [moved, moved + TICKS, moved + 4 * TICKS]
    # Another session begins where it says, if nothing has gone out later.
    assert out.frame(10_000_000, session=2) == 10_000_000


def test_a_slate_leaves_room_for_the_frames_that_wait():
    out = Outgoing()
    out.frame(0)
    waiting = replace(PICTURE, pts=TICKS)
    assert out.slate(10 * S_NS, waiting) == TICKS - 1
    assert out.frame(TICKS) == TICKS
