"""The `engines:` list of a configuration."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceguard.engines.errors import UsageError
from faceguard.engines.wanted import Configuration, read_wanted
from faceguard.engines.yaml_file import validated


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


def test_pictures_are_looked_for_beside_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "engines:\n- {model: yunet, precision: int8, calibration: pictures/day}\n"
    path = write(tmp_path, line)
    assert read_wanted(path)[0].calibration == tmp_path / "pictures/day"
    monkeypatch.chdir(tmp_path.parent)
    beside = read_wanted(Path(tmp_path.name) / path.name)[0].calibration
    assert beside == Path(tmp_path.name) / "pictures/day"


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
        ("engines: &a [*a]\n", r"camera.yaml:1: engines.0: "),
        ("a: &a {b: *a}\nengines: [{model: a}]\nengines: []\n", r"camera.yaml:3: .*twice"),
        ("? [a, b]\n: 1\n", "not YAML"),
        ("day: 2026-13-40\nengines: [{model: a}]\n", "holds a value that is none of its kind"),
        ("day: !!timestamp x\nengines: [{model: a}]\n", "none of its kind"),
        ("on: !!bool maybe\nengines: [{model: a}]\n", "none of its kind"),
        (f"a: {'[' * 3000}\n", "nested too deep|not YAML"),
        ("- 1\n", "camera.yaml:1"),
        ("", "camera.yaml:1"),
    ],
)
def test_what_is_wrong_is_told_with_file_line_and_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        read_wanted(write(tmp_path, text))
    assert "\n" not in str(caught.value)


@given(st.text(alphabet=st.sampled_from("a:&*[]{}?!-| \n'\"0.#,"), max_size=40))
def test_any_text_is_a_configuration_or_one_line(text: str) -> None:
    try:
        validated(text, "camera.yaml", Configuration)
    except UsageError as error:
        message = str(error)
    else:
        return
    assert message.startswith("camera.yaml")
    assert "\n" not in message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the configuration cannot be read: No such file"):
        read_wanted(tmp_path / "none.yaml")
