"""What is learned of a board, and where a noisy temperature goes."""

from __future__ import annotations

import random

import pytest

from benchmarks.parts.plant import Board, Plant
from faceguard.edge.heat.governing.heat_model import HeatModel
from faceguard.edge.heat.governing.power_model import PowerModel
from faceguard.edge.heat.governing.trend import Trend

SECOND_NS = 1_000_000_000
FULL_W = 12.0


def driven(board: Board, loads: list[float], noise_c: float = 0.1) -> HeatModel:
    """What a model learns from a board under these loads, a minute each."""
    noise, plant, model = random.Random(4), Plant(board), HeatModel()
    second = 0
    for load in loads:
        for _ in range(60):
            second += 1
            plant.advance(5 + load * FULL_W)
            model = model.add(plant.die_c + noise.gauss(0, noise_c), load, second * SECOND_NS)
    return model


@pytest.mark.parametrize("sink_s", [80, 200, 500])
def test_it_finds_time_constant_and_rise(sink_s: float) -> None:
    board = Board(25, 2.0, sink_s, die_c_per_w=0)
    small_steps = [0.5 + 0.1 * (index // 4 % 5) for index in range(90)]
    model = driven(board, small_steps, noise_c=0.05)
    assert 1 / model.cooling_per_s == pytest.approx(sink_s, rel=0.25)
    rise_c = model.rise_c_per_s / model.cooling_per_s
    assert rise_c == pytest.approx(2.0 * FULL_W, rel=0.25)


def test_what_it_says_stays_within_reason_whatever_it_is_fed() -> None:
    noise = random.Random(1)
    model = HeatModel()
    for second in range(5000):
        model = model.add(noise.uniform(-60, 60), noise.random(), second * SECOND_NS)
        assert 1 / 2000 <= model.cooling_per_s <= 1 / 15
        assert 0.02 <= model.rise_c_per_s <= 4


def test_a_steady_hour_does_not_make_it_forget() -> None:
    board = Board(25, 2.0, 200, die_c_per_w=0)
    moved = [0.5 + 0.1 * (index // 4 % 5) for index in range(40)]
    short, long = driven(board, moved), driven(board, [*moved, *[0.7] * 60])
    assert long.cooling_per_s == pytest.approx(short.cooling_per_s, rel=0.4)


def test_a_gap_is_not_learned_from() -> None:
    model = driven(Board(25, 2.0, 200), [0.5] * 5)
    later = model.interrupted()
    assert (later.normal, later.side) == (model.normal, model.side)
    hot = later.add(90, 0.5, 10**15).add(90, 0.5, 10**15 + SECOND_NS)
    assert (hot.normal, hot.side) == (model.normal, model.side)
    # Nor from a minute in which nobody looked.
    late = model.add(90, 0.5, (5 * 60 + 60) * SECOND_NS)
    assert late.side == model.side


def test_a_ramp_through_the_filters() -> None:
    trend = Trend.at(5, 20, 50, 1)
    for second in range(1, 300):
        trend = trend.add(50 + 0.1 * second, 1, 1)
    assert trend.slope_per_s == pytest.approx(0.1, rel=0.01)
    assert trend.now == pytest.approx(50 + 0.1 * 299, abs=0.1)


def test_the_slope_after_a_change_of_load_is_known_before_it_is_seen() -> None:
    """The filters need a minute to see it; what they have not seen is worked out."""
    board = Board(25, 2.0, 200, die_c_per_w=0)
    plant, trend = Plant(board), Trend.at(30, 90, 25, 1.0)
    for _ in range(400):
        trend = trend.add(plant.advance(5 + FULL_W), 1.0, 1)
    for _ in range(5):
        trend = trend.add(plant.advance(5 + 0.5 * FULL_W), 0.5, 1)
    rise, cooling = 2.0 * FULL_W / 200, 1 / 200
    true_slope = (board.settled_c(5 + 0.5 * FULL_W) - plant.die_c) / 200
    assert trend.slope_per_s > 0 > true_slope
    assert trend.slope_under(0.5, rise, cooling) == pytest.approx(true_slope, abs=0.01)
    settles_c = trend.settles(0.5, rise, cooling)
    assert settles_c == pytest.approx(board.settled_c(5 + 0.5 * FULL_W), abs=2)
    in_minute_c = Plant(board, start_c=plant.die_c).advance(5 + 0.5 * FULL_W, 60)
    assert trend.in_seconds(60, 0.5, rise, cooling) == pytest.approx(in_minute_c, abs=0.5)


def test_what_full_work_draws() -> None:
    noise, model = random.Random(2), PowerModel()
    for second in range(3000):
        load = 0.4 + 0.1 * (second // 100 % 6)
        model = model.add(6 + 14 * load + noise.gauss(0, 0.4), load, second * SECOND_NS)
    assert model.full_w == pytest.approx(14, rel=0.1)
