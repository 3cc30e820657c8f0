"""`faceguard power` as people and programs read it."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from faceguard.edge.commands import power
from faceguard.edge.heat.modes.nvpmodel import Limits
from faceguard.engines.errors import PowerModeError, RestartNeeded, UsageError
from tests.edge.heat.jetson import MODEL, Board

QUICK = Limits(hold_s=0.0)
# A machine that halts for a second has no slow sensor.
LONG_S = 30.0


@pytest.fixture
def board(tmp_path: Path) -> Board:
    board = Board(tmp_path)
    board.zone(0, "cpu-thermal", 48500)
    board.chip(0, "pwmfan", pwm1=76)
    board.chip(
        1,
        "ina3221",
        in1_label="VDD_IN",
        in1_input=5000,
        curr1_input=1440,
        in2_label="VDD_SOC",
        in2_input=5000,
        curr2_input=300,
    )
    board.chip(2, "soctherm_oc", oc1_event_cnt=0, oc3_event_cnt=0)
    return board


def shown(root: Path, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    assert power.show(root, as_json=False, limit_s=LONG_S) == 0
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_a_board(board: Board, capsys: pytest.CaptureFixture[str]) -> None:
    assert power.show(board.root, as_json=False, limit_s=LONG_S) == 0
    assert capsys.readouterr().out == (
        f"board       {MODEL}\n"
        "modes         15W\n"
        "            * 25W, default (in force)\n"
        "              MAXN_SUPER\n"
        "              7W, 2 CPU cores off\n"
        "draw        VDD_IN 7.20 W, VDD_SOC 1.50 W\n"
        "throttling  none now\n"
        "            over-current: 0 since the start\n"
        "proposal    25W: nothing speaks against it\n"
    )


def test_a_proposal_comes_with_its_command(
    board: Board, capsys: pytest.CaptureFixture[str]
) -> None:
    board.lay("var/lib/nvpmodel/status", "pmode:0003")
    rows = shown(board.root, capsys)
    assert rows[-2][:2] == ["proposal", "15W:"]
    assert " ".join(rows[-1]) == "set it with sudo $(command -v faceguard) power set 15W"


def test_for_programs(board: Board, capsys: pytest.CaptureFixture[str]) -> None:
    assert power.show(board.root, as_json=True, limit_s=LONG_S) == 0
    assert json.loads(capsys.readouterr().out) == {
        "board": MODEL,
        "mode": "25W",
        "default": "25W",
        "modes": [
            {"name": "15W", "id": 0, "cores_off": 0},
            {"name": "25W", "id": 1, "cores_off": 0},
            {"name": "MAXN_SUPER", "id": 2, "cores_off": 0},
            {"name": "7W", "id": 3, "cores_off": 2},
        ],
        "draw_w": {"VDD_IN": 7.2, "VDD_SOC": 1.5},
        "throttling": [],
        "over_current": 0,
        "proposal": {"mode": "25W", "reason": "nothing speaks against it"},
    }


def test_a_rail_that_cannot_be_read_is_not_zero(
    board: Board, capsys: pytest.CaptureFixture[str]
) -> None:
    board.chip(1, "ina3221", curr2_input="")
    power.show(board.root, as_json=True, limit_s=LONG_S)
    assert json.loads(capsys.readouterr().out)["draw_w"] == {"VDD_IN": 7.2, "VDD_SOC": None}
    power.show(board.root, as_json=False, limit_s=LONG_S)
    assert "VDD_IN 7.20 W, VDD_SOC unknown\n" in capsys.readouterr().out


def test_over_current(board: Board, capsys: pytest.CaptureFixture[str]) -> None:
    board.chip(2, "soctherm_oc", oc1_event_cnt=2, oc3_event_cnt=1)
    text = "\n".join(" ".join(row) for row in shown(board.root, capsys))
    assert "over-current: 3 since the start" in text
    assert "proposal 15W: throttled for over-current 3 times since the board was started" in text
    (board.root / "sys/class/hwmon/hwmon2/oc1_event_cnt").write_text("")
    text = "\n".join(" ".join(row) for row in shown(board.root, capsys))
    assert "over-current: unknown" in text
    assert "proposal 25W" in text


def test_a_board_without_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = Board(tmp_path)
    (board.root / "etc/nvpmodel.conf").unlink()
    text = "\n".join(" ".join(row) for row in shown(board.root, capsys))
    assert "modes unknown: /etc/nvpmodel.conf is not there or names none" in text
    assert "draw unknown" in text
    assert "proposal none: not known which mode is in force" in text
    assert "None" not in text


def test_no_jetson(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert power.show(tmp_path, as_json=False, limit_s=LONG_S) == 0
    assert capsys.readouterr().out == "this is no Jetson: it has no power modes to show or set\n"
    assert power.show(tmp_path, as_json=True, limit_s=LONG_S) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["board"], told["mode"], told["modes"]) == (None, None, [])
    with pytest.raises(PowerModeError, match="this is no Jetson") as caught:
        power.put("15W", tmp_path, as_json=False, limits=QUICK)
    assert caught.value.exit_code == 1


def test_setting(board: Board, capsys: pytest.CaptureFixture[str]) -> None:
    assert power.put("15w", board.root, as_json=False, limits=QUICK) == 0
    assert capsys.readouterr().out == "15W is in force and holds; before: 25W\n"
    assert power.put("15W", board.root, as_json=False, limits=QUICK) == 0
    assert capsys.readouterr().out == "15W was in force already\n"
    assert power.put("25W", board.root, as_json=True, limits=QUICK) == 0
    assert json.loads(capsys.readouterr().out) == {"mode": "25W", "before": "15W"}


@pytest.mark.parametrize(
    ("kind", "mode", "error", "code"),
    [
        ("honest", "30W", UsageError, 2),
        ("lies", "15W", PowerModeError, 1),
        ("forbidden", "15W", PowerModeError, 1),
        ("asks", "7W", RestartNeeded, 11),
    ],
)
def test_setting_fails(
    board: Board,
    kind: str,
    mode: str,
    error: type[PowerModeError],
    code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    board.behave(kind)
    with pytest.raises(error) as caught:
        power.put(mode, board.root, as_json=False, limits=QUICK)
    assert caught.value.exit_code == code
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("words", "action", "as_json"),
    [
        ([], None, False),
        (["--json"], None, True),
        (["set", "15W"], "set", False),
        (["set", "15W", "--json"], "set", True),
        (["--json", "set", "15W"], "set", True),
    ],
)
def test_options(words: list[str], action: str | None, as_json: bool) -> None:
    parser = argparse.ArgumentParser()
    power.add_arguments(parser)
    options = parser.parse_args(words)
    assert (options.action, options.json) == (action, as_json)


def test_here() -> None:
    """On this machine, whatever it is, showing ends well and says one thing at least."""
    code = (
        "import argparse, sys; from faceguard.edge.commands import power; "
        "parser = argparse.ArgumentParser(); power.add_arguments(parser); "
        "sys.exit(power.run(parser.parse_args()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--json"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "board" in json.loads(done.stdout)
