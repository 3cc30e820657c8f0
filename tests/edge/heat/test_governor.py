"""Single decisions of the governor, and runs that a person would look at."""

from __future__ import annotations

import json
import random

import pytest

from benchmarks.parts.plant import Board, Plant, Work
from faceguard.edge.heat.governing.governor import Governor
from faceguard.edge.heat.governing.ladder import ladder
from faceguard.edge.heat.governing.state import State, from_plain, to_plain
from faceguard.edge.heat.reading import Reading
from faceguard.edge.heat.settings import GovernorSettings, WithoutSensors
from tests.edge.heat.simulation import SECOND_NS, felt, governor, simulate

CLOSED_IN_THE_SUN = Board(50, 1.75, 200)
COOL = Board(25, 1.75, 200)


def after(of: Governor, readings: list[Reading], state: State | None = None) -> State:
    """The state after some seconds."""
    state = state or of.start(0)
    now_ns = state.seen_ns or 0
    for reading in readings:
        now_ns += SECOND_NS
        state, _ = of.step(state, reading, now_ns, 30.0)
    return state


def test_too_hot_pauses_at_once_and_says_which_zone() -> None:
    of = governor()
    state, budget = of.step(after(of, [felt(74)]), felt(80), 2 * SECOND_NS, 30.0)
    assert budget.paused
    assert budget.reason == "too hot: cpu-thermal at 80.0 of 75 C"
    # And it comes back when it is really cooler, but not as soon as that.
    assert after(of, [felt(74)] * 600, state).level == state.level
    assert after(of, [felt(60)] * 31, state).level == of.lowest
    assert after(of, [felt(60)] * 600, state).level == 0


def test_a_glitch_of_one_second_costs_half_a_minute() -> None:
    of = governor()
    state = after(of, [*[felt(60)] * 100, felt(149), *[felt(60)] * 4])
    assert of.rungs[state.level].is_paused
    assert after(of, [felt(60)], state).level == of.lowest
    back = after(of, [felt(60)] * 40, state)
    assert (back.level, back.up_after_ns) == (0, 0)


def test_what_leaps_and_stays_hot_is_no_glitch() -> None:
    of = governor()
    state = after(of, [*[felt(60)] * 100, *[felt(90)] * 15])
    assert state.back_to is None
    assert of.rungs[after(of, [felt(66)] * 10, state).level].is_paused


def test_on_its_way_over_the_limit_it_steps_down_before_it_is_there() -> None:
    of = governor()
    state = after(of, [felt(60 + 0.1 * second) for second in range(140)])
    assert 0 < state.level < of.lowest
    assert state.reason.startswith("heat: cpu-thermal at 7")


def test_the_same_moment_twice_is_one_step() -> None:
    of = governor()
    state = after(of, [felt(60 + 0.1 * second) for second in range(140)])
    assert of.step(state, felt(79), state.seen_ns or 0)[0] is state


def test_hardware_that_throttles_takes_a_rung_every_five_seconds() -> None:
    of = governor()
    throttled = Reading("cpu-thermal", 50, 75, None, "over-current", True, None)
    state = after(of, [*[felt(50)] * 60, *[throttled] * 11])
    assert state.level == 3
    assert state.reason == "throttled: over-current"
    assert after(of, [throttled] * 1000, state).level == of.lowest
    # However cool it is, what was too much is not tried again at once.
    assert after(of, [felt(50)] * 200, state).level == 3
    assert after(of, [felt(50)] * 300, state).level < 3


def test_power_over_its_limit() -> None:
    board, work = Board(10, 1.0, 200), Work()
    of = governor(GovernorSettings(power_limit_w=12.0))
    run = simulate(of, board, work, 3600, power=True)
    assert max(run.power_w[120:]) <= 12.5
    assert sum(run.power_w[120:]) / len(run.power_w[120:]) > 11
    assert run.most_changes(600, 600) <= 6
    assert any(budget.reason.startswith("power: 1") for budget in run.budgets)


@pytest.mark.parametrize("noise_w", [0.5, 1.5])
def test_power_that_jumps_about_takes_no_rungs_to_and_fro(noise_w: float) -> None:
    noise, of, work = random.Random(3), governor(GovernorSettings(power_limit_w=12.0)), Work()
    state, levels, drawn_w = of.start(0), [], list[float]()
    for second in range(1, 5400):
        rung = of.rungs[state.level]
        drawn_w.append(work.power_w(rung.share, rung.every))
        reading = felt(40, drawn_w[-1] + noise.gauss(0, noise_w))
        state, _ = of.step(state, reading, second * SECOND_NS, 30.0)
        levels.append(state.level)
    changes = [at for at in range(1, len(levels)) if levels[at] != levels[at - 1]]
    assert max(sum(1 for b in changes if a <= b < a + 600) for a in changes if a > 600) <= 6
    assert 10.5 < sum(drawn_w[600:]) / len(drawn_w[600:]) <= 12.1


def test_now_and_then_blind_is_not_up_and_down() -> None:
    of = governor()
    state, levels = of.start(0), []
    for second in range(1, 1800):
        reading = felt(45 if second % 12 == 0 else None)
        state, _ = of.step(state, reading, second * SECOND_NS, 30.0)
        levels.append(state.level)
    assert sum(1 for at in range(601, 1200) if levels[at] != levels[at - 1]) <= 6


