"""`faceguard engines build`: all that a configuration names, and nothing twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from faceguard.engines import catalogue
from tests.convert.commands.conftest import program
from tests.convert.engine.asking import names, needs_rtx

pytestmark = pytest.mark.models

TWO = """\
# What the door's camera runs on.
engines:
  - {model: blazeface-short, precision: fp16}
  - {model: yunet, shape: 1x3x96x160}
"""


@pytest.fixture
def config(tmp_path: Path, engine_path: Callable[[str], Path]) -> Callable[[str], Path]:
    engine_path("blazeface-short")
    engine_path("yunet")

    def write(text: str) -> Path:
        path = tmp_path / "work" / "camera.yaml"
        path.write_text(text)
        return path

    return write


def folders(store: Path) -> set[str]:
    return {name.partition("/")[0].rpartition("-")[0] for name in names(store)}


def test_all_of_a_configuration_and_then_nothing(store: Path, config) -> None:
    words = ("engines", "build", "--config", config(TWO), "--backend", "onnx")
    first = program("faceguard", *words)
    assert first.code == 0, first.err
    heads = [line for line in first.out.splitlines() if not line.startswith("  ")]
    assert heads[0].startswith("blazeface-short: built, fp16 for onnx, ")
    assert heads[1].startswith("yunet: built, fp32 for onnx, ")
    assert folders(store) == {"blazeface-short-fp16", "yunet-fp32"}
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    second = program("faceguard", *words)
    assert (second.code, second.err) == (0, "")
    assert second.out.count(": up to date, ") == 2
    assert second.out.count("\n") == 2
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before


@needs_rtx
def test_models_named_and_json(call, store: Path, config) -> None:
    rtx = ("--backend", "tensorrt-rtx", "--target", "sm86,sm89", "--json")
    words = ("engines", "build", "blazeface-short", "--config", config(TWO), *rtx)
    ended = call("faceguard", *words)
    assert ended.code == 0, ended.err
    (told,) = json.loads(ended.out)
    assert (told["name"], told["built"], told["precision"]) == ("blazeface-short", True, "fp16")
    assert told["built_for"]["targets"] == ["sm86", "sm89"]
    swapped = [word if word != "sm86,sm89" else "SM_89, sm86,sm86" for word in words]
    assert json.loads(call("faceguard", *swapped).out)[0]["built"] is False
    assert json.loads(call("faceguard", *words, "--force").out)[0]["built"] is True


def test_all_lines_of_a_model_that_is_named(call, store: Path, config) -> None:
    more = "  - {model: yunet, shape: 1x3x64x64, precision: fp16}\n"
    words = ("engines", "build", "yunet", "yunet", "--config", config(TWO + more))
    ended = call("faceguard", *words, "--backend", "onnx")
    assert ended.code == 0, ended.err
    assert ended.out.count("yunet: built, ") == 2
    assert folders(store) == {"yunet-fp32", "yunet-fp16"}


def test_a_precision_for_all(call, store: Path, config, pictures: Path) -> None:
    line = f"  - {{model: yunet, shape: 1x3x96x160, precision: int8, calibration: {pictures}}}\n"
    path = config(f"engines:\n{line}  - {{model: blazeface-short}}\n")
    words = ("engines", "build", "--config", path, "--backend", "onnx", "--precision")
    ended = call("faceguard", *words, "fp32")
    assert ended.code == 0, ended.err
    assert folders(store) == {"yunet-fp32", "blazeface-short-fp32"}
    refused = call("faceguard", *words, "int8")
    assert refused.code == 2
    assert refused.err == (
        "faceguard: blazeface-short: int8 needs pictures; give it a line in a --config with "
        "`precision: int8` and `calibration: FOLDER`\n"
    )


def test_one_that_fails_does_not_stop_the_others(call, store: Path, config, pictures: Path) -> None:
    for path in pictures.iterdir():
        path.write_bytes(b"no picture")
    line = f"  - {{model: yunet, shape: 1x3x96x160, precision: int8, calibration: {pictures}}}\n"
    path = config(f"engines:\n{line}  - {{model: blazeface-short, precision: fp32}}\n")
    words = ("engines", "build", "--config", path, "--backend", "onnx", "--json", "--quiet")
    ended = call("faceguard", *words)
    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert "not a picture, or a damaged one; mend or remove it" in ended.err
    failed, made = json.loads(ended.out)
    assert failed == {"name": "yunet", "error": ended.err.removeprefix("faceguard: ").strip()}
    assert made["built"] is True
    assert folders(store) == {"blazeface-short-fp32"}


def test_a_model_that_is_unknown_or_not_here_does_not_stop_the_others(
    call, store: Path, config
) -> None:
    path = config("engines:\n- {model: yunit}\n- {model: blazeface-short}\n")
    words = ("engines", "build", "--config", path, "--backend", "onnx", "--json", "--quiet")
    ended = call("faceguard", *words)
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    failed, made = json.loads(ended.out)
    assert failed == {"name": "yunit", "error": ended.err.removeprefix("faceguard: ").strip()}
    assert "no model or sample is called 'yunit'; did you mean yunet" in failed["error"]
    assert made["built"] is True
    assert folders(store) == {"blazeface-short-fp32"}


def test_the_catalogue_is_read_once(call, store: Path, config, monkeypatch) -> None:
    real, read = catalogue.validated, []

    def validated(text, where, model):
        read.append(where)
        return real(text, where, model)

    monkeypatch.setattr(catalogue, "validated", validated)
    path = config(TWO)
    call("faceguard", "engines", "build", "--config", path, "--backend", "onnx", "--quiet")
    read.clear()
    ended = call("faceguard", "engines", "build", "--config", path, "--backend", "onnx")
    assert ended.out.count(": up to date, ") == 2
    assert read == ["configs/models.yaml"]


def test_a_store_that_cannot_be_written_ends_it(call, config, monkeypatch) -> None:
    monkeypatch.setenv("FACEGUARD_ENGINES", "/proc/engines")
    ended = call("faceguard", "engines", "build", "--config", config(TWO), "--backend", "onnx")
    assert (ended.code, ended.out) == (5, "")
    assert ended.err.count("cannot be written") == 1
    assert "set FACEGUARD_ENGINES to a folder that is" in ended.err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "camera.yaml:1: configuration: holds no keys; write a list `engines:` of such as"),
        ("- yunet\n", "camera.yaml:1: configuration: holds no keys; write a list `engines:` of"),
        ("engines: []\n", "camera.yaml:1: engines: names no engine; write a list of such as"),
        ("engines:\n", "camera.yaml:1: engines: names no engine; write a list of such as {model"),
        ("frames: 3\n", "camera.yaml:1: engines: Field required"),
        ("engines: [\n", "camera.yaml:2: not YAML: expected the node content"),
        ("engines:\n- {model: yunet}\n- {model: yunet, shap: 1}\n", "camera.yaml:3: engines.1.sha"),
        ("engines:\n- {precision: fp16}\n", "camera.yaml:2: engines.0.model: Field required"),
        ("engines:\n- model: yunet\n  precision: fp8\n", "camera.yaml:3: engines.0.precision: "),
        (
            "engines:\n- {model: yunet}\n- model: yunet\n  shape: 1x3x\n",
            "camera.yaml:4: engines.1.shape: '1x3x' is none; write it like 1x3x384x640",
        ),
        (
            "engines:\n- model: yunet\n  profile: 1x3x64x64\n",
            "camera.yaml:3: engines.0.profile: '1x3x64x64' is none; write it like 1x3x192x320,1x",
        ),
        (
            "engines:\n- {model: yunet, shape: 1x3x64x64, profile: '1x1,1x1,1x1'}\n",
            "camera.yaml:2: engines.0: give shape or profile, not both",
        ),
        (
            "engines:\n- {model: yunet, precision: int8}\n",
            "camera.yaml:2: engines.0: int8, and only int8, needs calibration: a folder of pictu",
        ),
        ("engines: 3\nengines: 4\n", "camera.yaml:2: engines: stands there twice; keep one"),
        ("engines:\n- {model: yunit}\n", "no model or sample is called 'yunit'; did you mean yu"),
    ],
)
def test_a_broken_configuration_is_told_with_its_line(
    call, store: Path, config, text: str, says: str
) -> None:
    ended = call("faceguard", "engines", "build", "--config", config(text))
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err
    assert ended.err.count("\n") == 1
    assert not store.exists()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("nobody",), 2, "no model or sample is called 'nobody'"),
        (("astronaut",), 2, "astronaut is a sample, not a model"),
        (("--config", "none.yaml"), 2, "none.yaml: the configuration cannot be read: No such"),
        (("--config", "."), 2, ".: is no plain file; the configuration must be one"),
        (("--backend", "onnx", "--target", "sm86"), 2, "add --backend tensorrt-rtx"),
        (("--backend", "tensorrt-rtx", "--target", "sm87"), 2, "runs on a Jetson; build with"),
        (("--precision", "int8"), 2, "yunet: int8 needs pictures; give it a line in a --config"),
    ],
)
def test_words_that_are_refused(
    call, store: Path, config, words: tuple[str, ...], code: int, says: str
) -> None:
    ended = call("faceguard", "engines", "build", *words)
    assert (ended.code, ended.out) == (code, ""), ended.err
    assert says in ended.err
    assert ended.err.startswith("faceguard: ")
    assert ended.err.count("\n") == 1
    assert not store.exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "the following arguments are required: ACTION"),
        (("mend",), "invalid choice: 'mend'"),
        (("build", "--timeout", "-3"), "'-3' is no time; give seconds over 0"),
        (("build", "--timeout", "nan"), "'nan' is no time; give seconds over 0"),
        (("build", "--precision", "fp8"), "invalid choice: 'fp8'"),
        (("build", "--target", ","), "',' names no GPU; write such as sm86,sm89"),
    ],
)
def test_words_that_cannot_be_meant(call, words: tuple[str, ...], says: str) -> None:
    assert says in call("faceguard", "engines", *words).usage
