"""What must hold on any board: found by hypothesis, over whole runs."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from benchmarks.parts.plant import Board, Plant, Work
from faceguard.edge.heat.governing.governor import Governor
from faceguard.edge.heat.governing.state import State, from_plain, to_plain
from faceguard.edge.heat.reading import Reading
from faceguard.edge.heat.settings import GovernorSettings, WithoutSensors
from tests.edge.heat.simulation import SECOND_NS, felt, governor, simulate

LIMIT_C = 75.0
HOURS = 5400
# The board of a small computer: a rise of more than 90 C at full work needs no governor but a sink.
MOST_RISE_C = 90.0
runs = settings(
    max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
steps = settings(max_examples=150, deadline=None, derandomize=True)

works = st.builds(
    Work,
    idle_w=st.floats(2, 9),
    frame_j=st.floats(0.05, 0.4),
    look_j=st.floats(0.02, 0.3),
    upscale_j=st.sampled_from([0.0, 0.05, 0.2, 0.3]),
)
boards = st.builds(
    Board,
    ambient_c=st.floats(-20, 65),
    sink_c_per_w=st.floats(0.5, 6),
    sink_s=st.floats(40, 900),
    die_c_per_w=st.floats(0, 0.5),
    die_s=st.floats(0.5, 3),
)


def settled_s(board: Board) -> int:
    return 600 + int(3 * board.sink_s)


def a_board(board: Board, work: Work) -> None:
    """A board on which there is something to govern, and a pause that helps."""
    upscale = work.upscale_j > 0
    assume(board.settled_c(work.power_w(0, 2)) < LIMIT_C - 4)
    assume(board.settled_c(work.power_w(1, 2, upscale=upscale)) - board.ambient_c < MOST_RISE_C)


@runs
@given(board=boards, work=works, noise_c=st.floats(0, 0.4), seed=st.integers(0, 1000))
@example(Board(50, 1.75, 200), Work(), 0.2, 0)
@example(Board(25, 4.2, 305), Work(upscale_j=0.19), 0.2, 1)
def test_it_stays_below_the_limit_without_flapping(
    board: Board, work: Work, noise_c: float, seed: int
) -> None:
    a_board(board, work)
    of = governor(upscales=work.upscale_j > 0)
    run = simulate(of, board, work, HOURS, seed=seed, noise_c=noise_c)
    since_s = settled_s(board)
    lowest = of.rungs[of.lowest]
    can_hold = board.settled_c(work.power_w(lowest.share, lowest.every, upscale=False)) <= LIMIT_C
    if can_hold:
        assert max(run.true_c[since_s:]) <= LIMIT_C + 1
    assert run.most_changes(600, since_s) <= 6


@runs
@given(board=boards, work=works, seed=st.integers(0, 1000))
def test_a_board_that_stays_cool_is_left_alone(board: Board, work: Work, seed: int) -> None:
    upscales = work.upscale_j > 0
    assume(board.settled_c(work.power_w(1, 2, upscale=upscales)) < LIMIT_C - 3)
    run = simulate(governor(upscales=upscales), board, work, 3600, seed=seed)
    assert set(run.levels) == {0}


@runs
@given(
    board=boards,
    work=works,
    seed=st.integers(0, 1000),
    step_c=st.floats(-15, 10),
    step_w=st.floats(0, 4),
)
def test_it_holds_through_a_change_of_weather_and_load(
    board: Board, work: Work, seed: int, step_c: float, step_w: float
) -> None:
    a_board(board, work)
    changed_s = HOURS // 2
    of = governor(upscales=work.upscale_j > 0)
    lowest = of.rungs[of.lowest]
    least_w = work.power_w(lowest.share, lowest.every, upscale=False) + step_w
    warmer = Board(
        board.ambient_c + max(0.0, step_c), board.sink_c_per_w, board.sink_s, board.die_c_per_w
    )
    assume(warmer.settled_c(least_w) <= LIMIT_C)

    def weather(second: int, plant: Plant) -> float:
        if second == changed_s:
            plant.ambient_c += step_c
        return step_w if second >= changed_s else 0.0

    run = simulate(of, board, work, HOURS, seed=seed, disturb=weather)
    settled = [*range(settled_s(board), changed_s), *range(changed_s + settled_s(board), HOURS)]
    assert all(run.true_c[second] <= LIMIT_C + 1 for second in settled)


@runs
@given(
    board=boards,
    work=works,
    seed=st.integers(0, 1000),
    begins_s=st.integers(0, 2000),
    lasts_s=st.integers(1, 4000),
    lie=st.sampled_from([None, 140.0, -300.0]),
)
def test_a_blind_governor_ends_at_the_safe_level(
    board: Board, work: Work, seed: int, begins_s: int, lasts_s: int, lie: float | None
) -> None:
    a_board(board, work)
    of = governor()

    def fault(second: int, heard_c: float) -> float | None:
        # What cannot be true never gets here: it is none.
        told = None if lie is not None and not -40 <= lie <= 150 else lie
        return told if begins_s <= second < begins_s + lasts_s else heard_c

    run = simulate(of, board, work, begins_s + lasts_s, seed=seed, fault=fault)
    if lie != 140.0 and lasts_s > 700:
        assert run.levels[-1] == of.lowest
        # By and by, and never up, until a pause has lasted.
        blind = run.levels[begins_s + 10 :]
        assert all(
            after >= before or before == len(of.rungs) - 1 for before, after in pairwise(blind)
        )
    if lie == 140.0:
        assert all(run.budgets[second].paused for second in range(begins_s, begins_s + lasts_s))


readings = st.one_of(
    st.floats(-40, 150).map(felt),
    st.just(felt(None)),
    st.builds(felt, st.floats(20, 90), st.floats(0, 60)),
    st.just(Reading(blind="no temperature sensor")),
)
with_power = GovernorSettings(power_limit_w=15.0)


def walked(of: Governor, path: list[tuple[Reading, int]]) -> tuple[State, int]:
    """The state after some readings, each held for some seconds."""
    state, now_ns = of.start(0), 0
    for reading, seconds in path:
        for _ in range(seconds):
            now_ns += SECOND_NS
            state, _ = of.step(state, reading, now_ns, 30.0)
    return state, now_ns


paths = st.lists(st.tuples(readings, st.integers(1, 120)), min_size=1, max_size=8)


@steps
@given(
    path=paths,
    temperature_c=st.floats(20, 90),
    hotter_c=st.floats(0, 60),
    power_w=st.none() | st.floats(0, 60),
    upscales=st.booleans(),
)
def test_hotter_never_allows_more(
    path: list[tuple[Reading, int]],
    temperature_c: float,
    hotter_c: float,
    power_w: float | None,
    upscales: bool,
) -> None:
    of = governor(with_power, upscales=upscales)
    state, now_ns = walked(of, path)
    _, cool = of.step(state, felt(temperature_c, power_w), now_ns + SECOND_NS, 30.0)
    _, hot = of.step(state, felt(temperature_c + hotter_c, power_w), now_ns + SECOND_NS, 30.0)
    assert hot.level >= cool.level


@steps
@given(path=paths, reading=readings, upscales=st.booleans())
def test_one_rung_a_second_but_in_an_emergency(
    path: list[tuple[Reading, int]], reading: Reading, upscales: bool
) -> None:
    of = governor(upscales=upscales)
    state, now_ns = walked(of, path)
    _, budget = of.step(state, reading, now_ns + SECOND_NS, 30.0)
    excess_c = reading.excess_c
    if excess_c is not None and excess_c >= of.settings.emergency_c:
        assert budget.paused
    else:
        assert abs(budget.level - state.level) <= 1


@steps
@given(path=paths, reading=readings)
def test_the_budget_is_that_of_its_rung_and_never_touches_redaction(
    path: list[tuple[Reading, int]], reading: Reading
) -> None:
    of = governor(upscales=True)
    state, now_ns = walked(of, path)
    _, budget = of.step(state, reading, now_ns + SECOND_NS, 25.0)
    rung = of.rungs[budget.level]
    assert budget.paused == (rung.share == 0)
    assert budget.detect_every == rung.every <= max(2, of.settings.most_every)
    if rung.share in (0, 1):
        assert budget.frames_per_s is None
    else:
        assert budget.frames_per_s == rung.share * 25
    assert budget.reason
    # There is nothing in a budget that could turn redaction off or weaken it.
    assert set(vars(budget)) == {
        *("level", "frames_per_s", "detect_every", "upscale", "paused", "reason")
    }


@steps
@given(path=paths, after=paths)
def test_a_state_comes_back_from_json_and_decides_the_same(
    path: list[tuple[Reading, int]], after: list[tuple[Reading, int]]
) -> None:
    of = governor(with_power)
    state, now_ns = walked(of, path)
    again = from_plain(json.loads(json.dumps(to_plain(state))))
    assert again == state
    for reading, seconds in after:
        now_ns += seconds * SECOND_NS
        state, budget = of.step(state, reading, now_ns, 30.0)
        again, same = of.step(again, reading, now_ns, 30.0)
        assert (again, same) == (state, budget)


@steps
@given(path=paths)
def test_without_sensors_the_configuration_decides(path: list[tuple[Reading, int]]) -> None:
    none = Reading(blind="no temperature sensor")
    free = governor(GovernorSettings(without_sensors=WithoutSensors.UNLIMITED))
    state, _ = walked(free, [*path, (none, 900)])
    assert state.level == 0
    slow = governor()
    state, _ = walked(slow, [(none, 60)])
    assert state.level == slow.lowest
