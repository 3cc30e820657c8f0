"""The two configurations that ship: valid as they stand, and complete."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from faceguard.edge.config.camera import CsiCamera, V4l2Camera
from faceguard.edge.config.login import is_loopback
from faceguard.edge.config.read import read_config
from tests.conftest import ROOT
from tests.edge.config.configs import KINDS, all_keys, mentioned, switched_on

NAMES = ["orin-nano.yaml", "desktop.yaml"]


def shipped(name: str) -> str:
    return (ROOT / "configs" / name).read_text(encoding="utf-8")


def read(folder: Path, text: str):
    path = folder / "camera.yaml"
    path.write_text(text, encoding="utf-8")
    return read_config(path)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_valid_and_open_to_nobody_else(name: str) -> None:
    config = read_config(ROOT / "configs" / name)
    doors = (config.outputs.rtsp, config.outputs.mjpeg, config.metrics)
    assert all(is_loopback(part.host) for part in doors if part is not None)


def test_what_each_is_for() -> None:
    orin, desktop = (read_config(ROOT / "configs" / name) for name in NAMES)
    camera = orin.camera
    assert isinstance(camera, CsiCamera)
    assert (camera.width, camera.height, camera.rate) == (1280, 720, 30)
    assert orin.outputs.recordings is not None
    assert orin.outputs.recordings.folder == Path("/var/lib/faceguard/recordings")
    assert orin.outputs.rtsp is not None
    assert isinstance(desktop.camera, V4l2Camera)
    out = desktop.outputs
    assert None not in (out.rtsp, out.recordings, out.snapshots, out.mjpeg, out.events)


@pytest.mark.parametrize("name", NAMES)
def test_every_key_stands_in_it_and_no_other(name: str) -> None:
    keys = set(all_keys())
    assert len(keys) > 90
    assert keys - mentioned(shipped(name)) == set()
    assert mentioned(shipped(name)) - keys == set()


@pytest.mark.parametrize("name", NAMES)
def test_every_key_has_a_comment(name: str) -> None:
    """A comment above it, or above the keys that it stands among."""
    before = ""
    for line in shipped(name).splitlines():
        inner = line.replace("#", " ", 1) if line.startswith(("#  ", "  #  ")) else line
        key = switched_on(inner).strip()
        if key and not key.startswith("#"):
            assert before.strip(), f"{name}: nothing is said of {line!r}"
        before = inner


@pytest.mark.parametrize("name", NAMES)
def test_what_is_commented_out_is_valid(name: str, tmp_path: Path) -> None:
    lines = [
        line if line.lstrip(" #").startswith("password:") else switched_on(line)
        for line in shipped(name).splitlines()
        if not line.startswith("#")
    ]
    # Blocks hold keys that are commented out themselves.
    lines = [
        line if line.lstrip(" #").startswith("password:") else switched_on(line) for line in lines
    ]
    config = read(tmp_path, "\n".join(lines))
    out = config.outputs
    assert None not in (out.rtsp, out.recordings, out.snapshots, out.mjpeg, out.events)
    assert config.detector.score is not None


@pytest.mark.parametrize("name", NAMES)
def test_each_other_camera_is_valid_in_its_place(name: str, tmp_path: Path) -> None:
    text = shipped(name)
    _, _, rest = text.partition("\ncamera:\n")
    own, *blocks = rest.split("\n\n")
    others = [block for block in blocks if "\n#camera:" in block]
    kinds = {read_config(ROOT / "configs" / name).camera.kind}
    for block in others:
        on = "\n".join(switched_on(line) for line in block.splitlines())
        swapped = text.replace("camera:\n" + own, "").replace(block, on)
        kinds.add(read(tmp_path, swapped).camera.kind)
    assert len(kinds) == len(KINDS)


def test_they_ship_with_the_package() -> None:
    for name in NAMES:
        assert (resources.files("faceguard.configs") / name).is_file()
