"""`faceguard engines list` and `prune`: what is there, what of it runs here, what goes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.convert.engine.asking import RTX, ask, make, needs_rtx
from tests.engines import tools


@pytest.fixture
def no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "libcuda.so.1").write_bytes(b"")  # so that a real one is not found either
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))


@pytest.fixture
def orin(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver with a GPU of compute capability 8.7."""
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tools.fake_cuda().parent))
    monkeypatch.setenv("FAKE_CUDA", "")


@pytest.fixture
def good(store: Path, small: Path) -> Path:
    return make(ask(small)).engine.parent


@pytest.fixture
def broken(store: Path, small: Path) -> Path:
    engine = make(ask(small, precision="fp16")).engine
    engine.write_bytes(engine.read_bytes()[:-1])
    return engine.parent


@pytest.fixture
def no_note(store: Path, small: Path) -> Path:
    engine = make(ask(small, input_range=(0.0, 2.0))).engine
    engine.with_name("manifest.json").write_text("{")
    return engine.parent


@pytest.fixture
def elsewhere(store: Path, small: Path) -> Path:
    return make(ask(small, precision="fp16", **RTX)).engine.parent


def test_nothing_is_built(call, store: Path) -> None:
    assert call("faceguard", "engines", "list").out == (
        "no engines yet: run `faceguard engines build`\n"
    )
    assert json.loads(call("faceguard", "engines", "list", "--json").out) == []
    assert call("faceguard", "engines", "prune").out == ""
    assert not store.exists()


def test_good_and_broken_ones(call, store: Path, good: Path, broken: Path, no_note: Path) -> None:
    (store / "a letter").mkdir()
    (store / "notes.txt").write_text("mine")
    told = call("faceguard", "engines", "list")
    assert (told.code, told.err) == (0, "")
    lines = told.out.splitlines()
    assert len(lines) == 3
    ready, unnamed = (line for line in lines if "  ready: " in line or no_note.name in line)
    if no_note.name in ready:
        ready, unnamed = unnamed, ready
    assert ready.startswith("small  fp32  onnx  1x3x16x16  ")
    assert Path(ready.partition("ready: ")[2]).is_file()
    assert "not a manifest of this version; run: faceguard engines build" in unnamed
    (damaged,) = (line for line in lines if broken.name in line)
    assert "cannot be used here: " in damaged
    assert "its manifest says " in damaged
    rows = json.loads(call("faceguard", "engines", "list", "--json").out)
    runs = {Path(row["folder"]).name: row["runs_here"] for row in rows}
    assert runs == {good.name: True, broken.name: False, no_note.name: False}
    assert [row["manifest"] is None for row in rows].count(True) == 1

    gone = call("faceguard", "engines", "prune")
    assert (gone.code, gone.err) == (0, "")
    assert gone.out.count("removed ") == 2
    assert good.is_dir()
    assert not broken.exists()
    assert not no_note.exists()
    # What is none of ours stays, wherever the store is.
    assert (store / "a letter").is_dir()
    assert (store / "notes.txt").is_file()
    assert call("faceguard", "engines", "prune").out == ""


@needs_rtx
@pytest.mark.usefixtures("no_gpu")
def test_a_driver_that_does_not_answer_costs_no_engines(
    call, store: Path, good: Path, elsewhere: Path
) -> None:
    told = call("faceguard", "engines", "list").out
    assert "cannot be used here: it needs an NVIDIA GPU: no CUDA driver" in told
    kept = call("faceguard", "engines", "prune")
    assert kept.code == 0
    assert kept.out.startswith(f"kept {elsewhere.name}: it needs an NVIDIA GPU: ")
    assert elsewhere.is_dir()
    (elsewhere / "engine.engine").write_bytes(b"half")
    assert call("faceguard", "engines", "prune").out.startswith(f"removed {elsewhere.name}: ")
    assert not elsewhere.exists()
    assert good.is_dir()


@needs_rtx
@pytest.mark.usefixtures("orin")
def test_what_is_for_another_gpu_goes(call, store: Path, good: Path, elsewhere: Path) -> None:
    told = call("faceguard", "engines", "list").out
    assert "cannot be used here: built for sm86, this GPU is sm87" in told
    gone = call("faceguard", "engines", "prune")
    assert gone.out == f"removed {elsewhere.name}: built for sm86, this GPU is sm87\n"
    assert not elsewhere.exists()
    assert good.is_dir()


@needs_rtx
@pytest.mark.usefixtures("orin")
def test_what_another_tensorrt_built_goes(call, store: Path, elsewhere: Path) -> None:
    note = elsewhere / "manifest.json"
    manifest = json.loads(note.read_text())
    note.write_text(json.dumps({**manifest, "built_for": {"version": "1.0", "targets": ["sm87"]}}))
    gone = call("faceguard", "engines", "prune").out
    assert gone.startswith(f"removed {elsewhere.name}: built by TensorRT for RTX 1.0, here is ")
