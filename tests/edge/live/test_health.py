"""How frames come: rate, slowness with hysteresis, damage."""

from __future__ import annotations

import pytest

from faceguard.edge.live.health import Flow, Health, State

SECOND = 1_000_000_000


def beat(flow: Flow, start_ns: int, seconds: float, rate: float, damaged: int = 0) -> int:
    count = round(seconds * rate)
    for number in range(count):
        flow.beat(start_ns + int(number * SECOND / rate), damaged)
    return start_ns + int(count * SECOND / rate)


@pytest.mark.parametrize("rate", [1.0, 7.5, 30.0, 240.0])
def test_the_rate_is_that_of_the_last_seconds(rate):
    flow = Flow(None)
    assert flow.rate(0) is None
    now = beat(flow, 0, 2.0, rate)
    assert flow.rate(now) == pytest.approx(rate, rel=0.02, abs=0.5)
    now = beat(flow, now, 20.0, rate)
    assert flow.rate(now) == pytest.approx(rate, rel=0.02, abs=0.21)
    assert flow.rate(now + 5 * SECOND + 1) == 0
    assert flow.own_rate is None


def test_nothing_is_judged_before_a_whole_window():
    flow = Flow(30.0)
    now = beat(flow, 0, 4.5, 2.0, damaged=9)
    assert flow.trouble(now, 0.5) is None
    now = beat(flow, now, 1.0, 2.0, damaged=9)
    assert flow.trouble(now, 0.5) == "corrupt"


@pytest.mark.parametrize("slow_below", [0.1, 0.5, 0.9, 0.99])
def test_slow_begins_at_the_limit_and_ends_above_it(slow_below):
    flow = Flow(100.0)
    now = beat(flow, 0, 6.0, 100.0)
    assert flow.trouble(now, slow_below) is None
    now = beat(flow, now, 6.0, slow_below * 100 - 1)
    assert flow.trouble(now, slow_below) == "slow"
    now = beat(flow, now, 6.0, slow_below * 100 + 0.4)
    assert flow.trouble(now, slow_below) == "slow"
    # At its own rate it is always well again.
    now = beat(flow, now, 6.0, 100.0)
    assert flow.trouble(now, slow_below) is None


def test_a_file_may_be_as_slow_as_it_likes():
    flow = Flow(30.0)
    now = beat(flow, 0, 20.0, 1.0)
    assert flow.trouble(now, None) is None


def test_damage_is_told_from_half_on_until_a_quarter():
    flow = Flow(None)
    now = beat(flow, 0, 6.0, 30.0, damaged=1)  # half, and not more
    assert flow.trouble(now, 0.5) is None
    now = beat(flow, now, 6.0, 30.0, damaged=2)
    assert flow.trouble(now, 0.5) == "corrupt"
    now = beat(flow, now, 3.0, 30.0)
    assert flow.trouble(now, 0.5) == "corrupt"
    now = beat(flow, now, 3.0, 30.0)
    assert flow.trouble(now, 0.5) is None


def test_who_gives_frames():
    giving = {state for state in State if Health(state, 0).gives_frames}
    assert giving == {State.UP, State.SLOW}
