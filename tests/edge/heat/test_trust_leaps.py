"""Trust: falls that nothing can cool by are not believed for a minute, rises are."""

from __future__ import annotations

import pytest

from tests.edge.heat.looks import BUSY, Looks


def test_a_fall_that_nothing_can_cool_by_is_not_believed_for_a_minute():
    looks = Looks()
    looks.look({"cpu": 74.0})
    judged = looks.look({"cpu": 31.0})
    assert judged.doubts == {"cpu": "leapt from 74 to 31 C"}
    assert judged.reading.blind == "cpu: leapt from 74 to 31 C"
    for second in range(59):
        assert looks.look({"cpu": 31.0 + second % 3}).doubts == judged.doubts
    assert looks.look({"cpu": 31.5}).reading.temperature_c == 31.5
    assert looks.look({"cpu": 31.0}).doubts == {}


@pytest.mark.parametrize(
    ("from_c", "to_c", "gap_s", "is_believed"),
    [
        (74.0, 59.0, 1, True),
        (30.1, 15.1, 1, True),
        (74.0, 58.9, 1, False),
        (74.0, 59.0, 0, True),
        (74.0, 58.9, 0, False),
        (74.0, 44.0, 2, True),
        (74.0, 43.9, 2, False),
        (74.0, 0.0, 4.9, False),
        (74.0, 0.0, 5, True),
        (150.0, -1.0, 10, False),
        (150.0, -40.0, 10.1, True),
        (74.0, -40.0, 7_200, True),
        (74.0, -40.0, -100, True),
        (20.0, 74.0, 1, True),
        (-40.0, 150.0, 0, True),
    ],
)
def test_so_much_may_a_value_fall_and_rise_as_it_will(from_c, to_c, gap_s, is_believed):
    looks = Looks()
    looks.look({"cpu": from_c})
    assert (looks.look({"cpu": to_c}, after_s=gap_s).doubts == {}) == is_believed


def test_the_time_without_a_value_counts_as_a_gap():
    looks = Looks()
    looks.look({"cpu": 74.0})
    looks.many(2, {"cpu": BUSY})
    assert looks.look({"cpu": 30.0}).doubts == {}
    looks = Looks()
    looks.look({"cpu": 74.0})
    looks.look({"cpu": BUSY})
    assert looks.look({"cpu": 30.0}).doubts != {}


def test_while_a_zone_is_in_doubt_the_others_decide_for_it():
    looks = Looks()
    looks.look({"cpu": 74.0, "gpu": 60.0})
    judged = looks.look({"cpu": 31.0, "gpu": 70.5})
    assert (judged.reading.zone, judged.reading.temperature_c) == ("cpu", 74.0)
    assert judged.doubts == {"cpu": "leapt from 74 to 31 C; held at 74 C"}
    judged = looks.many(15, {"cpu": 31.0, "gpu": 70.5})
    assert (judged.reading.zone, judged.reading.temperature_c) == ("cpu", 84.5)
    assert judged.doubts == {"cpu": "leapt from 74 to 31 C; taken as 14 C over gpu"}


def test_a_leap_back_is_believed_at_once():
    looks = Looks()
    looks.look({"cpu": 74.0})
    looks.many(5, {"cpu": 31.0})
    assert looks.look({"cpu": 59.0}).reading.temperature_c == 59.0
    assert looks.look({"cpu": 43.0}).doubts == {"cpu": "leapt from 59 to 43 C"}


def test_further_leaps_begin_the_minute_anew():
    looks = Looks()
    looks.look({"cpu": 74.0})
    looks.many(50, {"cpu": 31.0})
    assert looks.look({"cpu": 50.0}).doubts == {"cpu": "leapt from 74 to 50 C"}
    assert looks.many(50, {"cpu": 50.0}).doubts == {"cpu": "leapt from 74 to 50 C"}
    assert looks.look({"cpu": 10.0}).doubts == {"cpu": "leapt from 74 to 10 C"}
    assert looks.many(59, {"cpu": 10.0}).doubts == {"cpu": "leapt from 74 to 10 C"}
    assert looks.look({"cpu": 10.0}).doubts == {}


def test_a_sensor_that_leaps_for_ever_is_never_believed_when_it_is_cold():
    looks = Looks()
    looks.look({"cpu": 74.0})
    for second in range(1_000):
        assert looks.look({"cpu": 31.0 if second % 2 else 5.0}).doubts != {}


def test_a_leap_is_not_the_truer_for_reads_that_fail():
    looks = Looks()
    looks.look({"cpu": 74.0})
    looks.look({"cpu": 31.0})
    for _ in range(4):
        looks.many(12, {"cpu": BUSY})
        assert looks.look({"cpu": 31.0}).doubts == {"cpu": "leapt from 74 to 31 C"}
    looks.many(7, {"cpu": BUSY})
    assert looks.look({"cpu": 31.0}).doubts == {}


def test_looks_that_are_far_apart_end_a_doubt_too():
    looks = Looks()
    looks.look({"cpu": 74.0})
    looks.look({"cpu": 31.0})
    for _ in range(5):
        assert looks.look({"cpu": 31.0}, after_s=11).doubts != {}
    assert looks.look({"cpu": 31.0}, after_s=11).doubts == {}


def test_a_clock_that_goes_back_ends_a_doubt():
    looks = Looks()
    looks.look({"cpu": 74.0})
    looks.look({"cpu": 31.0})
    assert looks.look({"cpu": 31.0}, after_s=-3_000).doubts == {}


def test_what_is_above_its_limit_is_believed_even_after_a_leap():
    looks = Looks()
    looks.look({"cpu": 120.0})
    assert looks.look({"cpu": 75.0}).reading.excess_c == 0.0
    looks.look({"cpu": 120.0})
    assert looks.look({"cpu": 74.9}).doubts == {"cpu": "leapt from 120 to 75 C"}
    assert looks.look({"cpu": 76.0}).reading.excess_c == 1.0


def test_a_sensor_that_rises_and_freezes_ends_as_stuck():
    looks = Looks()
    looks.look({"cpu": 50.0})
    assert looks.look({"cpu": 140.0}).reading.excess_c == 65.0
    judged = looks.many(180, {"cpu": 140.0}, load=0.0)
    assert judged.doubts == {"cpu": "stuck for 180 s"}


def test_a_sensor_that_falls_and_freezes_is_doubted_then_believed_then_stuck():
    looks = Looks()
    looks.look({"cpu": 74.0})
    told = [looks.look({"cpu": 31.0}, load=second % 2).doubts.get("cpu") for second in range(182)]
    assert set(told[:60]) == {"leapt from 74 to 31 C"}
    assert set(told[60:180]) == {None}
    assert told[180:] == ["stuck for 180 s", "stuck for 181 s"]
