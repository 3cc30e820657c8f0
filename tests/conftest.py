"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data() -> Path:
    """The larger data set, or a skip that says how to name it."""
    folder = Path(os.environ.get("FACEGUARD_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"the larger data set is not at {folder}; set FACEGUARD_DATA")
    return folder
