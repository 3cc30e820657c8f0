"""What is found, in which order, and what is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from faceguard.engines import store
from faceguard.engines.catalogue import Catalogue
from faceguard.engines.errors import ModelCorrupt, ModelMissing, ModelUnknown, UsageError
from faceguard.engines.store import (
    PREPARER,
    Manifest,
    State,
    find_file,
    find_graph,
    search_folders,
    state_of,
    store_folder,
)

SOURCE = b"what was fetched"
GRAPH = b"what was made of it"
REWRITTEN = b"the same, computed otherwise"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def catalogue() -> Catalogue:
    common = {
        "about": "x",
        "licence": "MIT",
        "bytes": len(SOURCE),
        "sha256": sha256(SOURCE),
        "from": [{"url": "https://host.invalid/x"}],
    }
    model = {
        **common,
        "kind": "model",
        "task": "face-detection",
        "family": "yunet",
        "file": "source.onnx",
        "input": {"fixed_px": 128},
        "score": {"start": 0.5, "keep": 0.5},
    }
    sample = {**common, "kind": "sample", "task": "picture", "file": "picture.png"}
    upscaler = {
        **common,
        "kind": "model",
        "task": "super-resolution",
        "file": "large_source.pb",
        "enlarging": {"scale": 2, "colours": "bgr", "overlap_px": 8, "rewritten": True},
    }
    return Catalogue.model_validate(
        {"default": "face", "entries": {"face": model, "picture": sample, "large": upscaler}}
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store, empty; the machine's own ones are out of sight."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FACEGUARD_MODELS", raising=False)
    monkeypatch.setattr(store, "SYSTEM_STORE", tmp_path / "system")
    made = tmp_path / "home" / "faceguard" / "models"
    made.mkdir(parents=True)
    return made


def lay(folder: Path, **changes: object) -> None:
    """Puts a prepared graph and its manifest into a folder."""
    (folder / "face.onnx").write_bytes(GRAPH)
    manifest = Manifest(
        name="face", source_sha256=sha256(SOURCE), sha256=sha256(GRAPH), preparer=PREPARER
    )
    note = manifest.model_copy(update=changes).model_dump_json(exclude_none=True)
    (folder / "face.json").write_text(note)


def lay_both(folder: Path, **changes: object) -> None:
    """Puts the two graphs of a rewritten model and their manifest into a folder."""
    lay(folder, **{"name": "large", "rewritten_sha256": sha256(REWRITTEN), **changes})
    for ending in ("onnx", "json"):
        (folder / f"face.{ending}").rename(folder / f"large.{ending}")
    (folder / "large.rewritten.onnx").write_bytes(REWRITTEN)


def test_rewritten_graph_stands_beside_the_plain_one(folder: Path, catalogue: Catalogue) -> None:
    lay_both(folder)
    assert find_graph("large", catalogue=catalogue) == folder / "large.onnx"
    rewritten = find_graph("large", catalogue=catalogue, rewritten=True)
    assert rewritten == folder / "large.rewritten.onnx"
    assert state_of(catalogue.entry("large"), catalogue) == (
        State.READY,
        str(folder / "large.onnx"),
    )
    lay(folder)
    with pytest.raises(UsageError, match="face has no rewritten graph"):
        find_graph("face", catalogue=catalogue, rewritten=True)


@pytest.mark.parametrize("older", [False, True])
def test_store_without_the_rewritten_graph_lacks_something(
    folder: Path, catalogue: Catalogue, older: bool
) -> None:
    # One that was pulled before there were such graphs has no hash of one either.
    lay_both(folder, **({"rewritten_sha256": None} if older else {}))
    (folder / "large.rewritten.onnx").unlink()
    assert find_graph("large", catalogue=catalogue) == folder / "large.onnx"
    with pytest.raises(ModelMissing, match=r"large\.rewritten\.onnx: not made yet: .*pull large`"):
        find_graph("large", catalogue=catalogue, rewritten=True)
    assert state_of(catalogue.entry("large"), catalogue)[0] is State.MISSING


def test_damage_in_either_graph_is_seen(folder: Path, catalogue: Catalogue) -> None:
    for damaged, rewritten in (("large.onnx", False), ("large.rewritten.onnx", True)):
        lay_both(folder)
        (folder / damaged).write_bytes(b"damaged")
        with pytest.raises(ModelCorrupt, match=f"{damaged}: sha256 is"):
            find_graph("large", catalogue=catalogue, rewritten=rewritten)
        assert find_graph("large", catalogue=catalogue, rewritten=not rewritten).is_file()
        assert state_of(catalogue.entry("large"), catalogue)[0] is State.CORRUPT


def test_missing_one_names_the_command(folder: Path, catalogue: Catalogue) -> None:
    with pytest.raises(ModelMissing, match="`faceguard models pull face`"):
        find_graph("face", catalogue=catalogue)
    with pytest.raises(ModelMissing, match="`faceguard models pull picture`"):
        find_file("picture", catalogue=catalogue)
    assert state_of(catalogue.entry("face"), catalogue)[0] is State.MISSING


def test_good_one_is_found(folder: Path, catalogue: Catalogue) -> None:
    lay(folder)
    assert find_graph("face", catalogue=catalogue) == folder / "face.onnx"
    assert state_of(catalogue.entry("face"), catalogue) == (
        State.READY,
        str(folder / "face.onnx"),
    )
    (folder / "picture.png").write_bytes(SOURCE)
    assert find_file("picture", catalogue=catalogue) == folder / "picture.png"


def test_flipped_bit_is_seen(folder: Path, catalogue: Catalogue) -> None:
    lay(folder)
    (folder / "face.onnx").write_bytes(bytes([GRAPH[0] ^ 1]) + GRAPH[1:])
    with pytest.raises(ModelCorrupt, match=r"face\.onnx: sha256 is .* its manifest says .*pull"):
        find_graph("face", catalogue=catalogue)
    (folder / "picture.png").write_bytes(SOURCE[:-1])
    with pytest.raises(ModelCorrupt, match=r"picture\.png: .*the catalogue says"):
        find_file("picture", catalogue=catalogue)
    assert state_of(catalogue.entry("picture"), catalogue)[0] is State.CORRUPT


def test_damaged_source_beside_a_good_graph_is_told(folder: Path, catalogue: Catalogue) -> None:
    lay(folder)
    (folder / "source.onnx").write_bytes(b"damaged")
    assert state_of(catalogue.entry("face"), catalogue)[0] is State.CORRUPT


@pytest.mark.parametrize("changes", [{"source_sha256": "0" * 64}, {"preparer": PREPARER - 1}])
def test_stale_graph_is_not_used(
    folder: Path, catalogue: Catalogue, changes: dict[str, object]
) -> None:
    lay(folder, **changes)
    with pytest.raises(ModelMissing, match=r"another version of faceguard.*models pull face"):
        find_graph("face", catalogue=catalogue)


def test_manifest_that_is_none_is_corrupt(folder: Path, catalogue: Catalogue) -> None:
    lay(folder)
    (folder / "face.json").write_text("{")
    with pytest.raises(ModelCorrupt, match=r"face\.json: not a manifest"):
        find_graph("face", catalogue=catalogue)


def test_graph_without_manifest_is_not_ours(folder: Path, catalogue: Catalogue) -> None:
    (folder / "face.onnx").write_bytes(GRAPH)
    with pytest.raises(ModelMissing):
        find_graph("face", catalogue=catalogue)


def test_local_folder_comes_first_and_its_bad_file_hides_nothing(
    folder: Path, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = tmp_path / "stick"
    local.mkdir()
    monkeypatch.setenv("FACEGUARD_MODELS", str(local))
    (folder / "picture.png").write_bytes(SOURCE)
    (local / "picture.png").write_bytes(SOURCE)
    assert find_file("picture", catalogue=catalogue).parent == local
    (local / "picture.png").write_bytes(b"other")
    assert find_file("picture", catalogue=catalogue).parent == folder


def test_local_folder_that_is_none_is_told(
    folder: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEGUARD_MODELS", str(folder / "absent"))
    with pytest.raises(UsageError, match=r"FACEGUARD_MODELS=.*no such folder"):
        find_file("picture", catalogue=catalogue)


def test_sample_is_no_engine_and_unknown_is_unknown(folder: Path, catalogue: Catalogue) -> None:
    with pytest.raises(UsageError, match="picture is a sample"):
        find_graph("picture", catalogue=catalogue)
    with pytest.raises(ModelUnknown):
        find_file("nobody", catalogue=catalogue)


def test_where_the_store_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = store.SYSTEM_STORE
    assert store_folder() == folder
    assert search_folders() == [folder, system]
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert store_folder() == Path("/home/someone/.local/share/faceguard/models")
    monkeypatch.delenv("HOME")
    assert store_folder() == system
    monkeypatch.setenv("HOME", "/home/someone")
    system.mkdir()
    assert store_folder() == system
    assert search_folders() == [system]
