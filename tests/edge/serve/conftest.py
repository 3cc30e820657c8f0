"""What tests of the service's page may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge.serve.browser import Browser, find
from tests.edge.serve.page_acts import BEFORE_PX, RED, png
from tests.edge.serve.page_server import PageServer


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A browser that tests share, or a skip that says what is missing."""
    program = find()
    if program is None:
        pytest.skip("no Chromium is here: apt install chromium-headless-shell, or chromium")
    with Browser(program) as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """The browser as if it were new."""
    chromium.complaints.clear()
    chromium.requested.clear()
    chromium.resize(1280, 900)
    # Else a page that is still scrolling smoothly would be clicked beside what was meant.
    chromium.prefer({"prefers-reduced-motion": "reduce"})
    yield chromium
    chromium.call("Page.navigate", url="about:blank")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """One to choose: all red."""
    path = tmp_path / "holiday.png"
    path.write_bytes(png(BEFORE_PX, RED))
    return path


@pytest.fixture
def server() -> Iterator[PageServer]:
    """A server whose answers the test chooses."""
    with PageServer() as server:
        yield server
