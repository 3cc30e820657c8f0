"""Where engines lie, and finding the one that is wanted."""

import os
from pathlib import Path

import pytest

from faceguard.engines import engine_store
from faceguard.engines.engine_store import (
    engines_folder,
    find_built,
    folder_name,
    stored_engines,
)
from faceguard.engines.errors import UsageError
from faceguard.engines.machine import Gpu, Machine
from faceguard.engines.manifest import BuiltFor, EngineManifest
from faceguard.engines.spec import Precision
from faceguard.engines.store import sha256_of

BARE = Machine(no_gpu="none")
KEY = "ab" * 32


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FACEGUARD_ENGINES", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(engine_store, "SYSTEM_ENGINES", tmp_path / "system")


def found(precision: Precision, key: str) -> Path | None:
    built = find_built("yunet", precision, "onnx", key)
    return None if built is None else built[0]


def put(store: Path, *, backend: str = "onnx", data: bytes = b"graph", key: str = KEY) -> Path:
    folder = store / folder_name("yunet", "fp16", key)
    folder.mkdir(parents=True)
    engine = folder / ("engine.onnx" if backend == "onnx" else "engine.engine")
    engine.write_bytes(data)
    manifest = EngineManifest(
        name="yunet",
        key=key,
        backend=backend,
        precision="fp16",
        file=engine.name,
        bytes=len(data),
        sha256=sha256_of(engine),
        source={},
        graph_sha256="0" * 64,
        inputs=(),
        outputs=(),
        built_for=BuiltFor(version="10.3.0") if backend == "tensorrt" else BuiltFor(),
        made="2026-01-01T00:00:00+00:00",
    )
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return engine


def test_the_folder_of_ones_own_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert engines_folder() == tmp_path / "cache/faceguard/engines"
    monkeypatch.setenv("FACEGUARD_ENGINES", str(tmp_path / "named"))
    assert engines_folder() == tmp_path / "named"
    monkeypatch.delenv("FACEGUARD_ENGINES")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert engines_folder() == tmp_path / "home/.cache/faceguard/engines"
    (tmp_path / "system").mkdir()
    assert engines_folder() == tmp_path / "system"


def test_a_service_without_a_home_takes_the_system_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME")
    assert engines_folder() == tmp_path / "system"


def test_an_engine_is_found_in_either_store(tmp_path: Path) -> None:
    system = put(tmp_path / "system")
    assert found("fp16", KEY) == system
    own = put(engines_folder())
    assert found("fp16", KEY) == own
    assert found("fp32", KEY) is None
    assert found("fp16", "cd" * 32) is None


def test_a_damaged_one_does_not_hide_a_sound_one(tmp_path: Path) -> None:
    system = put(tmp_path / "system")
    put(engines_folder()).write_bytes(b"grap")
    assert found("fp16", KEY) == system
    system.write_bytes(b"")
    assert found("fp16", KEY) is None


def test_two_keys_that_begin_alike_are_two_engines() -> None:
    put(engines_folder())
    assert found("fp16", KEY[:16] + "0" * 48) is None


def test_all_engines_are_listed_with_what_is_wrong() -> None:
    put(engines_folder())
    put(engines_folder(), backend="tensorrt", key="cd" * 32)
    put(engines_folder(), key="ef" * 32).write_bytes(b"")
    broken = engines_folder() / "broken"
    broken.mkdir()
    (broken / "manifest.json").write_text("{")
    (engines_folder() / ".locks").mkdir()
    wrong = {stored.folder.name: stored.wrong for stored in stored_engines(BARE)}
    assert wrong[folder_name("yunet", "fp16", KEY)] is None
    assert "which is not installed" in str(wrong[folder_name("yunet", "fp16", "cd" * 32)])
    assert "sha256" in str(wrong[folder_name("yunet", "fp16", "ef" * 32)])
    assert "not a manifest" in str(wrong["broken"])
    assert len(wrong) == 4


def test_no_store_yet_lists_nothing() -> None:
    assert list(stored_engines(BARE)) == []


def test_a_file_in_place_of_the_store_lists_nothing() -> None:
    engines_folder().parent.mkdir(parents=True)
    engines_folder().write_text("mine")
    assert list(stored_engines(BARE)) == []


def test_a_home_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEGUARD_ENGINES", "~nosuchuser/engines")
    with pytest.raises(UsageError, match="~nosuchuser/engines: no such user; mend it or unset it"):
        engines_folder()


ORIN = Gpu("Orin", (8, 7), 8 << 30, integrated=True)


@pytest.mark.parametrize(
    ("machine", "useless"),
    [
        (BARE, False),
        (Machine(no_gpu="none", tensorrt="10.3.0"), False),
        (Machine(gpu=ORIN), False),
        (Machine(gpu=ORIN, tensorrt="10.9.0"), True),
    ],
)
def test_only_what_this_machine_itself_outgrew_is_useless(machine: Machine, useless: bool) -> None:
    """Not what lacks the package in this environment, or a GPU whose driver hangs."""
    put(engines_folder(), backend="tensorrt")
    (stored,) = stored_engines(machine)
    assert stored.wrong is not None
    assert stored.useless == useless


@pytest.mark.parametrize("version", ["10.3.0", "10.9.0"])
def test_what_names_its_gpus_is_for_machines_elsewhere(version: str) -> None:
    engine = put(engines_folder(), backend="tensorrt")
    note = engine.with_name("manifest.json")
    targets = BuiltFor(version="10.3.0", targets=("sm86",))
    manifest = EngineManifest.model_validate_json(note.read_bytes())
    manifest = manifest.model_copy(update={"backend": "tensorrt-rtx", "built_for": targets})
    note.write_text(manifest.model_dump_json())
    machine = Machine(gpu=ORIN, tensorrt_rtx=version)
    (stored,) = stored_engines(machine)
    assert (stored.wrong is None, stored.useless) == (False, False)
    engine.write_bytes(b"half")
    (stored,) = stored_engines(machine)
    assert stored.useless


@pytest.mark.parametrize("closed", ["folder", "manifest.json", "engine.onnx"])
def test_what_is_closed_to_this_user_is_told_and_not_useless(
    closed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = put(engines_folder())
    place = engine.parent if closed == "folder" else engine.with_name(closed)
    place.chmod(0)
    try:
        if os.geteuid() == 0:
            # Root may look anywhere; as somebody else would be answered:
            real = os.access
            monkeypatch.setattr(
                engine_store.os, "access", lambda path, mode: path != place and real(path, mode)
            )
        (stored,) = stored_engines(BARE)
    finally:
        place.chmod(0o755)
    assert stored.wrong == f"{place}: is not readable for this user; run this as its owner"
    assert not stored.useless


def test_a_closed_folder_that_is_none_of_ours_is_left_out() -> None:
    letters = engines_folder() / "letters"
    letters.mkdir(parents=True)
    letters.chmod(0)
    try:
        assert list(stored_engines(BARE)) == []
    finally:
        letters.chmod(0o755)
