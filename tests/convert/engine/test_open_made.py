"""What was made is opened only where it belongs, and with its manifest."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from faceguard.engines.errors import EngineStale, ModelCorrupt, ModelMissing, UsageError
from faceguard.engines.machine import read_machine
from faceguard.engines.runtime import open_runtime
from tests.convert import graphs
from tests.convert.engine.asking import RTX, ask, make, needs_rtx
from tests.engines import tools


@pytest.fixture
def engine(store: Path, small: Path) -> Path:
    return make(ask(small, precision="fp16", **RTX)).engine


@pytest.fixture
def orin(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver with a GPU of compute capability 8.7."""
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tools.fake_cuda().parent))
    monkeypatch.setenv("FAKE_CUDA", "")


def change(engine: Path, **fields: object) -> None:
    note = engine.with_name("manifest.json")
    note.write_text(json.dumps({**json.loads(note.read_text()), **fields}))


def test_a_graph_for_onnx_runtime_opens_and_answers_as_its_source(store: Path, small: Path) -> None:
    made = make(ask(small, precision="fp16"))
    feeds = {"picture": graphs.noise((1, 3, 16, 16))}
    with open_runtime(made.engine) as ours, open_runtime(small) as source:
        found, wanted = ours.infer(feeds), source.infer(feeds)
    assert found["sum"].dtype == np.float32
    assert 0 < graphs.difference(found, wanted) < 5e-3


@needs_rtx
@pytest.mark.usefixtures("orin")
def test_an_engine_for_another_gpu(engine: Path) -> None:
    with pytest.raises(EngineStale, match=r"sm86, this GPU is sm87; run: faceguard engines build$"):
        open_runtime(engine)


@needs_rtx
@pytest.mark.usefixtures("orin")
def test_an_engine_by_another_tensorrt(engine: Path) -> None:
    here = read_machine().tensorrt_rtx
    change(engine, built_for={"version": "1.0.0.1", "targets": ["sm87"]})
    with pytest.raises(EngineStale) as told:
        open_runtime(engine)
    assert str(told.value) == (
        f"{engine}: built by TensorRT for RTX 1.0.0.1, here is {here}; run: faceguard engines build"
    )


@needs_rtx
@pytest.mark.usefixtures("orin")
@pytest.mark.parametrize("part", [4, -1])
def test_an_engine_whose_bytes_changed(engine: Path, part: int) -> None:
    change(engine, built_for={"version": read_machine().tensorrt_rtx, "targets": ["sm87"]})
    data = bytearray(engine.read_bytes())
    data[part] ^= 1
    engine.write_bytes(data)
    with pytest.raises(ModelCorrupt, match=r"run: faceguard engines build --force$") as told:
        open_runtime(engine)
    assert "its manifest says " in str(told.value)


@needs_rtx
def test_a_machine_without_a_gpu(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "libcuda.so.1").write_bytes(b"")  # so that a real one is not found either
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    with pytest.raises(EngineStale, match="it needs an NVIDIA GPU: no CUDA driver"):
        open_runtime(engine)


@needs_rtx
def test_an_engine_without_a_manifest(engine: Path) -> None:
    engine.with_name("manifest.json").unlink()
    with pytest.raises(ModelMissing, match="nothing vouches for the engine; copy it here"):
        open_runtime(engine)


@needs_rtx
def test_an_engine_that_was_moved_without_its_manifest(engine: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved.plan"
    moved.write_bytes(engine.read_bytes())
    with pytest.raises(ModelMissing, match=r"moved\.plan\.json: no such manifest"):
        open_runtime(moved)
    with pytest.raises(UsageError, match=r"no runtime opens '\.trt'"):
        open_runtime(moved.rename(tmp_path / "moved.trt"))


@needs_rtx
@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": 2}', "\x00"])
def test_an_engine_with_a_manifest_that_is_none(engine: Path, text: str) -> None:
    engine.with_name("manifest.json").write_text(text)
    with pytest.raises(ModelCorrupt, match="not a manifest of this version; run: faceguard engine"):
        open_runtime(engine)
