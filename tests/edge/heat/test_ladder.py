"""The order in which things go."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from faceguard.edge.heat.governing.ladder import Rung, ladder
from faceguard.edge.heat.settings import GovernorSettings

USUAL = GovernorSettings()


def test_first_sharpening_then_frames_then_the_pause() -> None:
    rungs = ladder(USUAL, every=2, look_ahead=5, upscales=True)
    assert rungs[0] == Rung(1.0, 2, True, 1.0)
    assert (rungs[1].share, rungs[1].upscale) == (1.0, False)
    assert rungs[2].share == USUAL.step
    assert rungs[-2].share == USUAL.least_share
    assert rungs[-1] == Rung(0.0, 2, False, 0.0)
    assert rungs[-1].is_paused
    # A fifth of the frames: each of them is looked at already, so no look can go.
    assert {rung.every for rung in rungs} == {2}


def test_looks_go_last_and_only_as_far_as_look_ahead_reaches() -> None:
    half = GovernorSettings(least_share=0.5, most_every=10)
    assert [rung.every for rung in ladder(half, every=2, look_ahead=5)][-5:] == [3, 4, 5, 6, 6]
    assert [rung.every for rung in ladder(half, every=2, look_ahead=2)][-3:] == [2, 3, 3]
    assert {rung.every for rung in ladder(half, every=2, look_ahead=0)} == {2}


def test_a_detector_that_looks_more_seldom_than_that_stays_as_it_is() -> None:
    assert {rung.every for rung in ladder(USUAL, every=8, look_ahead=15)} == {8}


@given(
    step=st.floats(0.5, 0.99),
    least_share=st.floats(0.05, 1.0),
    most_every=st.integers(1, 60),
    every=st.integers(1, 60),
    look_ahead=st.integers(0, 300),
    upscales=st.booleans(),
)
def test_each_rung_is_less_work_and_none_takes_what_came_before_back(
    step: float, least_share: float, most_every: int, every: int, look_ahead: int, upscales: bool
) -> None:
    settings = GovernorSettings(step=step, least_share=least_share, most_every=most_every)
    rungs = ladder(settings, every=every, look_ahead=look_ahead, upscales=upscales)
    assert (rungs[0].load, rungs[-1].load) == (1.0, 0.0)
    for above, below in pairwise(rungs):
        assert below.load < above.load
        assert below.share <= above.share
        assert below.every >= above.every
        assert above.upscale or not below.upscale
    # Looks become no rarer than configured but where look-ahead covers it.
    assert all(rung.every <= max(every, min(most_every, look_ahead + 1)) for rung in rungs)
