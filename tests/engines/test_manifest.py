"""Nothing is loaded without a manifest, and none that names another machine."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from faceguard.engines.errors import EngineStale, ModelCorrupt, ModelMissing
from faceguard.engines.machine import Gpu, Machine
from faceguard.engines.manifest import (
    BuiltFor,
    EngineManifest,
    engine_key,
    load_engine,
    manifest_of,
    read_manifest,
)
from faceguard.engines.spec import Backend, Profile

ORIN = Gpu("Orin", (8, 7), 8 << 30, integrated=True)
JETSON = Machine(gpu=ORIN, cuda="12.6", tensorrt="10.3.0", l4t="36.4.3")
PC = Machine(gpu=Gpu("NVIDIA RTX A2000", (8, 6), 6 << 30, integrated=False), tensorrt_rtx="1.7.1")
BARE = Machine(no_gpu="no libcuda.so.1")


def paper(
    backend: Backend = "tensorrt", built_for: BuiltFor | None = None, data: bytes = b"engine"
) -> EngineManifest:
    return EngineManifest(
        name="yunet",
        key="k",
        backend=backend,
        precision="fp16",
        file="engine.engine",
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        source={},
        graph_sha256="0" * 64,
        inputs=(),
        outputs=(),
        built_for=BuiltFor.by(backend, JETSON) if built_for is None else built_for,
        made="2026-01-01T00:00:00+00:00",
    )


def put(folder: Path, manifest: EngineManifest, data: bytes = b"engine") -> Path:
    engine = folder / "engine.engine"
    engine.write_bytes(data)
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return engine


def test_an_engine_of_this_machine_is_let_through(tmp_path: Path) -> None:
    manifest = paper()
    assert load_engine(put(tmp_path, manifest), JETSON) == (manifest, b"engine")


@pytest.mark.parametrize(
    ("machine", "says"),
    [
        (replace(JETSON, tensorrt="10.16.2"), "built by TensorRT 10.3.0, here is 10.16.2"),
        (replace(JETSON, tensorrt=None), "needs TensorRT 10.3.0, which is not installed"),
        (replace(JETSON, cuda="13.2"), "built for CUDA 12.6, here is 13.2"),
        (replace(JETSON, l4t="39.2.0"), "built for L4T 36.4.3, here is 39.2.0"),
        (replace(JETSON, l4t=None), "built for L4T 36.4.3, here is none"),
        (replace(JETSON, gpu=replace(ORIN, name="Thor")), "built for GPU Orin, here is Thor"),
        (
            replace(JETSON, gpu=replace(ORIN, compute_capability=(11, 0))),
            "built for compute capability 8.7, here is 11.0",
        ),
    ],
)
def test_an_engine_of_another_machine_is_refused_with_what_to_run(
    tmp_path: Path, machine: Machine, says: str
) -> None:
    engine = put(tmp_path, paper())
    with pytest.raises(EngineStale, match=f"{says}; run: faceguard engines build"):
        load_engine(engine, machine)


def test_without_any_gpu_building_again_is_no_advice(tmp_path: Path) -> None:
    engine = put(tmp_path, paper())
    blind = replace(JETSON, gpu=None, no_gpu="no device")
    with pytest.raises(EngineStale, match="an NVIDIA GPU: no device; the CPU runs the model"):
        load_engine(engine, blind)


def test_an_engine_for_named_gpus_runs_on_those(tmp_path: Path) -> None:
    def for_gpus(*names: str) -> EngineManifest:
        return paper("tensorrt-rtx", BuiltFor.by("tensorrt-rtx", PC, names))

    assert for_gpus("sm86", "sm89").misfit(PC) is None
    assert for_gpus("sm89", "sm120").misfit(PC) == "built for sm89, sm120, this GPU is sm86"
    newer = replace(PC, tensorrt_rtx="1.8.0")
    assert for_gpus("sm86").misfit(newer) == "built by TensorRT for RTX 1.7.1, here is 1.8.0"


def test_a_graph_for_the_cpu_runs_anywhere() -> None:
    assert paper("onnx", BuiltFor.by("onnx", JETSON)).misfit(BARE) is None


def test_changed_bytes_are_refused(tmp_path: Path) -> None:
    engine = put(tmp_path, paper(), b"enginE")
    with pytest.raises(ModelCorrupt, match=r"sha256 is .* its manifest says .* --force"):
        load_engine(engine, JETSON)


def test_a_missing_a_broken_and_a_foreign_manifest(tmp_path: Path) -> None:
    engine = put(tmp_path, paper())
    note = tmp_path / "manifest.json"
    note.write_text('{"format": 2}')
    with pytest.raises(ModelCorrupt, match="not a manifest of this version"):
        load_engine(engine, JETSON)
    note.unlink()
    with pytest.raises(ModelMissing, match="nothing vouches for the engine"):
        load_engine(engine, JETSON)
    note.mkdir()
    with pytest.raises(ModelCorrupt, match="cannot be read"):
        read_manifest(note)


def test_a_missing_engine_beside_its_manifest(tmp_path: Path) -> None:
    put(tmp_path, paper()).unlink()
    with pytest.raises(ModelCorrupt, match="cannot be read"):
        load_engine(tmp_path / "engine.engine", JETSON)


def test_where_a_manifest_is_looked_for(tmp_path: Path) -> None:
    own = tmp_path / "a.engine"
    assert manifest_of(own) == tmp_path / "a.engine.json"
    (tmp_path / "manifest.json").touch()
    assert manifest_of(own) == tmp_path / "manifest.json"
    (tmp_path / "a.engine.json").touch()
    assert manifest_of(own) == tmp_path / "a.engine.json"


def key_of(**changed: object) -> str:
    facts = {
        "source_sha256": "0" * 64,
        "backend": "tensorrt",
        "precision": "fp16",
        "profiles": {"input": Profile.fixed((1, 3, 64, 64))},
        "flags": {"preparer": 1},
        "built_for": BuiltFor.by("tensorrt", JETSON),
        **changed,
    }
    return engine_key(**facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changed",
    [
        {"source_sha256": "1" * 64},
        {"backend": "tensorrt-rtx"},
        {"precision": "int8"},
        {"profiles": {"input": Profile.fixed((1, 3, 64, 96))}},
        {"profiles": {"other": Profile.fixed((1, 3, 64, 64))}},
        {"flags": {"preparer": 2}},
        {"built_for": BuiltFor.by("tensorrt", replace(JETSON, cuda="13.2"))},
        {"built_for": BuiltFor.by("tensorrt", replace(JETSON, tensorrt="10.16.2"))},
        {"built_for": BuiltFor.by("tensorrt", replace(JETSON, l4t="36.5.0"))},
    ],
)
def test_the_key_follows_from_everything(changed: dict[str, object]) -> None:
    assert key_of() == key_of()
    assert key_of(**changed) != key_of()
