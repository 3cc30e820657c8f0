"""What tests of the page do in the browser, and what they see there."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from tests.edge.serve.browser import Browser
from tests.edge.serve.page_server import Answer, PageServer

TIMES = "\N{MULTIPLICATION SIGN}"
RED, GREEN = (200, 30, 30), (30, 160, 60)
BEFORE_PX, AFTER_PX = (90, 60), (180, 120)
STATE = "document.body.dataset.state"


def png(size: tuple[int, int], colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Pillow.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


RESULT = png(AFTER_PX, GREEN)
DONE = Answer(
    200,
    RESULT,
    {
        "Faceguard-Faces": "2",
        "Faceguard-Scale": "2",
        "Faceguard-Model": "espcn-x2",
        "Faceguard-Seconds": "0.314",
    },
)


def choose(browser: Browser, server: PageServer, path: Path) -> None:
    browser.open(server.url)
    browser.give_file("#file", path)
    browser.until(f"{STATE} === 'chosen' && document.querySelector('#before').naturalWidth")


def finish(browser: Browser, server: PageServer, path: Path) -> None:
    server.answers = [DONE]
    choose(browser, server, path)
    browser.settle()
    browser.click("#go")
    if browser.run(f"{STATE} === 'chosen'"):
        # The page moved just then, and the click went beside it.
        browser.settle()
        browser.click("#go")
    browser.until(f"{STATE} === 'done'")


def text(browser: Browser, selector: str) -> str:
    return browser.run(f"document.querySelector('{selector}').innerText")


def box(browser: Browser, selector: str) -> list[float]:
    return browser.run(
        f"(b => [b.left, b.top, b.right, b.bottom])"
        f"(document.querySelector('{selector}').getBoundingClientRect())"
    )


def seen(browser: Browser, path: Path) -> np.ndarray:
    """What the window shows, as RGB."""
    return np.asarray(Pillow.open(browser.screenshot(path)).convert("RGB")).astype(int)


def shows(browser: Browser, path: Path) -> tuple[float, float]:
    """Where red ends and green begins, in parts of the picture's width."""
    left, top, right, bottom = box(browser, "#pair")
    row = seen(browser, path)[round(top + (bottom - top) * 0.8), round(left) : round(right)]
    red = np.abs(row - RED).sum(axis=1) < 24
    green = np.abs(row - GREEN).sum(axis=1) < 24
    # All but the line between them is one of both.
    assert np.count_nonzero(red | green) >= len(row) - 8
    if red.any() and green.any():
        assert np.flatnonzero(red).max() < np.flatnonzero(green).min()
    return red.mean(), green.mean()
