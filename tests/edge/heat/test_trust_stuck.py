"""Trust: sensors that stand still are stuck where something moves, and only there."""

from __future__ import annotations

import pytest

from faceguard.edge.heat.trust import Judged
from tests.edge.heat.looks import BUSY, Looks


def stood(looks: Looks, seconds: int, *, load: float = 1.0, others: float | None = None) -> Judged:
    """So many seconds in which the CPU's sensor does not change."""
    zones = {"cpu": 45.0} if others is None else {"cpu": 45.0, "gpu": others}
    return looks.many(seconds, zones, load)


def test_a_value_that_stands_while_the_load_changes_is_stuck():
    looks = Looks()
    stood(looks, 100)
    assert stood(looks, 80, load=0.7).doubts == {}  # 179 s
    judged = stood(looks, 1, load=0.7)
    assert judged.doubts == {"cpu": "stuck for 180 s"}
    assert judged.reading.blind == "cpu: stuck for 180 s"
    assert judged.reading.excess_c is None
    assert judged.reading.has_sensors
    assert stood(looks, 10, load=0.7).doubts == {"cpu": "stuck for 190 s"}


def test_a_value_that_stands_while_nothing_changes_is_believed():
    looks = Looks()
    stood(looks, 500, load=1.0, others=50.0)
    assert stood(looks, 500, load=0.71, others=52.9).doubts == {}
    assert stood(looks, 500, load=0.9, others=47.1).doubts == {}


def test_a_load_that_rises_again_counts_by_its_whole_range():
    looks = Looks()
    stood(looks, 10, load=0.8)
    stood(looks, 10, load=0.55)
    assert stood(looks, 160, load=0.84).doubts == {}
    assert stood(looks, 10, load=0.86).doubts == {"cpu": "stuck for 189 s"}


def test_a_change_of_load_while_the_value_still_moved_does_not_count():
    looks = Looks()
    looks.look({"cpu": 47.0}, load=0.2)
    looks.look({"cpu": 46.0}, load=0.5)
    assert stood(looks, 400, load=1.0).doubts == {}


@pytest.mark.parametrize("moved_c", [-3.0, 3.0])
def test_a_value_that_stands_while_another_zone_moves_is_stuck(moved_c):
    looks = Looks()
    stood(looks, 50, others=50.0)
    for part in (0.25, 0.5, 0.75):
        stood(looks, 1, others=50.0 + part * moved_c)
    assert stood(looks, 127, others=50.0 + moved_c).doubts == {}
    judged = stood(looks, 1, others=50.0 + moved_c)
    assert judged.doubts == {"cpu": "stuck for 180 s"}
    assert (judged.reading.zone, judged.reading.blind) == ("gpu", None)


def test_a_zone_that_moved_and_came_back_has_moved():
    looks = Looks()
    for others in (50.0, 50.0, 51.5, 53.0, 51.5):
        stood(looks, 1, others=others)
    assert stood(looks, 175, others=50.0).doubts == {}
    assert stood(looks, 1, others=50.0).doubts == {"cpu": "stuck for 180 s"}


def test_a_move_of_three_degrees_counts_however_floats_round_it():
    assert 33.3 - 30.3 < 3
    looks = Looks()
    for others in (30.3, 30.3, 32.0, 33.3):
        stood(looks, 1, others=others)
    assert stood(looks, 200, others=33.3).doubts != {}


def test_what_another_zone_did_before_the_last_change_does_not_count():
    looks = Looks()
    for step in range(10):
        looks.look({"cpu": 46.0, "gpu": 50.0 + step})
    assert stood(looks, 400, others=59.0).doubts == {}


def test_a_doubted_zone_is_no_witness():
    looks = Looks()
    stood(looks, 5, others=70.0)
    # A leap of 40 C that is not believed for a minute, and back again.
    stood(looks, 50, others=30.0)
    assert stood(looks, 300, others=70.0).doubts == {}


def test_one_wrong_value_of_a_zone_makes_no_other_one_stuck():
    looks = Looks()
    stood(looks, 100, others=50.0)
    assert stood(looks, 1, others=120.0).reading.zone == "gpu"
    assert stood(looks, 100, others=50.0).doubts == {}
    assert stood(looks, 100, others=50.0).doubts == {}


def test_a_zone_that_never_changed_since_the_start_falls_under_the_same_rule():
    looks = Looks()
    for second in range(300):
        judged = looks.look({"acpitz": 27.8, "coretemp": 50.0 + second % 20 / 4})
    assert judged.doubts == {"acpitz": "stuck for 299 s"}


