"""Redacting on an engine that was named, in place of the pulled model."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faceguard.edge import Redactor, RedactorSettings
from faceguard.engines.errors import ModelCorrupt, ModelMissing, UsageError
from faceguard.engines.manifest import BuiltFor, EngineManifest, InputNote
from faceguard.engines.runtime import open_runtime


def put(
    folder: Path, graph: Path, name: str, *, known: bool = True, largest_px: int | None = None
) -> Path:
    """An engine for the CPU, as the converter would leave it."""
    engine = folder / "engine.onnx"
    shutil.copyfile(graph, engine)
    manifest = EngineManifest(
        name=name,
        catalogue=name if known else None,
        key="k",
        backend="onnx",
        precision="fp32",
        file=engine.name,
        bytes=engine.stat().st_size,
        sha256=hashlib.sha256(engine.read_bytes()).hexdigest(),
        source={},
        graph_sha256="0" * 64,
        inputs=()
        if largest_px is None
        else (
            InputNote(
                name="input",
                dtype="float32",
                minimum=(1, 3, 32, 32),
                optimum=(1, 3, largest_px, largest_px),
                maximum=(1, 3, largest_px, largest_px),
            ),
        ),
        outputs=(),
        built_for=BuiltFor(),
        made="2026-01-01T00:00:00+00:00",
    )
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return engine


@pytest.mark.models
def test_the_manifest_says_which_detector_it_is(engine_path, sample_path, tmp_path):
    pixels = np.asarray(Image.open(sample_path("astronaut")).convert("RGB"))[..., ::-1].copy()
    with Redactor(RedactorSettings(detector="blazeface-back")) as known:
        expected = known.array(pixels)
    engine = put(tmp_path, engine_path("blazeface-back"), "blazeface-back")
    with Redactor(RedactorSettings(engine=engine)) as door:
        np.testing.assert_array_equal(door.array(pixels), expected)
    assert (expected != pixels).any()


@pytest.mark.models
def test_an_engine_from_an_unknown_model_needs_the_detector_s_name(engine_path, tmp_path):
    engine = put(tmp_path, engine_path("yunet"), "yunet", known=False)
    with pytest.raises(UsageError, match=r"built from 'yunet', .* --detector"):
        Redactor(RedactorSettings(engine=engine))
    Redactor(RedactorSettings(engine=engine, detector="yunet")).close()


@pytest.mark.models
def test_a_detector_that_it_was_not_built_from_is_refused(engine_path, tmp_path):
    engine = put(tmp_path, engine_path("yunet"), "yunet")
    with pytest.raises(UsageError, match="built from yunet, not from --detector centerface"):
        Redactor(RedactorSettings(engine=engine, detector="centerface"))


@pytest.mark.models
def test_an_engine_sets_how_large_pictures_are_looked_at(engine_path, sample_path, tmp_path):
    engine = put(tmp_path, engine_path("yunet"), "yunet", largest_px=320)
    with pytest.raises(UsageError, match=r"--detect-size 640: engine\.onnx takes up to 320 px"):
        Redactor(RedactorSettings(engine=engine, long_side=640))
    with Redactor(RedactorSettings(engine=engine)) as door:
        done = door.file(sample_path("astronaut"), tmp_path / "safe.png")
        video = door.file(sample_path("carphone"), tmp_path / "safe.mp4")
    assert done.tracks == 1
    assert any("the engine looks at 320 px" in note for note in done.notes)
    assert not any("the engine looks" in note for note in video.notes)


@pytest.mark.models
def test_an_engine_of_one_size_has_no_other(engine_path, tmp_path):
    engine = put(tmp_path, engine_path("blazeface-back"), "blazeface-back")
    with pytest.raises(UsageError, match="takes pictures of one size only"):
        Redactor(RedactorSettings(engine=engine, long_side=256))


@pytest.mark.models
def test_a_graph_beside_a_manifest_is_held_against_it(engine_path, tmp_path):
    engine = put(tmp_path, engine_path("yunet"), "yunet")
    open_runtime(engine).close()
    engine.write_bytes(engine.read_bytes() + b"\0")
    with pytest.raises(ModelCorrupt, match="its manifest says"):
        open_runtime(engine)


def test_an_engine_that_nothing_vouches_for(tmp_path):
    graph = tmp_path / "graph.onnx"
    graph.write_bytes(b"not a graph")
    with pytest.raises(ModelMissing, match="nothing vouches"):
        Redactor(RedactorSettings(engine=graph))
    engine = put(tmp_path, graph, "yunet")
    engine.write_bytes(b"changed")
    with pytest.raises(ModelCorrupt, match="sha256"):
        Redactor(RedactorSettings(engine=engine))
