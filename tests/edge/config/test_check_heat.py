"""`faceguard check` on heat: of boards made of plain files, and of this machine."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from faceguard.edge.check.heat import check_heat
from faceguard.edge.config.model import Config
from faceguard.edge.doctor.finding import Finding, State
from faceguard.edge.heat import sensors


@pytest.fixture
def look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Checks a board with such zones; text that is no number is what a sensor may say, too."""
    once = partial(sensors.read_once, tmp_path)
    monkeypatch.setattr(sensors, "read_once", once)

    def looking(zones: dict[str, str], **thermal: object) -> Finding:
        for number, (kind, text) in enumerate(zones.items()):
            folder = tmp_path / f"sys/class/thermal/thermal_zone{number}"
            folder.mkdir(parents=True)
            (folder / "type").write_text(f"{kind}\n")
            (folder / "temp").write_text(text)
        camera = {"camera": {"kind": "synthetic"}, "thermal": thermal}
        (found,) = check_heat(Config.model_validate(camera))
        return found

    return looking


def test_a_cool_board_is_well(look) -> None:
    found = look({"cpu-thermal": "48000", "gpu-thermal": "51500", "cv0-thermal": ""})
    assert (found.state, found.mend) == (State.OK, None)
    assert found.detail == "gpu-thermal at 51.5 C, 23.5 below its limit"


def test_a_hot_board_is_a_warning(look) -> None:
    found = look({"cpu-thermal": "61000"}, limit_c=60)
    assert found.state is State.WARNING
    assert "1.0 above its limit" in found.detail
    assert "thermal.limit_c" in str(found.mend)


@pytest.mark.parametrize(("what", "state"), [("slow", State.WARNING), ("unlimited", State.NOTE)])
def test_a_board_that_cannot_tell_says_what_follows(look, what, state) -> None:
    found = look({"cv0-thermal": "hot"}, without_sensors=what)
    assert found.state is state
    assert "no temperature can be read" in found.detail
    assert "cv0-thermal: no number" in found.detail
    if what == "slow":
        assert found.mend == "set thermal.without_sensors: unlimited where it cannot get too hot"
    else:
        assert found.mend is None
        assert "thermal.without_sensors says so" in found.detail


def test_no_sensor_at_all(look) -> None:
    assert look({}).state is State.WARNING


def test_this_machine() -> None:
    (found,) = check_heat(Config.model_validate({"camera": {"kind": "synthetic"}}))
    assert found.name == "heat"
    assert found.detail
