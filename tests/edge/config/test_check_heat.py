"""`faceguard check` on heat: of boards made of plain files, and of this machine."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from faceguard.edge.check.heat import check_heat
from faceguard.edge.check.places import check_places
from faceguard.edge.config.model import Config
from faceguard.edge.doctor.finding import Finding, State
from faceguard.edge.heat.sensing import sensors


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


@pytest.mark.parametrize("what", ["slow", "unlimited"])
def test_broken_sensors_are_no_reason_to_run_at_full_speed(look, what) -> None:
    found = look({"cv0-thermal": "hot"}, without_sensors=what)
    assert found.state is State.WARNING
    assert "as slowly as it may" in found.detail
    assert "cv0-thermal: no number" in found.detail
    assert "faceguard doctor" in str(found.mend)


@pytest.mark.parametrize(("what", "state"), [("slow", State.WARNING), ("unlimited", State.NOTE)])
def test_no_sensor_at_all_says_what_follows(look, what, state) -> None:
    found = look({}, without_sensors=what)
    assert found.state is state
    assert "no temperature can be read" in found.detail
    if what == "slow":
        assert found.mend == "set thermal.without_sensors: unlimited where it cannot get too hot"
    else:
        assert found.mend is None
        assert "thermal.without_sensors says so" in found.detail


def test_a_limit_of_power_where_none_can_be_read(look) -> None:
    assert look({"cpu-thermal": "48000"}).state is State.OK
    camera = {"camera": {"kind": "synthetic"}, "thermal": {"power_limit_w": 15}}
    _, power = check_heat(Config.model_validate(camera))
    assert (power.name, power.state) == ("power", State.WARNING)
    assert "15 W limit nothing" in power.detail


@pytest.fixture
def trace(tmp_path: Path):
    def looking(path: Path, **outputs: object) -> Finding:
        told = {"camera": {"kind": "synthetic"}, "thermal": {"trace": str(path)}}
        told["outputs"] = {"status": {"folder": str(tmp_path)}, **outputs}
        (found,) = [one for one in check_places(Config.model_validate(told)) if one.name == "trace"]
        assert found.detail.startswith("thermal.trace: ")
        return found

    return looking


def test_a_trace_that_can_be_written(trace, tmp_path: Path) -> None:
    assert trace(tmp_path / "one.csv").state is State.OK
    assert "will be made" in trace(tmp_path / "folder/one.csv").detail
    (tmp_path / "cut.csv").write_bytes(b"\0\0")
    assert trace(tmp_path / "cut.csv").state is State.OK


def test_a_trace_that_cannot_be_written(trace, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "one.csv")
    os.mkfifo(tmp_path / "pipe")
    for path, word in (
        (tmp_path, "is a folder"),
        (tmp_path / "text", "something else stands in it"),
        (tmp_path / "link", "is a link"),
        (tmp_path / "pipe", "is no plain file"),
        (tmp_path / "text/one.csv", "is no folder"),
    ):
        found = trace(path)
        assert found.state is State.WARNING
        assert word in found.detail
    events = tmp_path / "events.jsonl"
    found = trace(tmp_path / "." / "events.jsonl", events={"path": str(events)})
    assert "is the file of outputs.events.path" in found.detail
    assert "thermal.trace" in str(found.mend)


def test_this_machine() -> None:
    (found,) = check_heat(Config.model_validate({"camera": {"kind": "synthetic"}}))
    assert found.name == "heat"
    assert found.detail
