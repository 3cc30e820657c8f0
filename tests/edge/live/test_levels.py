"""Changes of level: each an event, few lines in the log, and what does not end is said."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from faceguard.edge.budget import UNLIMITED, Budget
from faceguard.edge.events import Event
from faceguard.edge.heat.felt import Felt
from faceguard.edge.heat.reading import Reading
from faceguard.edge.live.levels import Levels
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.plain import flat

S = 1_000_000_000


@pytest.fixture
def telling() -> tuple[Levels, list[Event], Meters]:
    events: list[Event] = []
    meters = Meters()
    return Levels(meters, events.append), events, meters


def test_each_change_is_an_event_and_not_each_a_line(
    telling: tuple[Levels, list[Event], Meters], caplog: pytest.LogCaptureFixture
) -> None:
    levels, events, meters = telling
    reading = Reading("gpu-thermal", 76.987, 75.0, power_w=9.87, has_sensors=True, blind=None)
    felt = Felt(reading=reading, levels=14)
    down = [Budget(n, 30 * 0.9**n, 2, reason="heat: so hot") for n in range(13)]
    with caplog.at_level(logging.INFO):
        for second, budget in enumerate([*down, down[-1], Budget(13, paused=True, reason="heat")]):
            levels.look(replace(felt, budget=budget), second * S)
    assert [event.fields["to"] for event in events] == list(range(1, 14))
    assert [event.fields["from"] for event in events] == list(range(13))
    assert {event.kind for event in events} == {"level"}
    first, last = events[0].fields, events[-1].fields
    assert [flat(value) for value in first.values()] == list(first.values())
    assert (first["zone"], first["temperature_c"]) == ("gpu-thermal", 76.99)
    assert (first["limit_c"], first["power_w"], first["frames_per_s"]) == (75.0, 9.87, 27.0)
    assert (first["reason"], first["detect_every"]) == ("heat: so hot", 2)
    assert (last["frames_per_s"], last["paused"]) == (None, True)
    said = [(record.levelno, record.getMessage()) for record in caplog.records]
    # The first, and the pause at once.
    assert said == [
        (logging.INFO, "level 0 to 1 of 13 (heat: so hot)"),
        (logging.WARNING, "output is paused: level 1 to 13 of 13 (heat)"),
    ]
    assert caplog.records[-1].fields["from"] == 1  # type: ignore[attr-defined]
    assert meters.value("budget_changes_total", way="down") == 13
    assert meters.value("budget_level") == 13


def test_where_it_stops_is_said_in_the_end_and_the_way_up_is_short(
    telling: tuple[Levels, list[Event], Meters], caplog: pytest.LogCaptureFixture
) -> None:
    levels, events, _ = telling
    felt = Felt(levels=20)
    way = [min(second, 15) for second in range(100)]
    way += [max(0, 15 - second // 5) for second in range(80)]
    way += [0] * 100
    with caplog.at_level(logging.INFO):
        for second, level in enumerate(way):
            levels.look(replace(felt, budget=replace(UNLIMITED, level=level)), second * S)
    assert len(events) == 30
    said = [record.getMessage().split(" (")[0] for record in caplog.records]
    assert said == [
        "level 0 to 1 of 19",
        "level 1 to 15 of 19",
        "level 15 to 11 of 19",
        # All again, at once.
        "level 11 to 0 of 19",
    ]


def test_a_pause_for_power_that_does_not_end_is_said_once(
    telling: tuple[Levels, list[Event], Meters], caplog: pytest.LogCaptureFixture
) -> None:
    levels, _, _ = telling
    reading = Reading("gpu", 50.0, 75.0, power_w=7.25, has_sensors=True, blind=None)
    for_heat = Felt(reading=reading, budget=Budget(5, paused=True, reason="heat: hot"), levels=6)
    for_power = replace(for_heat, budget=Budget(5, paused=True, reason="power: 7.2 of 5 W"))
    for second in range(700):
        levels.look(for_heat, second * S)
    assert levels.trouble is None
    for second in range(700, 1300):
        levels.look(for_power, second * S)
        assert levels.trouble is None
    caplog.clear()
    for second in range(1300, 1400):
        levels.look(for_power, second * S)
    said = (
        "thermal.power_limit_w is below what the board draws without any frame (7.2 W now); "
        "raise it"
    )
    assert levels.trouble == said
    assert [record.getMessage() for record in caplog.records] == [said]
    levels.look(replace(for_power, budget=UNLIMITED), 1400 * S)
    assert levels.trouble is None
