"""What every test may ask for."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from benchmarks.parts.truth import data_folder
from faceguard.engines.catalogue import read_catalogue
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
def engine_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """Gives a model's prepared graph by name, or a skip that says how to get it.

    A model that was not pulled is made from its file in the larger data set, if that has it. From
    then on it is found by name in all tests, and by their children.
    """
    home = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:

        def find(name: str) -> Path:
            try:
                return find_graph(name)
            except ModelMissing as error:
                store = make_from_data(name, home)
                # Where a user or a test has named another folder, that one stays.
                if store is None or os.environ.get("FACEGUARD_MODELS", str(store)) != str(store):
                    pytest.skip(str(error))
                patch.setenv("FACEGUARD_MODELS", str(store))
            return find_graph(name)

        yield find


def make_from_data(name: str, home: Path) -> Path | None:
    """Makes a model whose file lies in the larger data set; the folder that its graph is in."""
    folder = data_folder()
    catalogue = read_catalogue()
    entry = catalogue.entry(name)
    sources = folder / "models" / "sr" if folder else home
    if not (sources / entry.file).is_file():
        return None
    # Only here: few tests need it.
    from faceguard.convert.pull.puller import Puller

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACEGUARD_MODELS", str(sources))
        patch.setenv("XDG_DATA_HOME", str(home))
        with Puller(catalogue, say=lambda _: None) as puller:
            puller.pull(entry)
    return home / "faceguard" / "models"


@pytest.fixture(scope="session")
def sample_path() -> Callable[[str], Path]:
    """Gives a sample picture or video by name, or a skip that says how to get it."""

    def find(name: str) -> Path:
        try:
            return find_file(name)
        except ModelMissing as error:
            pytest.skip(str(error))

    return find
