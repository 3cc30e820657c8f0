"""The `engines:` list of a configuration."""

from pathlib import Path

import pytest

from faceguard.engines.errors import UsageError
from faceguard.engines.wanted import read_wanted


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "camera.yaml"
    path.write_text(text)
    return path


def test_what_ships_asks_for_the_default_detector() -> None:
    assert [wanted.model for wanted in read_wanted()] == ["yunet"]


def test_a_configuration_with_other_keys(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "camera: {device: /dev/video0}\n"
        "engines:\n"
        "  - {model: yunet, shape: 1x3x384x640}\n"
        "  - {model: centerface, precision: int8, calibration: /var/pictures}\n",
    )
    first, second = read_wanted(path)
    assert (first.model, first.precision, first.shape) == ("yunet", None, "1x3x384x640")
    assert (second.precision, second.calibration) == ("int8", Path("/var/pictures"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("engines:\n  - {model: yunet, shap: 1}\n", r"camera.yaml:2: engines.0.shap: "),
        ("engines: []\n", r"camera.yaml:1: engines: "),
        ("camera: {}\n", r"camera.yaml:1: engines: Field required"),
        ("engines:\n- {model: a, shape: '1', profile: '1,1,1'}\n", "shape or profile, not both"),
        ("engines:\n- {model: a, precision: int8}\n", "needs calibration"),
        ("engines:\n- {model: a, calibration: b}\n", "needs calibration"),
        ("engines:\n- {model: a}\nengines:\n- {model: b}\n", "camera.yaml:3: .*twice"),
        ("engines: [\n", "not YAML"),
        ("- 1\n", "camera.yaml:1"),
        ("", "camera.yaml:1"),
    ],
)
def test_what_is_wrong_is_told_with_file_line_and_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        read_wanted(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the configuration cannot be read: No such file"):
        read_wanted(tmp_path / "none.yaml")
