"""The thermal benchmark: its models against what was seen, its search, its sums, one quick run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import thermal
from benchmarks.parts.heat_models import CLOSED, EVERY, LOADS, MODELS, SECONDS, case, fan_off
from benchmarks.parts.heat_rules import (
    Constant,
    Governed,
    Ideal,
    Setting,
    SourceRule,
    best_constant,
)
from benchmarks.parts.heat_run import Outcome, run
from benchmarks.parts.heat_sensors import STEP_C, BoardSensors, hottest_c
from benchmarks.parts.heat_table import BEST, IDEAL, Row, figures
from benchmarks.parts.plant import Board, Plant, Work
from faceguard.edge.heat.reading import Sensed, Survey, Zone
from faceguard.edge.heat.settings import GovernorSettings

SETTINGS = GovernorSettings()
UPSCALING, PLAIN = LOADS
MODEL = {model.key: model for model in MODELS}
LIMIT_C = SETTINGS.limit_c


def test_without_its_fan_the_board_warms_as_was_seen() -> None:
    plant = Plant(fan_off(25.0), start_w=6.0)
    assert plant.die_c == pytest.approx(42.0)
    assert plant.advance(25.0, 9.7 * 60) == pytest.approx(85.0)


def test_the_closed_case_settles_as_was_seen() -> None:
    plant = Plant(case(25.0))
    assert plant.board.settled_c(20.0) == pytest.approx(66.0)
    risen_c = plant.advance(20.0, 600.0) - 25.0
    assert 0.95 < risen_c / 41.0 < 0.96


def test_steps_of_any_length_end_alike() -> None:
    board = Board(ambient_c=30.0, sink_c_per_w=2.0, sink_s=200.0)
    one, many = Plant(board), Plant(board)
    for _ in range(100):
        many.advance(15.0)
    assert one.advance(15.0, 100.0) == pytest.approx(many.die_c)


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.key)
def test_all_work_draws_20_w(load) -> None:
    assert load.work.power_w(1.0, EVERY) == pytest.approx(20.0)
    assert load.work.power_w(0.0, EVERY) == 6.0


def test_dropped_frames_are_not_looked_at() -> None:
    work = Work(idle_w=0.0, frame_j=0.0, look_j=1.0)
    assert work.power_w(1.0, 2) == 15.0
    assert work.power_w(0.5, 2) == 15.0
    assert work.power_w(0.25, 2) == 7.5


def test_sensors_come_in_steps_and_some_never_answer() -> None:
    sensors = BoardSensors(3)
    surveys = [sensors.survey(60.0, 12.0) for _ in range(200)]
    zones = surveys[0].zones
    assert [name for name, zone in zones.items() if zone.temperature_c.reason] == [
        "cv0-thermal",
        "cv1-thermal",
        "cv2-thermal",
    ]
    values = [zone.temperature_c.value for zone in zones.values() if zone.temperature_c.value]
    assert all(value / STEP_C == pytest.approx(round(value / STEP_C)) for value in values)
    felt = [hottest_c(survey) for survey in surveys]
    assert 59.5 < sum(felt) / len(felt) < 60.5
    assert len(set(felt)) > 10
    again = BoardSensors(3)
    assert [again.survey(60.0, 12.0) for _ in range(200)] == surveys


@pytest.mark.parametrize(
    ("felt_c", "share", "level"), [(75.0, 1.0, 0), (75.1, 0.5, 1), (80.0, 0.5, 1), (80.1, 0.0, 2)]
)
def test_the_sources_rule(felt_c, share, level) -> None:
    zones = {"a": Zone(Sensed(felt_c)), "b": Zone(Sensed(reason="busy")), "c": Zone(Sensed(40.0))}
    decided = SourceRule(75.0).decide(Survey(zones=zones), 0)
    assert decided == Setting(share, EVERY, upscale=True, level=level)


def test_the_best_constant_uses_the_limit_up_and_never_passes_it() -> None:
    closed = MODEL[CLOSED]
    best = best_constant(closed, PLAIN, LIMIT_C, SETTINGS)
    outcome = run(Constant(best), closed, PLAIN, LIMIT_C, 0)
    assert outcome.over_s == 0
    # Settled at the limit: 35 C over the air, of which each watt makes 2.05.
    work = PLAIN.work
    frames_per_s = (35 / 2.05 - work.idle_w - 15 * work.look_j) / work.frame_j
    assert outcome.frames == pytest.approx(frames_per_s * SECONDS, abs=1)
    more = Setting(best.share + 0.001, best.every, best.upscale)
    assert run(Constant(more), closed, PLAIN, LIMIT_C, 0).over_s > 0


def test_the_best_constant_saves_upscaling_before_frames_and_frames_before_looks() -> None:
    closed, hot = MODEL[CLOSED], MODEL["hot_day"]
    assert best_constant(closed, UPSCALING, LIMIT_C, SETTINGS) == Setting(1.0, EVERY, upscale=False)
    assert best_constant(hot, UPSCALING, LIMIT_C, SETTINGS).every == EVERY
    rarer = best_constant(hot, UPSCALING, LIMIT_C, SETTINGS, rarer=True)
    assert rarer.every == SETTINGS.most_every
    assert rarer.share > best_constant(hot, UPSCALING, LIMIT_C, SETTINGS).share


def test_where_nothing_has_to_be_saved_nothing_is() -> None:
    fan_on = MODEL["fan_on"]
    assert best_constant(fan_on, UPSCALING, LIMIT_C, SETTINGS) == Setting(1.0, EVERY, upscale=True)
    outcome = run(Governed(UPSCALING, SETTINGS), fan_on, UPSCALING, LIMIT_C, 1, seconds=900)
    assert outcome.changes == 0
    assert outcome.sharpened == outcome.frames == 900 * 30


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.key)
def test_the_ideal_is_at_the_limit_and_no_constant_has_more(model) -> None:
    ideal = run(Ideal(model, PLAIN, LIMIT_C), model, PLAIN, LIMIT_C, 0)
    best = best_constant(model, PLAIN, LIMIT_C, SETTINGS)
    assert ideal.hottest_c <= LIMIT_C + 1e-6
    assert ideal.frames >= best.share * 30 * SECONDS - 1


def test_a_run_counts_what_was_done() -> None:
    class Alternating:
        """Everything in even seconds, nothing in odd ones."""

        def decide(self, survey, now_ns):
            return Setting(level=0) if now_ns // 10**9 % 2 == 0 else Setting(share=0.0, level=1)

    others = run(
        Alternating(),
        MODEL["fan_on"],
        UPSCALING,
        LIMIT_C,
        0,
        seconds=100,
        disturb=lambda second, _plant: 200.0 if second >= 50 else 0.0,
    )
    assert (others.frames, others.looks, others.sharpened) == (1500.0, 750.0, 1500.0)
    assert others.changes == 99
    assert len(others.temperatures_c) == len(others.rates) == len(others.levels) == 100
    assert others.over_s == sum(one > LIMIT_C for one in others.temperatures_c) > 20
    assert others.far_over_s == sum(one > LIMIT_C + 1 for one in others.temperatures_c)
    assert others.hottest_c == max(others.temperatures_c)
    cool = sum(
        rate
        for rate, one in zip(others.rates, others.temperatures_c, strict=True)
        if one <= LIMIT_C + 1
    )
    assert 0 < others.cool_frames == cool < others.frames


def test_a_run_is_the_same_again() -> None:
    def once() -> Outcome:
        way = Governed(PLAIN, SETTINGS)
        return run(way, MODEL[CLOSED], PLAIN, LIMIT_C, 7, seconds=900)

    first = once()
    assert first == once()
    assert first.changes > 0


def test_the_figures_are_the_worst_seeds() -> None:
    def row(load, model, ours: list[Outcome], theirs: list[float], best: float) -> Row:
        known = {BEST: Outcome(frames=best), IDEAL: Outcome(frames=2 * best)}
        return Row(model, load, ours, [Outcome(frames=one) for one in theirs], {}, known)

    hot = [Outcome(frames=90.0, far_over_s=1), Outcome(frames=99.0, far_over_s=4, changes=9)]
    cool = [Outcome(frames=110.0, hottest_c=70.0), Outcome(frames=120.0, hottest_c=71.0)]
    found = figures(
        [
            row(UPSCALING, MODEL[CLOSED], cool, [100.0, 80.0], 100.0),
            row(PLAIN, MODEL[CLOSED], hot, [100.0, 100.0], 100.0),
            row(PLAIN, MODEL["fan_on"], [Outcome(frames=95.0, far_over_s=2)], [1.0], 100.0),
        ]
    )
    assert found["share_of_best_constant"] == 0.9
    assert found["seconds_over"] == 6
    assert found["gain_over_source_rule"] == 0.1
    assert found["gain_plain_closed_case"] == -0.1
    assert found["of_ideal_upscaling_closed_case"] == 0.55
    assert found["hottest_c_upscaling_closed_case"] == 71.0
    assert found["changes_plain_closed_case"] == 9


def test_a_quick_run_meets_its_targets_and_draws(tmp_path: Path, capsys) -> None:
    pytest.importorskip("matplotlib")
    file, plots = tmp_path / "thermal.json", tmp_path / "plots"
    wanted = ["--quick", "--only", CLOSED, "--json", str(file), "--plots", str(plots)]
    assert thermal.main(wanted) == 0
    document = json.loads(file.read_text(encoding="utf-8"))
    found = document["figures"]
    assert found["share_of_best_constant"] >= 0.95
    assert found["seconds_over"] == 0
    assert found["gain_over_source_rule"] >= 0.15
    assert all(isinstance(value, (int, float)) for value in found.values())
    assert [row["load"] for row in document["rows"]] == [load.key for load in LOADS]
    assert [one.name for one in plots.iterdir()] == ["heat-closed-case.png"]
    assert (plots / "heat-closed-case.png").stat().st_size < 150_000
    assert "MISSED" not in capsys.readouterr().out
