"""The command line speaks plainly, whatever is missing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from PIL import Image

from faceguard.edge.cli import main

WITHOUT = """
import sys
class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Gone())
from faceguard.edge.cli import main
sys.exit(main({words!r}))
"""


def run_without(missing: str, *words: str) -> subprocess.CompletedProcess[str]:
    code = WITHOUT.format(missing=missing, words=list(words))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_help_lists_the_commands(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for command in ("redact", "models", "doctor"):
        assert command in said


def test_no_command_shows_the_help_and_fails(capsys):
    assert main([]) == 2
    assert "redact" in capsys.readouterr().out


def test_an_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["nonsense"])
    assert ended.value.code == 2
    assert "nonsense" in capsys.readouterr().err


def test_an_unknown_option_is_told_with_the_command_s_own_usage(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["convert-engine", "--onnx", "x.onnx", "--fp8"], program="convert-engine")
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("usage: convert-engine ")
    assert said.endswith("convert-engine: error: unrecognized arguments: --fp8\n")


@pytest.mark.parametrize("missing", ["av", "cv2", "onnxruntime", "PIL"])
@pytest.mark.models
def test_a_missing_package_is_one_line_with_its_mend(engine_path, missing, tmp_path):
    engine_path("yunet")
    picture = tmp_path / "i.png"
    Image.new("RGB", (64, 64)).save(picture)
    ended = run_without(missing, "redact", str(picture), "-o", str(tmp_path / "o.png"))
    assert ended.returncode == 3
    assert ended.stderr.count("\n") == 1
    assert missing in ended.stderr
    assert "pip install" in ended.stderr


def test_other_commands_work_without_it():
    ended = run_without("av", "--help")
    assert ended.returncode == 0
    assert "models" in ended.stdout


@pytest.mark.models
@pytest.mark.parametrize("missing", ["onnx", "onnxruntime", "cv2"])
def test_a_package_that_is_missed_late_is_one_line_too(engine_path, missing, tmp_path):
    """Engines are made in a process of its own, which misses it as well."""
    engine_path("yunet")
    absent = tmp_path / "packages"
    absent.mkdir()
    text = f"raise ModuleNotFoundError('No module named {missing}', name={missing!r})\n"
    (absent / f"{missing}.py").write_text(text)
    place = tmp_path / "engines"
    place.mkdir()
    words = ["convert-engine", "--model", "yunet", "--backend", "onnx", "--quiet"]
    ended = subprocess.run(
        [sys.executable, "-m", "faceguard.edge.cli", *words, "-o", str(place / "y.onnx")],
        env={**os.environ, "PYTHONPATH": str(absent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 3
    assert ended.stderr.count("\n") == 1
    assert missing in ended.stderr
    assert "pip install" in ended.stderr
    assert list(place.iterdir()) == []


def test_a_full_disk_behind_the_output_is_one_line():
    command = f"{sys.executable} -m faceguard.edge.cli models list > /dev/full"
    ended = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
    assert ended.returncode == 5
    assert ended.stderr.count("\n") == 1
    assert "No space left" in ended.stderr


def test_a_reader_who_leaves_is_no_error():
    command = f"{sys.executable} -m faceguard.edge.cli models list --json | head -n 1"
    ended = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
    assert ended.stderr == ""
