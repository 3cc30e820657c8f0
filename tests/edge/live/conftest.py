"""What tests of the running camera may ask for."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from faceguard.edge.live import connection
from faceguard.edge.outputs import worker
from tests.edge.live.house import until


@pytest.fixture
def no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    until(lambda: set(threading.enumerate()) <= before, "threads are left")


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch, no_thread_left: None) -> None:
    """No grace for cameras, and no thread left behind."""
    monkeypatch.setattr(connection, "_GRACE_S", 0.02)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch, no_grace: None) -> None:
    """Short pauses, and no thread left behind."""
    monkeypatch.setattr(worker, "_FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(worker, "_LONGEST_PAUSE_S", 0.05)
