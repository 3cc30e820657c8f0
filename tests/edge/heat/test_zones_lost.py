"""Lost zones: one that was the hottest and answers no more must not let the board cook."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from benchmarks.parts.plant import Board, Plant, Work
from faceguard.edge.heat.reading import Sensed, Zone
from faceguard.edge.heat.settings import GovernorSettings
from tests.edge.heat.looks import BUSY, Looks
from tests.edge.heat.simulation import RATE, governor

GONE = None


def known(offsets_c: Mapping[str, float], seconds: int = 120, base_c: float = 60.0) -> Looks:
    """A machine whose zones have been so much warmer than another for some time."""
    looks = Looks()
    for second in range(seconds):
        looks.look({name: base_c + off + second % 5 / 8 for name, off in offsets_c.items()})
    return looks


def test_a_lost_zone_keeps_its_value_and_is_then_as_much_warmer_as_it_was():
    looks = known({"cpu": 6.0, "gpu": 0.0})
    judged = looks.many(10, {"cpu": BUSY, "gpu": 50.0})
    assert (judged.reading.zone, judged.reading.temperature_c) == ("cpu", 66.5)
    assert judged.doubts == {"cpu": "busy (EAGAIN); held at 66 C"}
    judged = looks.look({"cpu": BUSY, "gpu": 50.0})
    assert judged.reading.zone == "cpu"
    assert judged.reading.temperature_c == pytest.approx(56)
    assert judged.doubts == {"cpu": "busy (EAGAIN); taken as 6 C over gpu"}
    # For as long as it is listed, and up with the other one.
    judged = looks.many(3_000, {"cpu": BUSY, "gpu": 70.0})
    assert judged.reading.excess_c == pytest.approx(1)
    assert looks.look({"cpu": 58.0, "gpu": 70.0}).doubts == {}


def test_a_zone_that_vanished_is_forgotten_after_ten_minutes():
    looks = known({"cpu": 6.0, "gpu": 0.0})
    judged = looks.many(600, {"gpu": 50.0})
    assert judged.doubts == {"cpu": "gone; taken as 6 C over gpu"}
    judged = looks.many(1, {"gpu": 50.5})
    assert (judged.reading.zone, judged.doubts) == ("gpu", {})


def test_its_last_known_limit_counts():
    looks = Looks()
    for second in range(60):
        cpu = Zone(Sensed(60 + second / 8), 70.0)
        looks.look({"cpu": cpu, "gpu": 60 + second / 8})
    assert looks.look({"cpu": BUSY, "gpu": 60.0}).reading.limit_c == 65
    assert looks.many(30, {"gpu": 60.0}).reading.limit_c == 65
    assert looks.look({"cpu": Zone(BUSY, 60.0), "gpu": 60.0}).reading.limit_c == 55


def test_while_no_zone_is_believed_it_is_blind():
    looks = known({"cpu": 6.0, "gpu": 0.0})
    judged = looks.look({"cpu": BUSY, "gpu": BUSY})
    assert judged.reading.blind == "cpu: busy (EAGAIN); gpu: busy (EAGAIN)"
    assert judged.reading.zone is None
    assert judged.doubts == {"cpu": "busy (EAGAIN)", "gpu": "busy (EAGAIN)"}


def test_a_zone_that_never_answered_is_taken_for_nothing():
    looks = Looks()
    judged = looks.many(30, {"cv0": BUSY, "cpu": 60.0})
    assert judged.doubts == {"cv0": "busy (EAGAIN)"}


def test_two_lost_one_after_the_other_are_both_reckoned_by_the_third():
    looks = known({"cpu": 10.0, "gpu": 5.0, "soc": 0.0})
    looks.many(100, {"cpu": BUSY, "gpu": 65.5, "soc": 60.5})
    judged = looks.many(100, {"cpu": BUSY, "gpu": BUSY, "soc": 61.5})
    assert judged.reading.temperature_c == pytest.approx(71.5)
    assert judged.doubts["gpu"] == "busy (EAGAIN); taken as 5 C over soc"


def test_one_far_cooler_is_asked_only_where_there_is_no_other():
    looks = known({"cpu": 40.0, "gpu": 35.0, "acpitz": 0.0}, base_c=30.0)
    # The room does not cool as they do.
    judged = looks.many(20, {"cpu": BUSY, "gpu": 52.5, "acpitz": 30.5})
    assert judged.reading.temperature_c == pytest.approx(57.5)
    judged = looks.many(20, {"cpu": BUSY, "gpu": BUSY, "acpitz": 30.5})
    assert judged.reading.temperature_c == pytest.approx(70.5)


def test_one_that_rose_and_froze_is_as_it_was_before():
    looks = known({"cpu": 5.0, "gpu": 0.0})
    for second in range(400):
        judged = looks.look({"cpu": 140.0, "gpu": 50 + second % 9 / 2}, load=second % 2)
    assert judged.doubts["cpu"].endswith("taken as 5 C over gpu")
    assert judged.reading.excess_c < -15


def test_one_that_never_changed_is_taken_for_nothing_once_it_is_stuck():
    looks = Looks()
    for second in range(300):
        judged = looks.look({"cpu": 140.0, "gpu": 50 + second % 9 / 2}, load=second % 2)
    assert judged.doubts == {"cpu": "stuck for 299 s"}
    assert judged.reading.zone == "gpu"


# Whole runs: a hot zone that lies, and others that do not.

Fault = Callable[[int, float, random.Random], float | Sensed | None]


def right(_at: int, c: float, _chance: random.Random) -> float:
    return c


def every(k: int) -> Fault:
    return lambda at, c, _: c if at % k == 0 else BUSY


def now_and_then(share: float) -> Fault:
    return lambda _, c, chance: c if chance.random() < share else BUSY


def gone(since_s: int) -> Fault:
    return lambda at, c, _: c if at < since_s else GONE


def silent(since_s: int) -> Fault:
    return lambda at, c, _: c if at < since_s else BUSY


def bursts(period_s: int, length_s: int) -> Fault:
    return lambda at, c, _: BUSY if at > 300 and at % period_s < length_s else c


def leaps(period_s: int) -> Fault:
    """Falls for up to half a minute, which is not believed."""
    return lambda at, c, _: c - 45 if at > 300 and at % period_s < 30 else c


FAULTS = (
    st.builds(every, st.integers(2, 15))
    | st.builds(now_and_then, st.floats(0.05, 0.9))
    | st.builds(silent, st.integers(300, 2000))
    | st.builds(bursts, st.integers(60, 400), st.integers(5, 50))
    | st.builds(leaps, st.integers(90, 400))
)


def run(faults: Mapping[str, tuple[float, Fault]], board: Board, seconds: int, seed: int):
    """The hottest true temperature of each second, and each level."""
    chance, plant, of, looks = random.Random(seed), Plant(board), governor(), Looks()
    state, hottest_c, levels = of.start(looks.now_ns), [], []
    work, rung = Work(), of.rungs[0]
    for at in range(seconds):
        true_c = {name: plant.die_c + off for name, (off, _) in faults.items()}
        survey = {}
        for name, (_, fault) in faults.items():
            heard_c = round((true_c[name] + chance.gauss(0, 0.2)) * 32) / 32
            told = fault(at, heard_c, chance)
            if told is not None:
                survey[name] = told
        judged = looks.look(survey, load=rung.load)
        state, budget = of.step(state, judged.reading, looks.now_ns, RATE)
        rung = of.rungs[budget.level]
        plant.advance(work.power_w(rung.share, rung.every, upscale=False, rate=RATE))
        hottest_c.append(max(true_c.values()))
        levels.append(budget.level)
    return hottest_c, levels


@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    fault=FAULTS,
    offsets_c=st.tuples(st.floats(0, 10), st.floats(0, 10)),
    ambient_c=st.floats(20, 48),
    sink_s=st.floats(60, 400),
    seed=st.integers(0, 99),
)
@example(silent(400), (10.0, 4.0), 45.0, 200.0, 0)
@example(every(11), (10.0, 8.0), 45.0, 200.0, 1)
@example(now_and_then(0.1), (8.0, 10.0), 45.0, 200.0, 2)
def test_a_fault_of_the_hottest_zone_does_not_cook_the_board(
    fault, offsets_c, ambient_c, sink_s, seed
):
    """Not here: one that vanishes from the list for over 10 minutes, one that is frozen for less
    than 180 s, one that stays cold for over a minute after it fell."""
    board, of = Board(ambient_c, 3.0, sink_s), governor()
    lowest = of.rungs[of.lowest]
    hottest_c = max(offsets_c)
    least_c = board.settled_c(Work().power_w(lowest.share, lowest.every, upscale=False))
    assume(least_c + hottest_c <= GovernorSettings().limit_c - 1)
    zones = {"cpu": (offsets_c[0], right), "gpu": (offsets_c[1], right), "soc": (0.0, right)}
    worst = max(zones, key=lambda name: zones[name][0])
    zones[worst] = (zones[worst][0], fault)
    true_c, _ = run(zones, board, 3000, seed)
    assert max(true_c[600 + int(3 * sink_s) :]) <= GovernorSettings().limit_c + 1.5


def test_a_zone_that_is_gone_from_the_list_counts_for_ten_minutes():
    zones = {"cpu": (8.0, gone(1500)), "gpu": (0.0, right)}
    true_c, _ = run(zones, Board(45, 1.8, 200), 3000, 0)
    assert max(true_c[1000:2090]) <= 76.5
    # Then it is forgotten, as a card that was taken out would be.
    assert max(true_c[2400:]) > 78


def test_a_zone_that_freezes_cool_is_found_stuck_and_the_board_held_from_then_on():

    def frozen(at: int, c: float, _chance: random.Random) -> float:
        return c if at < 60 else 55.03125

    zones = {"cpu": (8.0, frozen), "gpu": (0.0, right)}
    true_c, _ = run(zones, Board(45, 1.8, 200), 2500, 0)
    assert max(true_c) > 70
    assert max(true_c[1200:]) <= 76.5
