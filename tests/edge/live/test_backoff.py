"""Pauses between tries: they double, differ, end somewhere, and begin anew."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from faceguard.edge.live.backoff import Backoff

seconds = st.floats(0.05, 60)


@given(seconds, st.floats(1, 100), st.integers(0, 2**32), st.integers(1, 200))
def test_pauses_double_up_to_the_longest(first_s, times, seed, tries):
    longest_s = first_s * times
    backoff = Backoff(random.Random(seed))
    for number in range(tries):
        plan_s = min(longest_s, first_s * 2**number)
        pause_s = backoff.next_s(first_s, longest_s)
        assert 0.8 * plan_s <= pause_s <= min(longest_s, 1.2 * plan_s)
    backoff.reset()
    assert backoff.next_s(first_s, longest_s) <= 1.2 * first_s


def test_two_cameras_do_not_come_back_at_the_same_moment():
    one, other = Backoff(), Backoff()
    assert [one.next_s(1, 64) for _ in range(6)] != [other.next_s(1, 64) for _ in range(6)]


def test_settings_may_change_between_tries():
    backoff = Backoff(random.Random(1))
    for _ in range(50):
        backoff.next_s(0.5, 15)
    assert backoff.next_s(0.5, 1) <= 1
    assert backoff.next_s(0, 0) == 0
