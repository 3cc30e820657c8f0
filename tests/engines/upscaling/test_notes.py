"""The lock on measuring: one at a time, and nobody waits for ever."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from pathlib import Path

import pytest

from faceguard.engines.upscaling.footprint import Key
from faceguard.engines.upscaling.notes import note_lock

KEY = Key(sha256="0" * 64, form="plain", runtime="some 1.0", threads=1, device="some")
LIMIT_S = 60.0


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "some.onnx"


def lock_of(graph: Path) -> Path:
    return graph.with_name(f".{graph.name}.memory.json.lock")


def test_who_comes_second_waits_until_the_first_has_ended(graph):
    inside: list[str] = []
    begun = threading.Event()

    def second() -> None:
        begun.set()
        with note_lock(graph, KEY, limit_s=LIMIT_S) as held:
            inside.append(f"second {held}")

    thread = threading.Thread(target=second)
    with note_lock(graph, KEY) as held:
        assert held
        thread.start()
        assert begun.wait(LIMIT_S)
        thread.join(0.3)
        inside.append("first")
    thread.join(LIMIT_S)
    assert inside == ["first", "second True"]
    assert not lock_of(graph).exists()


def test_a_lock_that_is_never_let_go_of_is_waited_for_so_long_only(graph, caplog):
    caplog.set_level(logging.WARNING)
    handle = os.open(lock_of(graph), os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with note_lock(graph, KEY, limit_s=0.2) as held:
            assert not held
        # It is the other's, who has it still.
        assert lock_of(graph).exists()
    finally:
        os.close(handle)
    assert "held by another process for too long" in caplog.text
    with note_lock(graph, KEY, limit_s=0.2) as held:
        assert held
    assert not lock_of(graph).exists()


def test_no_files_stay_open(graph):
    def files() -> int:
        return len([*Path("/proc/self/fd").iterdir()])

    before = files()
    handle = os.open(lock_of(graph), os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with note_lock(graph, KEY, limit_s=0.05):
        pass
    os.close(handle)
    with note_lock(graph, KEY):
        pass
    assert files() == before
