"""What tests of the service may ask for."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from faceguard.edge.service import logs
from faceguard.edge.service.scrub import SCRUBBER
from tests.edge.service.left import descriptors
from tests.edge.service.logged import URL


@pytest.fixture
def logs_put_back() -> Iterator[None]:
    """An address that no log may tell; afterwards all is as before, and nothing is left open."""
    SCRUBBER.add_address(URL)
    threads, open_before = threading.active_count(), descriptors()
    yield
    logs.put_back()
    assert threading.active_count() == threads
    assert descriptors() == open_before
