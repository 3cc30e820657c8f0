"""Every detector of the catalogue becomes a proven engine, on a machine without a GPU."""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnx
import pytest

from faceguard.engines.catalogue import read_catalogue
from faceguard.engines.engine_store import engine_file
from faceguard.engines.manifest import BuiltFor, read_manifest
from faceguard.engines.onnx import OnnxRuntime
from tests.convert.engine.asking import RTX, ask, machine, make, model, names, needs_rtx

DETECTORS = [entry.name for entry in read_catalogue().detectors()]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@needs_rtx
@pytest.mark.models
@pytest.mark.parametrize("name", DETECTORS)
def test_a_model_becomes_an_engine_in_half_precision(store: Path, name: str) -> None:
    request = ask(model(name), precision="fp16", **RTX)
    made = make(request)
    assert made.fresh
    assert made.engine.parent.parent == store
    assert names(store) == {
        made.engine.parent.name,
        f"{made.engine.parent.name}/engine.engine",
        f"{made.engine.parent.name}/manifest.json",
    }
    data = made.engine.read_bytes()
    assert data[:4] == b"vtrt"
    manifest = read_manifest(made.engine.parent / "manifest.json")
    assert manifest == made.manifest
    assert (manifest.name, manifest.backend, manifest.precision) == (name, "tensorrt-rtx", "fp16")
    assert manifest.key == request.key
    assert manifest.bytes == len(data)
    assert manifest.sha256 == hashlib.sha256(data).hexdigest()
    assert manifest.source == {
        "file": request.source.path.name,
        "sha256": sha256(request.source.path),
    }
    assert manifest.built_for == BuiltFor(version=machine().tensorrt_rtx, targets=("sm86",))
    _same_ends(manifest, request.source.path)
    _half(manifest)
    accuracy = manifest.accuracy
    assert accuracy["pictures"] == 6
    assert accuracy["judged_on"] == "ONNX Runtime"
    assert accuracy["faces"] >= 3
    # Half precision moves no face of any model here; what the gate lets through is ten times that.
    assert accuracy["worst_iou"] >= 0.99
    assert accuracy["worst_score"] <= 0.005
    assert accuracy["outputs"].keys() == {note.name for note in manifest.outputs}
    assert 0 < manifest.build["seconds"] < manifest.build["total_s"]
    assert 0 < manifest.build["peak_mb"] < manifest.build["need_mb"] * 3
    assert manifest.tools.keys() >= {"onnx", "onnxruntime", "faceguard-edge"}
    assert any("golden pictures" in note for note in made.notes)
    again = make(request)
    assert not again.fresh
    assert (again.engine, again.manifest) == (made.engine, manifest)


def _same_ends(manifest, source: Path) -> None:
    with OnnxRuntime(source) as graph:
        assert [note.name for note in manifest.inputs] == [spec.name for spec in graph.inputs]
        assert [note.name for note in manifest.outputs] == [spec.name for spec in graph.outputs]
        for note, spec in zip(manifest.inputs, graph.inputs, strict=True):
            assert note.dtype == str(spec.dtype) == "float32"
            for low, best, high, side in zip(
                note.minimum, note.optimum, note.maximum, spec.shape, strict=True
            ):
                assert low <= best <= high
                assert side is None or low == high == side


def _half(manifest) -> None:
    """Most of the layers and weights are in half precision, and the rest has a reason."""
    proof = manifest.precision_proof["graph"]
    counts: dict[str, int] = {}
    for kinds in proof["layers"].values():
        for kind, count in kinds.items():
            counts[kind] = counts.get(kind, 0) + count
    assert counts["fp16"] > 10 * counts.get("fp32", 0)
    assert len(proof["kept"]) == counts.get("fp32", 0)
    assert (
        proof["weights"]["fp16"]["count"] > 10 * proof["weights"].get("fp32", {"count": 0})["count"]
    )
    assert set(proof["io"].values()) == {"fp32"}
    assert len(manifest.precision_proof["kept"]) >= len(proof["kept"])


@pytest.mark.models
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_graph_for_onnx_runtime_runs(store: Path, precision: str) -> None:
    made = make(ask(model("blazeface-short"), precision=precision))
    assert made.engine.name == engine_file("onnx")
    graph = onnx.load(made.engine)
    onnx.checker.check_model(graph)
    assert made.manifest.graph_sha256 == made.manifest.sha256 == sha256(made.engine)
    assert made.manifest.built_for == BuiltFor()
    with OnnxRuntime(made.engine) as runtime:
        assert {spec.name for spec in runtime.outputs} == {n.name for n in made.manifest.outputs}
    kinds = {weight.data_type for weight in graph.graph.initializer}
    assert (onnx.TensorProto.FLOAT16 in kinds) == (precision == "fp16")
