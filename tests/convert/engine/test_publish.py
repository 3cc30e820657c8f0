"""Engine and manifest appear together, or not at all; drafts of the dead go."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from faceguard.convert.engine import publish as publishing
from faceguard.convert.engine.locks import try_lock
from faceguard.convert.engine.publish import Draft, lock_build
from faceguard.engines.errors import BuildFailed, OutputError
from faceguard.engines.manifest import BuiltFor, EngineManifest, read_manifest

ELSEWHERE = "name another"


def manifest(file: str, key: str = "k") -> EngineManifest:
    return EngineManifest(
        name="m",
        key=key,
        backend="onnx",
        precision="fp16",
        file=file,
        bytes=3,
        sha256="0" * 64,
        source={"file": "m.onnx", "sha256": "1" * 64},
        graph_sha256="2" * 64,
        inputs=(),
        outputs=(),
        built_for=BuiltFor(),
        made="2026-01-01T00:00:00+00:00",
    )


def engine_in(draft: Draft) -> Path:
    return draft.folder / "engine.engine"


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_store_gets_a_folder_with_both_and_nothing_else(tmp_path: Path) -> None:
    with Draft(tmp_path, elsewhere=ELSEWHERE) as draft:
        engine_in(draft).write_bytes(b"new")
        (draft.folder / "graph.onnx").write_bytes(b"scrap")
        engine = draft.into_store(tmp_path / "m-fp16-k", manifest("engine.engine"))
    assert engine.read_bytes() == b"new"
    assert names(tmp_path) == {"m-fp16-k", "m-fp16-k/engine.engine", "m-fp16-k/manifest.json"}


def test_a_store_replaces_what_stood_there(tmp_path: Path) -> None:
    for data in (b"old", b"new"):
        with Draft(tmp_path, elsewhere=ELSEWHERE) as draft:
            engine_in(draft).write_bytes(data)
            engine = draft.into_store(tmp_path / "m", manifest("engine.engine"))
    assert engine.read_bytes() == b"new"
    assert names(tmp_path) == {"m", "m/engine.engine", "m/manifest.json"}


def test_a_file_gets_its_manifest_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "own.engine"
    for data, key in ((b"old", "1"), (b"new", "2")):
        with Draft(tmp_path, elsewhere=ELSEWHERE) as draft:
            engine_in(draft).write_bytes(data)
            draft.into_file(engine_in(draft), target, manifest("own.engine", key))
    assert target.read_bytes() == b"new"
    assert read_manifest(tmp_path / "own.engine.json").key == "2"
    assert names(tmp_path) == {"own.engine", "own.engine.json"}


def test_a_cut_between_engine_and_manifest_leaves_no_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "own.engine"
    with Draft(tmp_path, elsewhere=ELSEWHERE) as draft:
        engine_in(draft).write_bytes(b"old")
        draft.into_file(engine_in(draft), target, manifest("own.engine"))
    real = publishing.publish

    def cut(draft: Path, final: Path) -> None:
        if final.suffix == ".json":
            raise OSError(errno.ENOSPC, "full")
        real(draft, final)

    monkeypatch.setattr(publishing, "publish", cut)
    with Draft(tmp_path, elsewhere=ELSEWHERE) as draft:
        engine_in(draft).write_bytes(b"new")
        with pytest.raises(OutputError, match="disk is full"):
            draft.into_file(engine_in(draft), target, manifest("own.engine"))
    assert not (tmp_path / "own.engine.json").exists()


def test_an_unpublished_draft_leaves_nothing(tmp_path: Path) -> None:
    with Draft(tmp_path, elsewhere=ELSEWHERE) as draft:
        engine_in(draft).write_bytes(b"half")
    assert names(tmp_path) == set()


def test_a_draft_in_use_stays_and_one_of_the_dead_goes(tmp_path: Path) -> None:
    with Draft(tmp_path, elsewhere=ELSEWHERE) as first:
        dead = first.folder.with_name("1-dead")
        dead.mkdir()
        (dead / "engine.engine").write_bytes(b"half")
        with Draft(tmp_path, elsewhere=ELSEWHERE) as second:
            assert first.folder.is_dir()
            assert second.folder.is_dir()
            assert not dead.exists()
    assert names(tmp_path) == set()


_MANY = """
import sys
from pathlib import Path
from faceguard.convert.engine.publish import Draft
for turn in range(60):
    with Draft(Path(sys.argv[1]), elsewhere="") as draft:
        (draft.folder / "e").write_bytes(b"x" * 100)
        assert (draft.folder / "e").is_file()
"""


def test_many_builds_at_once_never_take_one_anothers_drafts(tmp_path: Path) -> None:
    children = [
        subprocess.Popen([sys.executable, "-c", _MANY, str(tmp_path)], stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for child in children:
        _, error = child.communicate(timeout=120)
        assert child.returncode == 0, error.decode()
    assert names(tmp_path) == set()


_LOCK = """
import sys, time
from pathlib import Path
from faceguard.convert.engine.locks import try_lock
place = Path(sys.argv[1])
for turn in range(400):
    while (lock := try_lock(place / "locks" / "a.lock")) is None:
        time.sleep(0.001)
    with lock:
        (place / "inside").mkdir()  # fails where another is inside
        (place / "inside").rmdir()
"""


def test_a_lock_whose_file_goes_and_comes_lets_one_in_at_a_time(tmp_path: Path) -> None:
    children = [
        subprocess.Popen([sys.executable, "-c", _LOCK, str(tmp_path)], stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    for child in children:
        _, error = child.communicate(timeout=120)
        assert child.returncode == 0, error.decode()
    assert names(tmp_path) == set()


def test_locks_of_the_dead_go_too(tmp_path: Path) -> None:
    dead = tmp_path / ".faceguard-drafts" / "other-fp16-k.lock"
    dead.parent.mkdir()
    dead.touch()
    with (
        lock_build(tmp_path, "m", say=lambda _: None, limit_s=1),
        Draft(tmp_path, elsewhere=ELSEWHERE),
    ):
        assert not dead.exists()
        assert try_lock(dead.with_name("m.lock")) is None
    assert names(tmp_path) == set()


def test_a_folder_that_cannot_be_written() -> None:
    # Not even root makes a folder there.
    with pytest.raises(OutputError, match=f"cannot be written .*{ELSEWHERE}"):
        Draft(Path("/proc/faceguard"), elsewhere=ELSEWHERE)


def test_a_place_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(OutputError, match=f"cannot be written .*{ELSEWHERE}"):
        Draft(tmp_path / "store", elsewhere=ELSEWHERE)


def _hold(store: str, ready: "multiprocessing.synchronize.Event") -> None:
    with lock_build(Path(store), "m", say=lambda _: None, limit_s=10):
        ready.set()
        time.sleep(60)


def test_a_second_build_waits_and_the_lock_goes_with_its_holder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    holder = context.Process(target=_hold, args=(str(tmp_path), ready))
    holder.start()
    said: list[str] = []
    try:
        assert ready.wait(30)
        with pytest.raises(BuildFailed, match=r"not done after 3 s"):
            lock_build(tmp_path, "m", say=said.append, limit_s=3)
        assert said
        assert "waiting for it" in said[0]
        assert holder.pid is not None
        os.kill(holder.pid, signal.SIGKILL)
        holder.join(10)
        with lock_build(tmp_path, "m", say=said.append, limit_s=10):
            assert try_lock(tmp_path / ".faceguard-drafts" / "m.lock") is None
        assert names(tmp_path) == set()
    finally:
        holder.kill()
        holder.join()
        holder.close()
