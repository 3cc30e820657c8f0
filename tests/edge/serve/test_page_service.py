"""The page as `faceguard serve` gives it out, with its real answers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image as Pillow

from tests.edge.outputs.waiting import until
from tests.edge.serve.browser import Browser
from tests.edge.serve.page_acts import STATE, TIMES, box, seen, text

pytestmark = pytest.mark.models
TOKEN = "a-token-for-tests-0123"  # noqa: S105 - of no worth
MODEL = "espcn-x2"
PATIENCE_S = 120.0


@contextmanager
def serving(place: Path, *options: str) -> Iterator[str]:
    """The address of `faceguard serve`, once it is ready."""
    command = [sys.executable, "-m", "faceguard.edge.cli", "serve", "--port", "0", *options]
    environment = {**os.environ, "FACEGUARD_SERVE_TOKEN": TOKEN}
    told = place / "serve.txt"
    with told.open("w") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    try:
        url = until(lambda: _ready(process, told), within_s=PATIENCE_S)
        yield f"{url}/"
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE_S)
        finally:
            process.kill()
            process.wait()


def _ready(process: subprocess.Popen[bytes], told: Path) -> str | None:
    """The address, once pictures are taken there."""
    assert process.poll() is None, told.read_text()
    found = re.search(r"http://\S+", told.read_text())
    try:
        is_ready = found and httpx.get(f"{found[0]}/healthz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return None
    return found[0] if found and is_ready else None


@pytest.fixture(scope="module")
def service(tmp_path_factory, engine_path) -> Iterator[str]:
    engine_path("yunet")
    engine_path(MODEL)
    place = tmp_path_factory.mktemp("serve")
    with serving(place, "--model", MODEL, "--max-upload", "4M", "--max-pixels", "2000000") as url:
        yield url


@pytest.fixture
def tab(browser: Browser, service: str) -> Browser:
    """The page, with the token given."""
    browser.open(service)
    browser.run(f"sessionStorage.setItem('token', {json.dumps(TOKEN)})")
    browser.open(f"{service}?")
    return browser


def work(tab: Browser, path: Path, *clicks: str) -> None:
    """Chooses a picture, clicks what is wished, and starts."""
    tab.give_file("#file", path)
    tab.until(f"{STATE} === 'chosen' && document.querySelector('#before').naturalWidth")
    for selector in clicks:
        tab.click(selector)
    tab.click("#go")


def done(tab: Browser) -> None:
    tab.until(
        f"{STATE} === 'done' || document.querySelector('#error').innerText", within_s=PATIENCE_S
    )
    assert text(tab, "#error") == ""


def test_a_face_is_covered_after_and_not_before(tab, service, sample_path, tmp_path):
    work(tab, sample_path("astronaut"))
    done(tab)
    assert text(tab, "#fact-faces") == "1 covered"
    assert text(tab, "#fact-after").startswith(f"512 {TIMES} 512, ")
    # Beyond the line, her face is flat; before it, it is as it was.
    left, top, right, _bottom = box(tab, "#pair")
    wide = right - left
    face = [round(value) for value in (left + 0.36 * wide, top + 0.15 * wide, left + 0.5 * wide)]
    rows = slice(face[1], face[1] + round(0.15 * wide))
    tab.run("document.querySelector('#at').focus()")
    edges = {}
    for key, name in (("End", "before"), ("Home", "after")):
        tab.press(key)
        shown = seen(tab, tmp_path / f"{name}.png")[rows, face[0] : face[2]]
        edges[name] = np.abs(np.diff(shown, axis=1)).mean()
    assert edges["after"] < edges["before"] / 2
    assert tab.complaints == []
    assert {one.partition("?")[0] for one in tab.requested if not one.startswith("blob:")} == {
        service,
        f"{service}v1/redact",
    }


def test_a_picture_is_enlarged_and_its_face_covered_first(tab, sample_path):
    work(tab, sample_path("astronaut"), "[name=do][value=enhance]", "[name=format][value=webp]")
    done(tab)
    assert text(tab, "#fact-faces") == "1 covered"
    assert text(tab, "#fact-after").startswith(f"1024 {TIMES} 1024, ")
    assert text(tab, "#fact-model") == f"2{TIMES}, {MODEL}"
    name = tab.run("document.querySelector('#download').download")
    assert name == "astronaut-redacted-x2.webp"
    assert tab.complaints == []


def test_orientation_is_that_of_the_original(tab, tmp_path):
    path = tmp_path / "turned.jpg"
    exif = Pillow.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Pillow.new("RGB", (120, 60), (90, 120, 60)).save(path, exif=exif)
    work(tab, path)
    done(tab)
    assert text(tab, "#fact-faces") == "None found"
    assert text(tab, "#fact-before").startswith(f"60 {TIMES} 120, ")
    assert text(tab, "#fact-after").startswith(f"60 {TIMES} 120, ")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("broken", "cannot take this picture"),
        ("pixels", "does not take a picture this large"),
        ("bytes", "the server takes 4.2 MB at most"),
    ],
)
def test_what_it_refuses_is_told(tab, tmp_path, kind, words):
    path = tmp_path / "picture.png"
    side = 2000 if kind == "pixels" else 64
    Pillow.new("RGB", (side, side), (9, 9, 9)).save(path)
    if kind == "broken":
        path.write_bytes(path.read_bytes()[:-40])
    if kind == "bytes":
        path.write_bytes(path.read_bytes() + bytes(5_000_000))
    tab.give_file("#file", path)
    tab.until(f"{STATE} === 'chosen'")
    tab.click("#go")
    tab.until(f"document.querySelector('#error').innerText.includes({json.dumps(words)})")


def test_without_the_token_it_is_asked_for_however_large_the_picture(browser, service, tmp_path):
    path = tmp_path / "noise.png"
    noise = np.random.default_rng(1).integers(0, 256, (1000, 1300, 3), np.uint8)
    Pillow.fromarray(noise).save(path)
    browser.open(service)
    browser.run("sessionStorage.clear()")
    browser.open(f"{service}?")
    work(browser, path)
    words = "asks for an access token"
    browser.until(f"document.querySelector('#error').innerText.includes({json.dumps(words)})")
