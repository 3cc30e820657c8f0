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
from faceguard.engines.manifest import BuiltFor, EngineManifest


def put(folder: Path, graph: Path, name: str) -> Path:
    """An engine for the CPU, as the converter would leave it."""
    engine = folder / "engine.onnx"
    shutil.copyfile(graph, engine)
    manifest = EngineManifest(
        name=name,
        key="k",
        backend="onnx",
        precision="fp32",
        file=engine.name,
        bytes=engine.stat().st_size,
        sha256=hashlib.sha256(engine.read_bytes()).hexdigest(),
        source={},
        graph_sha256="0" * 64,
        inputs=(),
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
    engine = put(tmp_path, engine_path("yunet"), "mine")
    with pytest.raises(UsageError, match=r"built from 'mine', .* --detector"):
        Redactor(RedactorSettings(engine=engine))
    Redactor(RedactorSettings(engine=engine, detector="yunet")).close()


def test_an_engine_that_nothing_vouches_for(tmp_path):
    graph = tmp_path / "graph.onnx"
    graph.write_bytes(b"not a graph")
    with pytest.raises(ModelMissing, match="nothing vouches"):
        Redactor(RedactorSettings(engine=graph))
    engine = put(tmp_path, graph, "yunet")
    engine.write_bytes(b"changed")
    with pytest.raises(ModelCorrupt, match="sha256"):
        Redactor(RedactorSettings(engine=engine))
