"""What every test may ask for."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from benchmarks.parts.truth import data_folder
from faceguard.engines.errors import ModelMissing
from faceguard.engines.store import find_file, find_graph

ROOT = Path(__file__).resolve().parent.parent

# Tests never time. The rest is as Hypothesis chose: where CI is set, the same examples each time.
settings.register_profile("untimed", settings(), deadline=None)
settings.load_profile("untimed")


# A shell lets what it starts with `&` ignore Ctrl-C, and children inherit that; some tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def data() -> Path:
    """The larger data set, or a skip that says how to name it."""
    folder = data_folder()
    if folder is None:
        pytest.skip("the larger data set is not here; FACEGUARD_DATA names its folder")
    return folder


@pytest.fixture(scope="session")
def engine_path() -> Callable[[str], Path]:
    """Gives a model's prepared graph by name, or a skip that says how to get it."""

    def find(name: str) -> Path:
        try:
            return find_graph(name)
        except ModelMissing as error:
            pytest.skip(str(error))

    return find


@pytest.fixture(scope="session")
def sample_path() -> Callable[[str], Path]:
    """Gives a sample picture or video by name, or a skip that says how to get it."""

    def find(name: str) -> Path:
        try:
            return find_file(name)
        except ModelMissing as error:
            pytest.skip(str(error))

    return find
