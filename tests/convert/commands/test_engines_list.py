"""`faceguard engines list` and `prune`: what is there, what of it runs here, what goes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from faceguard.convert.engine.publish import lock_build
from tests.convert.engine.asking import RTX, ask, machine, make, names, needs_rtx
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
def test_what_names_another_gpu_stays(call, store: Path, good: Path, elsewhere: Path) -> None:
    """A builder's work for other machines is not stale here."""
    told = call("faceguard", "engines", "list").out
    assert "cannot be used here: built for sm86, this GPU is sm87" in told
    kept = call("faceguard", "engines", "prune")
    assert kept.out == f"kept {elsewhere.name}: built for sm86, this GPU is sm87\n"
    assert elsewhere.is_dir()
    assert good.is_dir()


@needs_rtx
@pytest.mark.usefixtures("orin")
def test_what_another_tensorrt_built_goes(call, store: Path, elsewhere: Path) -> None:
    note = elsewhere / "manifest.json"
    manifest = json.loads(note.read_text())
    built_for = {"version": "1.0", "gpu": "Orin", "compute_capability": "8.7"}
    note.write_text(json.dumps({**manifest, "built_for": built_for}))
    gone = call("faceguard", "engines", "prune").out
    assert gone.startswith(f"removed {elsewhere.name}: built by TensorRT for RTX 1.0, here is ")
    assert not elsewhere.exists()


@pytest.mark.usefixtures("orin")
def test_what_lacks_a_package_in_this_environment_stays(call, store: Path, good: Path) -> None:
    note = good / "manifest.json"
    manifest = json.loads(note.read_text())
    if machine().tensorrt is not None:
        pytest.skip("TensorRT is installed here")
    built_for = {"version": "10.3.0", "gpu": "Orin", "compute_capability": "8.7"}
    note.write_text(json.dumps({**manifest, "backend": "tensorrt", "built_for": built_for}))
    kept = call("faceguard", "engines", "prune").out
    assert kept.startswith(f"kept {good.name}: it needs TensorRT 10.3.0, which is not installed")
    assert good.is_dir()


def test_an_engine_that_is_being_built_stays(call, store: Path, broken: Path) -> None:
    with lock_build(store, broken.name, say=print, limit_s=0):
        kept = call("faceguard", "engines", "prune")
    assert (kept.code, kept.out) == (0, f"kept {broken.name}: a build of it is at work\n")
    assert broken.is_dir()
    assert call("faceguard", "engines", "prune").out.startswith(f"removed {broken.name}: ")
    assert names(store) == set()
