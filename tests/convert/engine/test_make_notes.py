"""What a user should know of an engine is told when it is found, too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from faceguard.convert.engine.make import find_made
from tests.convert.engine.asking import ask, make


@pytest.mark.parametrize(
    ("build", "notes"),
    [
        ({"workspace_mb": 512.0, "workspace_wanted_mb": 512.0}, 0),
        ({"workspace_mb": 0.0, "workspace_wanted_mb": 0.0}, 0),
        ({}, 0),
        ({"workspace_mb": 80.5, "workspace_wanted_mb": 512.0}, 1),
    ],
)
@pytest.mark.parametrize("own", [False, True])
def test_that_memory_was_little_when_it_was_built(
    store: Path, small: Path, tmp_path: Path, build: dict[str, float], notes: int, own: bool
) -> None:
    """Plain TensorRT alone takes a workspace, and writes this down."""
    request = ask(small, out=tmp_path / "mine.onnx" if own else None)
    engine = make(request).engine
    note = engine.with_name("mine.onnx.json" if own else "manifest.json")
    note.write_text(json.dumps({**json.loads(note.read_text()), "build": build}))
    found = find_made(request)
    assert found is not None
    assert len(found.notes) == notes
    if notes:
        assert "a workspace of 80 MB in place of 512 MB; --force builds it anew" in found.notes[0]
