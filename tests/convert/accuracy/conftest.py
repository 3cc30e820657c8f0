"""What a graph makes of a gate's pictures, written beside the test."""

from collections.abc import Callable
from pathlib import Path

import pytest

from faceguard.convert.accuracy.gate import Gate
from faceguard.convert.accuracy.reference import Reference
from faceguard.engines.runtime import Runtime


@pytest.fixture
def reference_of(tmp_path: Path) -> Callable[..., Reference]:
    def get(found: Gate, graph: Runtime) -> Reference:
        return Reference.of(found.looker, graph, found.pictures, tmp_path, name="m")

    return get
