"""`faceguard redact` as a user types it, with the real detector."""

from __future__ import annotations

import ctypes
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faceguard.edge.cli import main
from faceguard.engines.bgr_array import BgrArray
from faceguard.engines.detectors import open_detector
from tests.edge.videos import make

COMMAND = [sys.executable, "-m", "faceguard.edge.cli", "redact"]

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def face(engine_path, sample_path) -> Path:
    engine_path("yunet")
    return sample_path("astronaut")


def faces_in(path: Path) -> int:
    pixels = np.ascontiguousarray(np.asarray(Image.open(path).convert("RGB"))[..., ::-1])
    with open_detector("yunet", long_side=1280, score=0.5) as detector:
        return len(detector.detect(BgrArray(pixels)))


@pytest.mark.parametrize("style", ["pixelate", "blur", "solid", "pixelate-noise", "blur-noise"])
@pytest.mark.parametrize("shape", ["box", "ellipse"])
def test_a_face_is_found_and_then_no_more(face, tmp_path, style, shape):
    assert faces_in(face) == 1
    output = tmp_path / "out.png"
    options = ["--style", style, "--shape", shape, "--quiet"]
    assert main(["redact", str(face), "-o", str(output), *options]) == 0
    assert faces_in(output) == 0


@pytest.mark.parametrize("detector", ["yunet", "centerface", "blazeface-back"])
def test_each_detector_covers_it(engine_path, face, tmp_path, detector):
    engine_path(detector)
    output = tmp_path / "out.png"
    command = ["redact", str(face), "-o", str(output), "--detector", detector, "--quiet"]
    assert main(command) == 0
    assert faces_in(output) == 0


def test_a_video_with_report_and_summary(sample_path, face, tmp_path, capsys):
    report = tmp_path / "report.jsonl"
    command = ["redact", str(sample_path("carphone")), "-o", str(tmp_path / "out.mp4"), "--json"]
    assert main([*command, "--report", str(report)]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["frames"] == 120
    assert summary["files"][0]["tracks"] >= 1
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(120))
    assert all(line["faces"] for line in lines)
    assert set(lines[0]) == {"file", "frame", "time_s", "faces"}
    assert set(lines[0]["faces"][0]) == {"track", "box", "score"}


def test_a_folder_with_bad_files_goes_on_and_says_which(face, tmp_path, capsys):
    folder, output = tmp_path / "in", tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "good.png").write_bytes(face.read_bytes())
    (folder / "cut.png").write_bytes(face.read_bytes()[:50_000])
    (folder / "empty.jpg").touch()
    make(folder / "film.mp4", frames=4)
    command = ["redact", str(folder), "-o", str(output), "--jobs", "2"]
    assert main(command) == 1
    said = capsys.readouterr()
    assert "2 of 4 failed" in said.out
    assert "cut.png" in said.err
    assert "empty.jpg" in said.err
    written = {str(p.relative_to(output)) for p in output.rglob("*") if p.is_file()}
    assert written == {"deep/good.png", "film.mp4", ".faceguard.jsonl"}
    assert faces_in(output / "deep" / "good.png") == 0

    stamps = {p: p.stat().st_mtime_ns for p in output.rglob("*.*")}
    (folder / "cut.png").unlink()
    (folder / "empty.jpg").unlink()
    assert main(command) == 0
    assert "2 done before" in capsys.readouterr().out
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps
    assert main([*command, "--style", "solid"]) == 1, "other settings, but it exists"
    assert "these options did not make" in capsys.readouterr().out
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps
    assert main([*command, "--style", "solid", "--quiet", "--force"]) == 0


def test_what_is_asked_must_make_sense(face, tmp_path, capsys):
    out = str(tmp_path / "o.png")
    for options, code, word in [
        (["--score", "7"], 2, "score 7"),
        (["--margin", "-1"], 2, "margin"),
        (["--detect-every", "0"], 2, "detect-every"),
        (["--look-ahead", "-1"], 2, "look-ahead"),
        (["--detector", "yunett"], 2, "yunet"),
        (["--jobs", "0"], 2, "--jobs"),
        (["--crf", "999"], 2, "--crf"),
        (["--detect-size", "5"], 2, "--detect-size"),
        (["--detector", "blazeface-back", "--detect-size", "640"], 2, "no long side"),
    ]:
        assert main(["redact", str(face), "-o", out, *options]) == code
        error = capsys.readouterr().err
        assert error.startswith("faceguard: ")
        assert error.count("\n") == 1
        assert word in error
    assert not Path(out).exists()
    missing = ["redact", str(face), "-o", "/proc/nowhere/o.png"]
    assert main(missing) == 5


def test_the_report_never_takes_the_inputs_place(face, tmp_path, capsys):
    picture = tmp_path / "in.png"
    picture.write_bytes(face.read_bytes())
    command = ["redact", str(picture), "-o", str(tmp_path / "o.png"), "--force"]
    assert main([*command, "--report", str(picture)]) == 2
    assert picture.read_bytes() == face.read_bytes()
    assert "would replace an input" in capsys.readouterr().err
    assert main([*command, "--report", str(tmp_path / "o.png")]) == 2
    assert "same file" in capsys.readouterr().err
    assert not (tmp_path / "o.png").exists()


def test_how_many_at_a_time_makes_no_other_output(face, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(face.read_bytes())
    command = ["redact", str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    assert main([*command, "--jobs", "2"]) == 0
    assert main(command) == 0
    assert "1 done before" in capsys.readouterr().out


def test_a_model_that_was_not_pulled_is_named(face, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("FACEGUARD_MODELS", raising=False)
    assert main(["redact", str(face), "-o", str(tmp_path / "o.png")]) == 3
    assert "faceguard models pull yunet" in capsys.readouterr().err


@pytest.mark.parametrize("thread", ["main", "other"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_stopped_leaves_nothing_half_done(face, tmp_path, number, code, thread):
    """A signal that another thread gets does not wake the one that waits for the files."""
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (folder / "a.png").write_bytes(face.read_bytes())
    make(folder / "b.mp4", frames=900, size=(320, 240), options={"preset": "ultrafast"})
    command = [*COMMAND, str(folder), "-o", str(output), "--preset", "placebo"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(output.glob(".b*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    threads = sorted(int(path.name) for path in Path(f"/proc/{process.pid}/task").iterdir())
    ctypes.CDLL(None).tgkill(process.pid, threads[0 if thread == "main" else -1], number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in said
    assert {p.name for p in output.iterdir()} == {"a.png", ".faceguard.jsonl"}
    (folder / "b.mp4").unlink()
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "1 done before" in again.stdout


def test_killed_without_warning_nothing_stands_under_the_name(face, tmp_path):
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    make(folder / "b.mp4", frames=900, size=(320, 240), options={"preset": "ultrafast"})
    command = [*COMMAND, str(folder), "-o", str(output), "--preset", "placebo"]
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 60
    while not list(output.glob(".b*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (output / "b.mp4").exists()
    make(folder / "b.mp4", frames=3)
    subprocess.run([*command, "--quiet"], check=True)
    assert {p.name for p in output.iterdir()} == {"b.mp4", ".faceguard.jsonl"}
