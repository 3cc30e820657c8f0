"""What the doctor says of sensors, fan and power mode, on trees laid out as on the real ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from faceguard.edge.commands.doctor import checks
from faceguard.edge.doctor.anonymous import Anonymizer
from faceguard.edge.doctor.finding import Finding, State, examine
from faceguard.edge.doctor.heat import check_heat
from faceguard.edge.doctor.jetson import read_jetson
from tests.edge.heat.jetson import Board

# A machine that halts for a second has no slow sensor.
LONG_S = 30.0
AGAIN = "sudo $(command -v faceguard) power set {}"


def told(root: Path, limit_s: float = LONG_S) -> dict[str, Finding]:
    return {finding.name: finding for finding in check_heat(root, read_jetson(root), limit_s)}


@pytest.fixture
def board(tmp_path: Path) -> Board:
    """In 25W, with a fan that turns."""
    board = Board(tmp_path)
    board.zone(0, "cpu-thermal", 48500)
    board.zone(1, "gpu-thermal", 51250)
    board.zone(2, "cv0-thermal", None)
    board.zone(3, "cv1-thermal", None)
    board.chip(0, "pwmfan", pwm1=76)
    board.chip(1, "pwm_tach", rpm=1636)
    return board


def test_a_healthy_board(board: Board) -> None:
    found = told(board.root)
    assert list(found) == ["temperature", "fan", "power mode"]
    assert {finding.state for finding in found.values()} == {State.OK}
    assert found["temperature"].detail == (
        "2 of 4 sensors answer, hottest gpu-thermal 51.2 C; not: cv0-thermal, cv1-thermal: empty"
    )
    assert found["fan"].detail == "asked for 30% of its speed, turns at 1636 a minute"
    assert found["power mode"].detail == "25W; nothing speaks against it"


def test_the_doctor_tells_it_in_its_place(board: Board) -> None:
    (check,) = (check for check in checks(board.root) if check.name == "heat")
    found = list(examine([check], Anonymizer({})))
    assert [finding.name for finding in found] == ["temperature", "fan", "power mode"]
    assert not check.needed


def test_no_sensor_at_all(tmp_path: Path) -> None:
    finding = told(tmp_path)["temperature"]
    assert finding.state is State.NOTE
    assert finding.detail.startswith("no sensor is found")
    assert finding.mend == (
        "set thermal.without_sensors: unlimited in the configuration to run at full speed here"
    )


def test_no_sensor_that_answers(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.zone(0, "cpu-thermal", None)
    finding = told(tmp_path)["temperature"]
    assert finding.state is State.NOTE
    assert "no sensor answers" in finding.detail
    assert "cpu-thermal: empty" in finding.detail
    # To take the limit away is no mend where there is something to measure.
    assert finding.mend is not None
    assert "reboot" in finding.mend
    assert "unlimited" not in finding.mend


def test_another_machine_has_no_fan_and_no_mode_to_tell_of(tmp_path: Path) -> None:
    folder = tmp_path / "sys/class/thermal/thermal_zone0"
    folder.mkdir(parents=True)
    (folder / "type").write_text("x86_pkg_temp\n")
    (folder / "temp").write_text("45000\n")
    found = told(tmp_path)
    assert list(found) == ["temperature"]
    assert found["temperature"].detail == "1 of 1 sensors answer, hottest x86_pkg_temp 45.0 C"


def test_an_early_trip_point(board: Board) -> None:
    board.zone(1, "gpu-thermal", 51250, trip=70000)
    finding = told(board.root)["trip points"]
    assert finding.state is State.NOTE
    assert "(gpu-thermal 70 C)" in finding.detail


def test_no_fan(board: Board) -> None:
    board.chip(0, "ina3221")
    found = told(board.root)
    assert found["fan"].state is State.NOTE
    assert found["fan"].detail == "none is found"
    assert found["power mode"].detail == "25W; no fan is found"
    assert found["power mode"].mend == AGAIN.format("15W")


def test_a_fan_that_is_stuck(board: Board) -> None:
    board.chip(1, "pwm_tach", rpm=0)
    finding = told(board.root)["fan"]
    assert finding.state is State.NOTE
    assert finding.detail == "asked for 30% of its speed, turns at 0 a minute"
    assert finding.mend == "see whether it is plugged in and free"


def test_a_fan_that_rests(board: Board) -> None:
    board.chip(0, "pwmfan", pwm1=0)
    board.chip(1, "pwm_tach", rpm=0)
    assert told(board.root)["fan"].state is State.OK


@pytest.mark.parametrize("rpm", ["", "fast", "-1", None])
def test_a_fan_whose_turns_cannot_be_read(board: Board, rpm: str | None) -> None:
    if rpm is None:
        (board.root / "sys/class/hwmon/hwmon1/rpm").unlink()
    else:
        board.chip(1, "pwm_tach", rpm=rpm)
    finding = told(board.root)["fan"]
    assert (finding.state, finding.detail) == (State.OK, "asked for 30% of its speed")


def test_a_fan_whose_speed_cannot_be_read(board: Board) -> None:
    (board.root / "sys/class/hwmon/hwmon0/pwm1").unlink()
    finding = told(board.root)["fan"]
    assert finding.state is State.NOTE
    assert finding.detail.startswith("its speed cannot be read: ")
    assert "None" not in finding.detail


def test_a_mode_that_is_too_little(board: Board) -> None:
    board.lay("var/lib/nvpmodel/status", "pmode:0003")
    finding = told(board.root)["power mode"]
    assert finding.state is State.NOTE
    assert finding.detail.startswith("7W; 7W switches 2 CPU cores off")
    assert finding.mend == AGAIN.format("15W")


def test_throttling(board: Board) -> None:
    for file, text in (("type", "gpu-throttle-alert"), ("cur_state", "1"), ("max_state", "1")):
        board.lay(f"sys/class/thermal/cooling_device0/{file}", f"{text}\n")
    found = told(board.root)
    assert found["throttling"].state is State.NOTE
    assert found["throttling"].detail == "at work now: gpu-throttle-alert"
    assert found["power mode"].detail == "25W; throttled now (gpu-throttle-alert)"
    assert found["power mode"].mend == AGAIN.format("15W")


def test_over_current(board: Board) -> None:
    board.chip(2, "soctherm_oc", oc1_event_cnt=2, oc3_event_cnt=1)
    finding = told(board.root)["power mode"]
    assert finding.detail.endswith("throttled for over-current 3 times since the board was started")
    assert finding.mend == AGAIN.format("15W")


@pytest.mark.parametrize("status", ["", "pmode:0009"])
def test_a_mode_that_is_not_known(board: Board, status: str) -> None:
    board.lay("var/lib/nvpmodel/status", status)
    finding = told(board.root)["power mode"]
    assert (finding.state, finding.mend) == (State.NOTE, None)
    assert finding.detail == "unknown; not known which mode is in force"


def test_no_modes(board: Board) -> None:
    (board.root / "etc/nvpmodel.conf").unlink()
    finding = told(board.root)["power mode"]
    assert (finding.state, finding.mend) == (State.NOTE, None)
    assert finding.detail.startswith("not known: /etc/nvpmodel.conf is not there")


def test_a_board_without_a_rule(board: Board) -> None:
    board.lay("proc/device-tree/model", "NVIDIA Jetson AGX Orin Developer Kit\0")
    finding = told(board.root)["power mode"]
    assert (finding.state, finding.mend) == (State.OK, None)
    assert "faceguard has no rule for this board" in finding.detail


def test_a_sensor_that_never_answers_holds_nothing_up(board: Board) -> None:
    temp = board.root / "sys/class/thermal/thermal_zone2/temp"
    temp.unlink()
    # Nobody ever writes into it, so whoever opens it waits.
    os.mkfifo(temp)
    try:
        found = told(board.root, limit_s=3.0)
    finally:
        # Lets the reader that was left behind end.
        os.close(os.open(temp, os.O_RDWR | os.O_NONBLOCK))
    assert found["temperature"].state is State.OK
    assert "2 of 4 sensors answer" in found["temperature"].detail
    assert "cv0-thermal: " in found["temperature"].detail
