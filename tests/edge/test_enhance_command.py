"""`faceguard enhance` as a user types it, with the real detector and a real network."""

from __future__ import annotations

import json
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faceguard.edge.cli import main
from faceguard.engines.bgr_array import BgrArray
from faceguard.engines.detectors import open_detector
from tests.children import children
from tests.edge.videos import make, read

COMMAND = [sys.executable, "-m", "faceguard.edge.cli", "enhance"]

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def face(engine_path, sample_path) -> Path:
    engine_path("yunet")
    engine_path("espcn-x2")
    return sample_path("astronaut")


@pytest.fixture
def small(face, tmp_path) -> Path:
    """The face alone, which is quick to enlarge."""
    path = tmp_path / "small.png"
    Image.open(face).convert("RGB").crop((150, 0, 310, 200)).save(path)
    return path


def faces_in(path: Path) -> int:
    pixels = np.ascontiguousarray(np.asarray(Image.open(path).convert("RGB"))[..., ::-1])
    with open_detector("yunet", long_side=1280, score=0.5) as detector:
        return len(detector.detect(BgrArray(pixels)))


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def png(width: int, height: int, rows: bytes) -> bytes:
    """A grey PNG that says what it likes of its size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + (chunk(b"IEND", b""))
    )


@pytest.mark.parametrize("style", ["pixelate", "blur", "solid"])
def test_no_face_is_found_in_what_was_enlarged(small, tmp_path, style):
    output = tmp_path / "out.png"
    assert main(["enhance", str(small), "-o", str(output), "--style", style, "--quiet"]) == 0
    assert size_of(output) == (320, 400)
    assert faces_in(output) == 0


def test_a_part_of_the_whole_picture_shows_none_either(face, tmp_path):
    output = tmp_path / "out.png"
    command = ["enhance", str(face), "-o", str(output), "--roi", "150,0,160,200", "--quiet"]
    assert main(command) == 0
    assert size_of(output) == (320, 400)
    assert faces_in(output) == 0


def test_faces_are_left_bare_only_aloud_and_it_is_said_everywhere(small, tmp_path, capsys):
    output, report = tmp_path / "out.png", tmp_path / "report.jsonl"
    command = ["enhance", str(small), "-o", str(output), "--no-redact", "--force"]
    assert main([*command, "--json", "--report", str(report)]) == 0
    assert faces_in(output) == 1
    summary = json.loads(capsys.readouterr().out)
    assert (summary["redacted"], summary["files"][0]["redacted"]) == (False, False)
    assert (summary["model"], summary["scale"]) == ("espcn-x2", 2)
    assert [json.loads(line)["redacted"] for line in report.read_text().splitlines()] == [False]
    assert main(command) == 0
    assert "320x400 by espcn-x2, faces left bare (--no-redact)" in capsys.readouterr().out


def test_without_redaction_no_detector_is_looked_for(small, tmp_path, monkeypatch, capsys):
    """The store has the network alone."""
    from faceguard.engines.store import find_graph

    store = tmp_path / "share" / "faceguard" / "models"
    store.mkdir(parents=True)
    graph = find_graph("espcn-x2")
    for path in graph.parent.glob(f"{graph.stem}.*"):
        (store / path.name).symlink_to(path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.delenv("FACEGUARD_MODELS", raising=False)
    command = ["enhance", str(small), "-o", str(tmp_path / "out.png"), "--quiet"]
    assert main(command) == 3
    assert "faceguard models pull yunet" in capsys.readouterr().err
    assert main([*command, "--no-redact"]) == 0


def test_a_video_keeps_its_frames_and_times_and_shows_nobody(sample_path, face, tmp_path, capsys):
    source, output = sample_path("carphone"), tmp_path / "out.mp4"
    report = tmp_path / "report.jsonl"
    command = ["enhance", str(source), "-o", str(output), "--json", "--report", str(report)]
    assert main(command) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["redacted"] is True
    before, after = read(source), read(output)
    assert [frame.time for frame in after] == pytest.approx([frame.time for frame in before])
    assert {(frame.width, frame.height) for frame in after} == {(352, 288)}
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert all(line["faces"] and "redacted" not in line for line in lines)
    assert max(line["faces"][0]["box"][2] for line in lines) <= 176, "in pixels of the source"
    with open_detector("yunet", long_side=640, score=0.6) as detector:
        for frame in after[::15]:
            pixels = np.ascontiguousarray(frame.to_ndarray(format="bgr24"))
            assert len(detector.detect(BgrArray(pixels))) == 0


def test_preparing_is_told_from_working(small, tmp_path, capsys):
    command = ["enhance", str(small), "-o", str(tmp_path / "out.png")]
    assert main(command) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "faceguard: preparing: espcn-x2"
    assert said[-1].startswith("faceguard: ready after ")
    assert said[-1].endswith("; working")
    assert main([*command, "--quiet", "--force"]) == 0
    assert capsys.readouterr().err == ""


def test_a_folder_with_bad_files_goes_on_and_a_second_run_does_the_rest(small, tmp_path, capsys):
    folder, output = tmp_path / "in", tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "good.png").write_bytes(small.read_bytes())
    (folder / "cut.png").write_bytes(small.read_bytes()[:9_000])
    make(folder / "film.mp4", frames=4)
    command = ["enhance", str(folder), "-o", str(output), "--jobs", "2"]
    assert main(command) == 1
    said = capsys.readouterr()
    assert "1 of 3 failed" in said.out
    assert "cut.png" in said.err
    written = {str(p.relative_to(output)) for p in output.rglob("*") if p.is_file()}
    assert written == {"deep/good.png", "film.mp4", ".faceguard.jsonl"}
    assert faces_in(output / "deep" / "good.png") == 0
    assert read(output / "film.mp4")[0].width == 192
    (folder / "cut.png").unlink()
    assert main(command) == 0
    assert "2 done before" in capsys.readouterr().out
    for more in (["--scale", "2", "--roi", "0,0,50,50"], ["--no-redact"]):
        assert main([*command, *more]) == 1
        assert "these options did not make" in capsys.readouterr().out


def test_what_is_asked_must_make_sense(small, tmp_path, capsys):
    out = tmp_path / "o" / "o.png"
    for options, code, word in [
        (["--scale", "9"], 2, "9 times; take one of 2, 3, 4"),
        (["--scale", "2", "--model", "edsr-x3"], 2, "for --scale 2 take"),
        (["--model", "yunet"], 2, "enlarges nothing"),
        (["--model", "espcn"], 2, "espcn-x2"),
        (["--roi", "1,2,3"], 2, "--roi"),
        (["--memory-limit", "much"], 2, "much"),
        (["--max-pixels", "0"], 2, "--max-pixels"),
        (["--score", "7"], 2, "score 7"),
        (["--jobs", "0"], 2, "--jobs"),
        (["--roi", "500,500,9,9"], 2, "small.png: --roi 500,500,9,9 lies outside"),
        (["--max-pixels", "9999"], 1, "small.png: 160x200 enlarged 2 times is 320x400 = 128,000"),
        (["--memory-limit", "50K"], 8, "50 KB"),
    ]:
        assert main(["enhance", str(small), "-o", str(out), "--quiet", *options]) == code, options
        error = capsys.readouterr().err
        assert error.startswith("faceguard: ")
        assert error.count("\n") == 1
        assert word in error
    assert list(tmp_path.rglob("*.png")) == [small]
    assert main(["enhance", str(small), "-o", "/proc/nowhere/o.png", "--quiet"]) == 5


def test_a_model_that_was_not_pulled_is_named_and_nothing_is_made(
    small, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "none"))
    monkeypatch.delenv("FACEGUARD_MODELS", raising=False)
    output = tmp_path / "out" / "o.png"
    assert main(["enhance", str(small), "-o", str(output), "--scale", "4"]) == 3
    assert "faceguard models pull espcn-x4" in capsys.readouterr().err
    assert not output.parent.exists()


@pytest.mark.parametrize("size", [(1, 1), (1, 10_000), (10_000, 1)])
def test_a_picture_of_any_shape(face, tmp_path, size):
    source, output = tmp_path / "in.png", tmp_path / "out.png"
    Image.new("RGB", size, (200, 100, 50)).save(source)
    assert main(["enhance", str(source), "-o", str(output), "--quiet"]) == 0
    large = np.asarray(Image.open(output)).astype(int)
    assert large.shape == (size[1] * 2, size[0] * 2, 3)
    assert np.abs(large - (200, 100, 50)).max() <= 24


def test_a_bomb_is_refused_by_what_it_says_of_itself(face, tmp_path, capsys):
    source = tmp_path / "bomb.png"
    source.write_bytes(png(60_000, 60_000, bytes(1000)))
    assert main(["enhance", str(source), "-o", str(tmp_path / "o.png"), "--quiet"]) == 1
    error = capsys.readouterr().err
    assert "3,600,000,000 pixels" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "o.png").exists()


def test_sides_that_the_format_cannot_hold_are_refused_before_the_work(face, tmp_path, capsys):
    source = tmp_path / "in.png"
    Image.new("L", (9000, 2)).save(source)
    assert main(["enhance", str(source), "-o", str(tmp_path / "o.webp"), "--quiet"]) == 5
    assert "18000x4 is more than WEBP can hold" in capsys.readouterr().err


def test_sides_that_the_encoder_does_not_take_are_named(face, tmp_path, capsys):
    source = make(
        tmp_path / "in.mkv", frames=1, size=(9000, 16), codec="ffv1", pixel_format="yuv420p"
    )
    assert main(["enhance", str(source), "-o", str(tmp_path / "o.mp4"), "--quiet"]) == 2
    assert "libx264 refuses 18000x32" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]


def test_a_full_disk_is_told_and_nothing_stands_there(face, small_disk, capsys):
    output = small_disk / "o.png"
    assert main(["enhance", str(face), "-o", str(output), "--quiet"]) == 5
    assert "no space is left" in capsys.readouterr().err
    assert list(small_disk.iterdir()) == []


def test_a_folder_that_may_only_be_read(small, small_disk, capsys):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert main(["enhance", str(small), "-o", str(small_disk / "o.png"), "--quiet"]) == 5
    assert capsys.readouterr().err.count("\n") == 1


def test_nothing_is_left_running_or_open(small, tmp_path):
    def held() -> tuple[set[str], int]:
        return {t.name for t in threading.enumerate()}, len(list(Path("/proc/self/fd").iterdir()))

    command = ["enhance", str(small), "-o", str(tmp_path / "o.png"), "--quiet", "--force"]
    assert main(command) == 0
    before, started = held(), children()
    assert main(command) == 0
    deadline = time.monotonic() + 20
    while not (held()[0] <= before[0] and held()[1] <= before[1]):
        assert time.monotonic() < deadline, (before, held())
        time.sleep(0.01)
    assert children() <= started


def begun(folder: Path, output: Path) -> subprocess.Popen[str]:
    """A run that is in the middle of its video."""
    make(folder / "b.mp4", frames=900, size=(320, 240), options={"preset": "ultrafast"})
    command = [*COMMAND, str(folder), "-o", str(output), "--preset", "placebo"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(output.glob(".b*")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    return process


def test_a_run_that_is_stopped_leaves_nothing_half_done(small, tmp_path):
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (folder / "a.png").write_bytes(small.read_bytes())
    process = begun(folder, output)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert {p.name for p in output.iterdir()} == {"a.png", ".faceguard.jsonl"}


def test_killed_without_warning_nothing_stands_there_and_the_next_run_clears_up(face, tmp_path):
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    process = begun(folder, output)
    process.kill()
    process.communicate()
    assert not (output / "b.mp4").exists()
    assert list(output.glob(".b*"))
    make(folder / "b.mp4", frames=3)
    assert main(["enhance", str(folder), "-o", str(output), "--quiet"]) == 0
    assert {p.name for p in output.iterdir()} == {"b.mp4", ".faceguard.jsonl"}
