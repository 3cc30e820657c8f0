"""Nothing of ours talks to anyone, and no library that we load keeps a name for this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.edge.heat.traces import seconds_of, warming, written
from tests.engines.tools import NATIVE, compile_library

CAMERA = """
camera: {{kind: synthetic, frames: 40}}
metrics: {{port: 0}}
thermal: {{limit_c: 95, trip_margin_c: 0, emergency_c: 20, without_sensors: unlimited}}
outputs:
  recordings: {{folder: {place}/recordings}}
  snapshots: {{folder: {place}/snapshots}}
  mjpeg: {{port: 0}}
  rtsp: {{port: 0}}
  events: {{path: {place}/events.jsonl}}
  status: {{folder: {place}}}
"""


@pytest.fixture(scope="session")
def watch() -> Path:
    """A library that notes each name that is looked up and each address that is called."""
    return compile_library(NATIVE / "network_watch.c", "libnetwork_watch.so", "-ldl")


def run(watch: Path, place: Path, *command: str) -> list[str]:
    """Runs a program, which must end well; gives what it left in the cache and whom it called."""
    cache, noted = place / "cache", place / "calls"
    environment = {
        **os.environ,
        "LD_PRELOAD": str(watch),
        "NETWORK_WATCH": str(noted),
        "XDG_CACHE_HOME": str(cache),
        "FACEGUARD_ENGINES": str(place / "engines"),
    }
    # What the tests' own process has set shall not hide that a command sets it.
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    done = subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    left = [str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file()]
    # Lists of the plugins and of the fonts on this machine, which name nobody.
    left = [name for name in left if not name.startswith(("gstreamer-1.0/", "matplotlib/"))]
    return left + (noted.read_text().splitlines() if noted.exists() else [])


@pytest.mark.parametrize(
    ("call", "noted"),
    [
        ("socket.getaddrinfo('localhost', 1)", "getaddrinfo"),
        ("socket.socket().connect_ex(('127.0.0.1', 9))", "connect"),
        ("socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('127.0.0.1', 9))", "sendto"),
    ],
)
def test_the_watch_sees_a_call(watch: Path, tmp_path: Path, call: str, noted: str) -> None:
    assert noted in run(watch, tmp_path, "-W", "ignore", "-c", f"import socket; {call}")


@pytest.mark.models
@pytest.mark.parametrize(
    "words",
    [
        "models list",
        "doctor",
        "redact {picture} -o {place}/safe.png",
        "redact {video} -o {place}/safe.mp4",
        "enhance {picture} -o {place}/large.png",
        "convert-engine --model yunet --int8 --calibration {pictures} --backend onnx",
        "engines build",
        "config show --config {camera}",
        "check --config {camera}",
        "run --config {camera}",
        "selftest -o {place}/report.json --seconds 0.1 --backend onnx",
        "power",
        "thermal replay {trace}",
        "thermal plot {trace} -o {place}/heat.png",
    ],
    ids=lambda words: words.split()[0],
)
def test_a_command_is_silent(
    watch: Path,
    tmp_path: Path,
    words: str,
    engine_path: Callable[[str], Path],
    sample_path: Callable[[str], Path],
) -> None:
    engine_path("yunet")
    if words.startswith("enhance"):
        engine_path("espcn-x2")
    picture = sample_path("astronaut")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "one.png").write_bytes(picture.read_bytes())
    camera = tmp_path / "camera.yaml"
    camera.write_text(CAMERA.format(place=tmp_path))
    places = {
        "camera": camera,
        "picture": picture,
        "video": sample_path("carphone"),
        "place": tmp_path,
        "pictures": pictures,
        "trace": written(tmp_path / "heat.csv", seconds_of(warming(5))),
    }
    command = [word.format(**places) for word in words.split()]
    assert run(watch, tmp_path, "-m", "faceguard.edge.cli", *command) == []


@pytest.mark.parametrize("floor", ["edge", "convert", "engines"])
def test_every_floor_silences_onnx_runtime_when_it_is_imported(
    watch: Path, tmp_path: Path, floor: str
) -> None:
    code = f"import faceguard.{floor}, onnxruntime"
    assert run(watch, tmp_path, "-c", code) == []
