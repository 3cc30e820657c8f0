"""What tests of the running camera may ask for."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.edge.live.house import until


@pytest.fixture
def no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    until(lambda: set(threading.enumerate()) <= before, "threads are left")
