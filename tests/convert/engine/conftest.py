"""A store of its own for each test, and a small graph to fill it."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from faceguard.convert.accuracy.golden import shipped_pictures
from tests.convert import graphs
from tests.convert.engine.asking import save


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "engines"
    monkeypatch.setenv("FACEGUARD_ENGINES", str(folder))
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Two convolutions and a sum."""
    return save(tmp_path, graphs.network())


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with two golden pictures."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for golden in shipped_pictures()[:2]:
        cv2.imwrite(str(folder / f"{golden.name}.png"), golden.pixels)
    return folder
