"""A temperature that was believed and is not any more is told, once; and that it is again."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import pytest

from faceguard.edge.events import Event
from faceguard.edge.heat.felt import Felt
from faceguard.edge.heat.reading import Sensed, Survey, Zone
from faceguard.edge.heat.settings import GovernorSettings
from faceguard.edge.heat.trust import Memory, judge
from faceguard.edge.live.sight import Sight
from faceguard.edge.outputs.plain import flat
from faceguard.edge.service.quiet import Quiet

S = 1_000_000_000
NEVER = "cv0-thermal"


@dataclass
class Board:
    """Zones, what trust makes of them, and who tells of it."""

    zones: dict[str, float | None]
    second: int = 0
    memory: Memory = field(default_factory=Memory)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sight = Sight(Quiet(clock_s=lambda: float(self.second)), self.events.append)

    def tick(self, seconds: int = 1) -> None:
        for _ in range(seconds):
            self.second += 1
            zones = {NEVER: Zone(Sensed(reason="busy (EAGAIN)"))}
            for name, value_c in self.zones.items():
                told = Sensed(reason="gone")
                if value_c is not None:
                    told = Sensed(value_c + 0.25 * (self.second % 2))
                zones[name] = Zone(told)
            survey, now_ns = Survey(zones=zones), self.second * S
            self.memory, judged = judge(self.memory, survey, now_ns, 1.0, GovernorSettings())
            felt = Felt(survey=survey, reading=judged.reading, doubts=judged.doubts)
            self.sight.look(felt, now_ns)

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


def test_one_that_goes_is_told_once_and_one_that_never_was_there_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    board = Board({"cpu-thermal": 60.0, "gpu-thermal": 49.0})
    with caplog.at_level(logging.INFO):
        board.tick(30)
        assert not board.events
        board.zones["cpu-thermal"] = None
        board.tick(200)
        (event,) = board.events
        assert (event.kind, event.fields["zone"]) == ("sensor-lost", "cpu-thermal")
        assert [flat(value) for value in event.fields.values()] == list(event.fields.values())
        assert list(board.sight.lost) == ["cpu-thermal"]
        board.zones["cpu-thermal"] = 60.0
        board.tick(200)
    assert board.kinds == ["sensor-lost", "sensor-back"]
    assert not board.sight.lost
    warning, note = caplog.records
    assert warning.getMessage().startswith("cpu-thermal is not believed: ")
    assert warning.levelno == logging.WARNING
    assert note.getMessage() == "cpu-thermal is believed again"


def test_one_that_is_not_even_listed_any_more_is_lost() -> None:
    board = Board({"cpu-thermal": 60.0, "gpu-thermal": 49.0})
    board.tick(30)
    del board.zones["cpu-thermal"]
    board.tick(200)
    assert board.sight.lost["cpu-thermal"].startswith("gone")


def test_a_hiccup_is_nothing_to_tell() -> None:
    board = Board({"cpu-thermal": 60.0, "gpu-thermal": 49.0})
    board.tick(30)
    for _ in range(10):
        board.zones["cpu-thermal"] = None
        board.tick(2)
        board.zones["cpu-thermal"] = 60.0
        board.tick(5)
    assert not board.events


def test_one_that_comes_and_goes_does_not_flood(caplog: pytest.LogCaptureFixture) -> None:
    board = Board({"cpu-thermal": 60.0, "gpu-thermal": 49.0})
    board.tick(30)
    with caplog.at_level(logging.INFO):
        for _ in range(40):
            board.zones["cpu-thermal"] = None
            board.tick(30)
            board.zones["cpu-thermal"] = 60.0
            board.tick(30)
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    # Forty minutes, and one line in five.
    assert 1 < len(warnings) <= 9
    assert "more like this" in warnings[-1].getMessage()


def test_no_temperature_at_all_is_one_line_and_not_one_for_each(
    caplog: pytest.LogCaptureFixture,
) -> None:
    board = Board({"cpu-thermal": 60.0, "gpu-thermal": 49.0})
    board.tick(30)
    with caplog.at_level(logging.INFO):
        for name in board.zones:
            board.zones[name] = None
        board.tick(200)
        assert "blind" in board.kinds
        blind = next(event for event in board.events if event.kind == "blind")
        assert "cpu-thermal: gone" in str(blind.fields["reason"])
        board.zones.update({"cpu-thermal": 60.0, "gpu-thermal": 49.0})
        board.tick(200)
    assert board.kinds[-1] == "seeing"
    said = [record.getMessage() for record in caplog.records]
    assert said[0].startswith("no temperature is believed: ")
    assert said[-1] == "there is a temperature to go by again"
    assert not board.sight.lost
