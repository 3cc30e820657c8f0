"""Watts from the board's monitor, or nothing where it is blind."""

from pathlib import Path

import pytest

from faceguard.engines.power import board_power_w, rails_w


def monitor(root: Path, name: str = "ina3221", **values: str) -> None:
    folder = root / "sys/class/hwmon/hwmon3"
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    for key, value in values.items():
        (folder / key).write_text(f"{value}\n")


def test_the_rails_of_an_orin_nano(tmp_path: Path) -> None:
    monitor(
        tmp_path,
        in1_label="VDD_IN",
        in1_input="5000",
        curr1_input="1480",
        in2_label="VDD_CPU_GPU_CV",
        in2_input="5000",
        curr2_input="400",
        in3_label="VDD_SOC",
        in3_input="",
        curr3_input="300",
    )
    assert rails_w(tmp_path) == pytest.approx({"VDD_IN": 7.4, "VDD_CPU_GPU_CV": 2.0})
    assert board_power_w(tmp_path) == pytest.approx(7.4)


def test_blind_is_not_zero(tmp_path: Path) -> None:
    assert board_power_w(tmp_path) is None
    monitor(tmp_path, name="pwmfan", in1_label="VDD_IN", in1_input="5000", curr1_input="1")
    assert board_power_w(tmp_path) is None