def test_a_throttle_on_a_machine_without_sensors() -> None:
    of = governor(GovernorSettings(without_sensors=WithoutSensors.UNLIMITED))
    throttled = Reading(throttled="over-current", blind="no temperature sensor")
    state, levels = of.start(0), []
    for second in range(1, 1800):
        state, _ = of.step(state, throttled, second * SECOND_NS, 30.0)
        levels.append(state.level)
    assert levels == sorted(levels)
    assert levels[-1] == of.lowest
    none = Reading(blind="no temperature sensor")
    assert after(of, [none] * 230, state).level == of.lowest
    assert after(of, [none] * 400, state).level == 0


def test_power_is_not_looked_at_where_it_has_no_limit() -> None:
    of = governor()
    assert after(of, [felt(50, 900.0)] * 100).level == 0


def test_below_its_limit_of_power_it_comes_back() -> None:
    of = governor(GovernorSettings(power_limit_w=12.0))
    state = after(of, [felt(40, 14.0)] * 20)
    assert state.level > 0
    assert after(of, [felt(40, 8.0)] * 900, state).level == 0


def test_a_gpu_that_is_warmed_by_others() -> None:
    """Somebody else's ten minutes: down in time, and all the way up again within the half hour."""

    def others(second: int, _plant: Plant) -> float:
        return 8.0 if 1800 <= second < 2400 else 0.0

    run = simulate(governor(), Board(38, 1.75, 200), Work(), 5400, disturb=others)
    assert max(run.true_c) <= 76
    assert max(run.levels[1800:2400]) > 0
    assert run.levels[1799] == 0
    assert run.levels[-1] == 0


def test_a_cool_evening_after_a_hot_day() -> None:
    def evening(second: int, plant: Plant) -> float:
        if second == 3600:
            plant.ambient_c = COOL.ambient_c
        return 0.0

    run = simulate(governor(), CLOSED_IN_THE_SUN, Work(), 5400, disturb=evening)
    assert run.levels[3599] > 3
    assert run.levels[3600 + 900] == 0


def test_where_it_settles_is_known_beforehand() -> None:
    of, work = governor(), Work()
    board = Board(30, 1.75, 200)
    plant, state = Plant(board), of.start(0)
    reading = felt(30)
    for second in range(1, 400):
        reading = felt(plant.advance(work.power_w(1, 2)))
        state, _ = of.step(state, reading, second * SECOND_NS, 30.0)
        if second == 60:
            assert of.outlook(state, reading).settles_c is None
    outlook = of.outlook(state, reading)
    assert outlook.settles_c == pytest.approx(board.settled_c(work.power_w(1, 2)), abs=2)
    assert outlook.time_constant_s == pytest.approx(200, rel=0.4)
    assert of.outlook(of.start(0), Reading()).settles_c is None


def test_other_settings_take_over_where_the_last_left_off() -> None:
    before = governor(upscales=True)
    state = after(before, [felt(60 + 0.1 * second) for second in range(140)])
    higher = GovernorSettings(limit_c=90)
    of = Governor(higher, ladder(higher, every=2, look_ahead=5))
    adopted = of.adopt(state, before)
    assert of.rungs[adopted.level].load <= before.rungs[state.level].load
    cool = Reading("cpu-thermal", 74, 90, None, None, True, None)
    assert after(of, [cool] * 900, adopted).level == 0
    paused = before.step(state, felt(85), (state.seen_ns or 0) + SECOND_NS)[0]
    assert of.rungs[of.adopt(paused, before).level].is_paused


def test_a_machine_that_slept_begins_to_feel_anew() -> None:
    of = governor()
    state = after(of, [felt(60 + 0.1 * second) for second in range(140)])
    later_ns = (state.seen_ns or 0) + 3600 * SECOND_NS
    state, budget = of.step(state, felt(40), later_ns, 30.0)
    assert state.quick is not None
    assert state.quick.slope_per_s == 0
    assert budget.level <= 30


def test_the_rate_follows_the_camera() -> None:
    of = governor()
    state = after(of, [felt(60 + 0.1 * second) for second in range(140)])
    share = of.rungs[state.level].share
    assert of.budget(state, 25.0).frames_per_s == share * 25
    assert of.budget(state, None).frames_per_s == share * 30


@pytest.mark.parametrize(
    "spoil",
    [
        lambda plain: None,
        lambda plain: [],
        lambda plain: {},
        lambda plain: {**plain, "more": 1},
        lambda plain: {**plain, "level": "3"},
        lambda plain: {**plain, "level": True},
        lambda plain: {**plain, "quick": 3},
        lambda plain: {**plain, "heat": {**plain["heat"], "block": [1.0]}},
        lambda plain: {**plain, "heat": {**plain["heat"], "normal": None}},
    ],
)
def test_what_is_no_state_is_refused(spoil: object) -> None:
    of = governor()
    plain = json.loads(json.dumps(to_plain(after(of, [felt(50)] * 50))))
    assert from_plain(plain).level == 0
    with pytest.raises(ValueError, match="state"):
        from_plain(spoil(plain))  # type: ignore[operator]
