"""`faceguard selftest`: a report that says all and gives nothing away."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from faceguard.convert.commands.without_paths import without_paths
from tests.conftest import ROOT
from tests.convert.commands.conftest import program
from tests.convert.engine.asking import names

CPU = ("--backend", "onnx", "--seconds", "0.05")


@pytest.fixture
def config(tmp_path: Path, engine_path: Callable[[str], Path]) -> Path:
    engine_path("blazeface-short")
    engine_path("yunet")
    path = tmp_path / "work" / "camera.yaml"
    path.write_text(
        "engines:\n- {model: blazeface-short, precision: fp16}\n"
        "- {model: yunet, shape: 1x3x96x160}\n"
    )
    return path


def private(text: str, tmp_path: Path) -> list[str]:
    """What of this machine stands in a report."""
    home = Path.home()
    above = f"/{ROOT.parts[1]}/"  # of this clone
    told = [str(tmp_path), tempfile.gettempdir(), str(home) if home.name else "/root", above]
    return [word for word in told if word in text]


@pytest.mark.models
def test_a_report_of_all_models(store: Path, config: Path, tmp_path: Path) -> None:
    ended = program("faceguard", "selftest", "--config", config, *CPU, "-o", "report.json")
    assert ended.code == 0, ended.err
    assert ended.out.endswith("report: report.json\n")
    assert re.search(
        r"^yunet: fp32 on onnx: .* ms \(p99 .*\), .* images/s", ended.out, re.MULTILINE
    )
    text = Path("report.json").read_text()
    report = json.loads(text)
    assert report.keys() == {"made", "machine", "tools", "models"}
    assert report["machine"].keys() >= {"gpu", "cuda", "tensorrt", "l4t", "system", "python"}
    assert report["tools"].keys() >= {"onnx", "onnxruntime", "faceguard-edge"}
    assert [row["manifest"]["name"] for row in report["models"]] == ["blazeface-short", "yunet"]
    for row in report["models"]:
        assert row["built"] is True
        assert row["speed"]["runs"] >= 30
        assert 0 < row["speed"]["median_ms"] <= row["speed"]["p99_ms"]
        assert row["speed"]["images_per_s"] > 0
        assert row["speed"].keys() >= {"power_w"}
        assert row["memory_mb"] >= 0
        assert row["accuracy"]["judged_on"] == "onnx"
        assert row["accuracy"]["faces"] >= 1
        assert row["trtexec_ms"] is None
        assert row["manifest"]["precision_proof"]["graph"]["layers"]
        assert row["manifest"]["build"]["total_s"] > 0
    assert private(text, tmp_path) == []
    # Names of layers hold slashes, and stay.
    assert any("/" in name for name in report["models"][0]["manifest"]["precision_proof"]["kept"])
    assert names(Path.cwd()) == {"camera.yaml", "report.json"}


@pytest.mark.models
def test_a_report_on_stdout_alone(call, store: Path, config: Path) -> None:
    words = ("selftest", "blazeface-short", "--config", config, *CPU, "-o", "-", "--quiet")
    ended = call("faceguard", *words)
    assert (ended.code, ended.err) == (0, "")
    assert len(json.loads(ended.out)["models"]) == 1
    assert names(Path.cwd()) == {"camera.yaml"}


@pytest.mark.models
def test_a_report_has_a_name_without_one(call, store: Path, config: Path) -> None:
    ended = call("faceguard", "selftest", "blazeface-short", "--config", config, *CPU)
    assert ended.code == 0
    (made,) = names(Path.cwd()) - {"camera.yaml"}
    assert re.fullmatch(r"faceguard-selftest-\d{8}-\d{6}\.json", made)
    assert ended.out.endswith(f"report: {made}\n")


@pytest.mark.models
def test_a_model_that_fails_is_a_row_with_its_error(
    call, store: Path, config: Path, pictures: Path, tmp_path: Path
) -> None:
    (pictures / "portrait.png").write_bytes(b"no picture")
    line = f"- {{model: yunet, shape: 1x3x96x160, precision: int8, calibration: {pictures}}}\n"
    config.write_text(f"engines:\n{line}- {{model: blazeface-short, precision: fp32}}\n")
    ended = call("faceguard", "selftest", "--config", config, *CPU, "-o", "report.json", "-q")
    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert f"{pictures}/portrait.png: not a picture" in ended.err
    text = Path("report.json").read_text()
    failed, tested = json.loads(text)["models"]
    assert failed.keys() == {"name", "precision", "backend", "source_sha256", "error"}
    assert (failed["name"], failed["precision"], failed["backend"]) == ("yunet", "int8", "onnx")
    assert failed["error"] == ".../portrait.png: not a picture, or a damaged one; mend or remove it"
    assert tested["manifest"]["name"] == "blazeface-short"
    assert private(text, tmp_path) == []


@pytest.mark.models
def test_what_was_seen_before_it_failed_is_in_the_report(
    call, store: Path, config: Path, tmp_path: Path
) -> None:
    """An engine that stands there already, and cannot be run: a GPU that hangs looks like this."""
    words = ("selftest", "blazeface-short", "--config", config, *CPU, "-o", "report.json", "-q")
    assert call("faceguard", *words).code == 0
    (engine,) = store.glob("*/engine.onnx")
    engine.write_bytes(b"no graph")
    note = engine.with_name("manifest.json")
    manifest = json.loads(note.read_text())
    manifest |= {"sha256": hashlib.sha256(b"no graph").hexdigest(), "bytes": 8}
    note.write_text(json.dumps(manifest))
    ended = call("faceguard", *words)
    assert ended.code == 3
    text = Path("report.json").read_text()
    (row,) = json.loads(text)["models"]
    assert row["manifest"]["key"] == manifest["key"]
    assert row["built"] is False
    assert "error" in row
    assert "speed" not in row
    assert private(text, tmp_path) == []


@pytest.mark.models
def test_a_model_that_is_unknown_or_not_here_does_not_stop_the_others(
    call, store: Path, config: Path
) -> None:
    words = ("nobody", "astronaut", "blazeface-short", "--config", config, *CPU, "-o", "-", "-q")
    ended = call("faceguard", "selftest", *words)
    assert ended.code == 2
    assert ended.err.count("\n") == 2
    unknown, sample, tested = json.loads(ended.out)["models"]
    assert unknown["name"] == "nobody"
    assert "no model or sample is called 'nobody'" in unknown["error"]
    assert "astronaut is a sample" in sample["error"]
    assert tested["speed"]["runs"] >= 30
    assert (tested["memory_of"], "error" in tested) == ("machine", False)


def test_gpus_elsewhere_are_refused_before_anything_is_built(
    call, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "libcuda.so.1").write_bytes(b"")  # so that a real one is not found either
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    ended = call("faceguard", "selftest", "--backend", "tensorrt-rtx", "--target", "sm86")
    assert (ended.code, ended.out) == (2, "")
    assert "--target sm86: the selftest runs its engines, and here is no GPU; " in ended.err
    assert ended.err.count("\n") == 1
    assert not store.exists()


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("/home/eva/.cache/faceguard/engines/m/engine.engine: no", ".../engine.engine: no"),
        ("'/tmp/x/y.onnx', \"/tmp/z.onnx\"", "'.../y.onnx', \".../z.onnx\""),
        ("see /var/log/syslog and 3 images/s, 1/2", "see .../syslog and 3 images/s, 1/2"),
        ("Conv '/backbone-of-mine/conv1/Conv'", "Conv '/backbone-of-mine/conv1/Conv'"),
        ("Conv '151_CONV_2D/Conv'", "Conv '151_CONV_2D/Conv'"),
        ("/ and /tmp", "/ and /tmp"),
    ],
)
def test_folders_are_hidden_and_names_of_layers_are_not(text: str, clean: str) -> None:
    assert without_paths({"a": [text, 1, None]}) == {"a": [clean, 1, None]}


def test_folders_with_spaces_are_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEGUARD_ENGINES", "/home/eva maria/engines")
    told = "/home/eva maria/engines/yunet/engine.onnx: gone"
    assert without_paths(told) == ".../yunet/engine.onnx: gone"
    monkeypatch.setenv("HOME", "/home/eva maria")
    assert without_paths("/home/eva maria/my pictures/a.png: no") == ".../my pictures/a.png: no"
    assert without_paths(f"{Path.cwd()}/a/b c.png: gone") == ".../a/b c.png: gone"


def test_any_folder_that_is_there_is_hidden_with_its_spaces(tmp_path: Path) -> None:
    folder = tmp_path / "My Disk" / "Secret Client, Inc."
    folder.mkdir(parents=True)
    told = without_paths(
        f"{folder}/x y.jpg: not a picture; see '{folder}/z.jpg', and {folder}/gone/a"
    )
    assert told == "...//x y.jpg: not a picture; see '.../z.jpg', and .../gone/a".replace("//", "/")


def test_folders_that_were_named_are_hidden_though_they_are_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = Path("/media/My Disk/Secret Client")
    assert without_paths(f"{folder}/x.jpg: gone", [folder]) == ".../x.jpg: gone"
    monkeypatch.setenv("FACEGUARD_MODELS", str(folder))
    assert without_paths([f"{folder}/m.onnx: gone"]) == [".../m.onnx: gone"]


@pytest.mark.parametrize(
    ("out", "says"),
    [
        (".", "a folder stands there; name another file with -o"),
        ("none/report.json", "none: cannot be written (No such file or directory)"),
        ("/proc/report.json", "/proc: cannot be written"),
        ("/dev/null/report.json", "/dev/null: cannot be written (Not a directory)"),
        (f"{'a' * 300}.json", "(File name too long)"),
    ],
)
def test_a_report_that_cannot_be_written_is_told_before_minutes_of_work(
    call, store: Path, out: str, says: str
) -> None:
    ended = call("faceguard", "selftest", *CPU, "-o", out)
    assert (ended.code, ended.out) == (5, "")
    assert says in ended.err
    assert ended.err.count("\n") == 1
    assert not store.exists()
    assert names(Path.cwd()) == set()


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon"])
def test_a_time_that_is_none(call, value: str) -> None:
    ended = call("faceguard", "selftest", "--seconds", value)
    assert f"'{value}' is no time; give seconds over 0" in ended.usage