def test_a_stuck_zone_is_believed_once_its_value_changes():
    looks = Looks()
    stood(looks, 10)
    assert stood(looks, 200, load=0.5).doubts
    judged = looks.look({"cpu": 45.5}, load=0.5)
    assert judged.doubts == {}
    assert judged.reading.temperature_c == 45.5
    # And counts from there.
    assert looks.many(300, {"cpu": 45.5}, 0.5).doubts == {}


def test_a_stuck_zone_stays_stuck_whatever_its_loss_does_to_the_load():
    looks = Looks()
    stood(looks, 10)
    stood(looks, 180, load=0.5)
    # Blind: the governor goes down to its safe level and stays there.
    for load in (0.5, 0.3, 0.2):
        for _ in range(300):
            assert "cpu" in stood(looks, 1, load=load).doubts
    # Sleep, failing reads, absurd values and another name for a while do not revive it either.
    looks.look({"cpu": 45.0}, after_s=7_200)
    looks.many(100, {"cpu": BUSY})
    looks.many(3, {"cpu": 999.0})
    looks.many(300, {"gpu": 50.0})
    assert looks.look({"cpu": 45.0}).doubts == {"cpu": "stuck for 8693 s"}


def test_a_value_that_fails_now_and_then_is_still_the_same():
    looks = Looks()
    for second in range(200):
        judged = looks.look({"cpu": 45.0 if second % 12 == 0 else BUSY}, load=second / 200)
    assert looks.look({"cpu": 45.0}).doubts == {"cpu": "stuck for 200 s"}
    assert judged.doubts == {"cpu": "busy (EAGAIN)"}


def test_a_zone_that_was_away_for_over_a_minute_is_counted_anew():
    for away, doubts in ((59, {"cpu": "stuck for 230 s"}), (60, {})):
        looks = Looks()
        stood(looks, 171)
        looks.many(away, {"cpu": BUSY}, 0.2)
        assert stood(looks, 1, load=0.2).doubts == doubts
    assert stood(looks, 179, load=0.9).doubts == {}
    assert stood(looks, 1, load=0.9).doubts == {"cpu": "stuck for 180 s"}


def test_sleep_makes_nobody_stuck():
    for gap_s, is_stuck in ((10, True), (10.1, False), (7_200, False)):
        looks = Looks()
        stood(looks, 170)
        looks.look({"cpu": 45.0}, after_s=gap_s, load=0.3)
        assert bool(stood(looks, 5, load=0.3).doubts) == is_stuck
    # All that was seen before the sleep is no witness after it.
    assert stood(looks, 400, load=0.3).doubts == {}
    assert stood(looks, 1, load=0.7).doubts != {}


def test_what_moved_before_a_sleep_is_no_witness_after_it():
    looks = Looks()
    for others in (50.0, 50.0, 52.0, 54.0):
        stood(looks, 1, load=others / 100, others=others)
    assert looks.memory.zones["cpu"].moved
    looks.look({"cpu": 45.0, "gpu": 58.0}, after_s=20, load=1.0)
    assert stood(looks, 400, load=1.0, others=58.0).doubts == {}


def test_looks_that_are_all_far_apart_find_nobody_stuck():
    looks = Looks()
    for step in range(100):
        assert looks.look({"cpu": 45.0}, after_s=11, load=step % 2).doubts == {}


def test_a_clock_that_stands_still_finds_nobody_stuck():
    looks = Looks()
    for step in range(1_000):
        assert looks.look({"cpu": 45.0, "gpu": 50.0 + step % 9}, after_s=0, load=step % 2)
    assert looks.memory.zones["cpu"].moved
    assert looks.look({"cpu": 45.0, "gpu": 50.0}, after_s=0).doubts == {}


def test_a_clock_that_goes_back_begins_anew():
    looks = Looks()
    stood(looks, 170)
    assert looks.look({"cpu": 45.0}, after_s=-3_000, load=0.1).doubts == {}
    assert stood(looks, 179, load=0.1).doubts == {}
    assert stood(looks, 10, load=0.1).doubts == {}
    assert stood(looks, 1, load=0.9).doubts == {"cpu": "stuck for 190 s"}
    assert looks.look({"cpu": 45.0}, after_s=-300).doubts == {"cpu": "stuck for 0 s"}
    assert looks.look({"cpu": 20.0}, after_s=-300).doubts == {}


@pytest.mark.parametrize("at_waking", [{"cpu": BUSY}, {"gpu": 50.0}])
def test_sleep_is_not_counted_where_a_zone_has_no_value_at_waking(at_waking):
    for gap_s, is_stuck in ((9, True), (20, False), (-5, False)):
        looks = Looks()
        stood(looks, 175)
        looks.many(9, at_waking)
        looks.look(at_waking, after_s=gap_s)
        assert ("cpu" in stood(looks, 2, load=0.1).doubts) == is_stuck
