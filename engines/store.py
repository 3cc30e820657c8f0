"""Where models lie on this machine, and whether they still are what the catalogue says.

A store is one flat folder: the files as they were fetched, and beside each model ``NAME.onnx``,
the graph that a runtime loads, with ``NAME.json``, which says what it was made from. A model that
the catalogue calls rewritten has ``NAME.rewritten.onnx`` too: the same network, computed in another
way. Hashes guard against truncation, bad disks and mix-ups; they do not guard against someone who
may write there.
"""

from __future__ import annotations

import enum
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from faceguard.engines.catalogue import Catalogue, Entry, read_catalogue
from faceguard.engines.errors import ModelCorrupt, ModelError, ModelMissing, UsageError

PREPARER = 1
"""Raised by one with each change of `faceguard.convert.pull.prepare`; graphs are then made anew."""

SYSTEM_STORE = Path("/var/lib/faceguard/models")

_CHUNK_BYTES = 1 << 20


class State(str, enum.Enum):
    """What can be said of an entry on this machine."""

    READY = "ready"
    MISSING = "missing"
    CORRUPT = "corrupt"


class Manifest(BaseModel):
    """What a prepared graph was made from.

    Attributes:
        name: The model's name.
        source_sha256: Hash of the file that it was made from.
        sha256: Hash of the graph itself.
        rewritten_sha256: Hash of the rewritten graph, where there is one.
        preparer: The `PREPARER` that made it.
        tools: Versions of the packages that took part, for people.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    source_sha256: str
    sha256: str
    preparer: int
    tools: dict[str, str] = {}
    rewritten_sha256: str | None = None


def store_folder() -> Path:
    """Where pulls are kept.

    ``$XDG_DATA_HOME/faceguard/models`` where that is set; else the system's store where it exists
    and can be written, as on an appliance; else ``~/.local/share/faceguard/models``.
    """
    data_home = os.environ.get("XDG_DATA_HOME")
    if data_home:
        return Path(data_home) / "faceguard" / "models"
    # Not `Path.is_dir`: that one raises where a folder above is the service's own.
    if os.path.isdir(SYSTEM_STORE) and os.access(SYSTEM_STORE, os.W_OK):  # noqa: PTH112
        return SYSTEM_STORE
    home = os.environ.get("HOME")
    # A service user may have no home at all.
    return Path(home) / ".local/share/faceguard/models" if home else SYSTEM_STORE


def search_folders() -> list[Path]:
    """Where files are looked for, in this order: FACEGUARD_MODELS, the store, the system's store.

    Raises:
        UsageError: FACEGUARD_MODELS names no folder.
    """
    folders = []
    local = os.environ.get("FACEGUARD_MODELS")
    if local:
        try:
            folders.append(Path(local).expanduser())
        except RuntimeError as error:
            raise UsageError(
                f"FACEGUARD_MODELS={local}: no such user; mend it or unset it"
            ) from error
        # Not `Path.is_dir`: that one raises where a folder above is closed to us.
        if not os.path.isdir(folders[0]):  # noqa: PTH112
            raise UsageError(f"FACEGUARD_MODELS={local}: no such folder; mend it or unset it")
    return list(dict.fromkeys([*folders, store_folder(), SYSTEM_STORE]))


def find_graph(name: str, *, catalogue: Catalogue | None = None, rewritten: bool = False) -> Path:
    """The graph that a runtime loads for a model, its hash checked now.

    Args:
        name: The model's name in the catalogue.
        catalogue: The catalogue; None reads the usual one.
        rewritten: Whether to give the rewritten graph: the same inputs, outputs and results, with
            fewer multiplications and more memory.

    Raises:
        ModelUnknown: The catalogue has no such name.
        ModelMissing: It was not pulled, or was made by another version of faceguard.
        ModelCorrupt: Its bytes are not those that were written.
        UsageError: The name belongs to a sample or to a model of one graph only, or a setting is
            wrong.
    """
    entry = (catalogue or read_catalogue()).entry(name)
    if entry.kind != "model":
        raise UsageError(
            f"{name} is a {entry.kind}, not a model; `faceguard models list` shows all"
        )
    if rewritten and not entry.is_rewritten:
        raise UsageError(f"{name} has no rewritten graph; use its plain one")
    return _first_good(entry, lambda folder: _graph_in(entry, folder, rewritten=rewritten))


def find_file(name: str, *, catalogue: Catalogue | None = None) -> Path:
    """A sample, or the file that a model was made from, its hash checked now.

    Args:
        name: The entry's name in the catalogue.
        catalogue: The catalogue; None reads the usual one.

    Raises:
        ModelUnknown: The catalogue has no such name.
        ModelMissing: It was not pulled.
        ModelCorrupt: Its bytes are not the ones that the catalogue names.
    """
    entry = (catalogue or read_catalogue()).entry(name)
    return _first_good(entry, lambda folder: _file_in(entry, folder))


def state_of(entry: Entry, catalogue: Catalogue) -> tuple[State, str]:
    """Looks an entry over.

    A model is ready when its graphs are; a damaged source file beside them makes it corrupt, a
    missing one does not matter.

    Returns:
        The state, and the place of the file or what is wrong.
    """
    try:
        if entry.kind == "sample":
            return State.READY, str(find_file(entry.name, catalogue=catalogue))
        engine = find_graph(entry.name, catalogue=catalogue)
        if entry.is_rewritten:
            find_graph(entry.name, catalogue=catalogue, rewritten=True)
    except ModelCorrupt as error:
        return State.CORRUPT, str(error)
    except ModelMissing as error:
        return State.MISSING, str(error)
    try:
        find_file(entry.name, catalogue=catalogue)
    except ModelCorrupt as error:
        return State.CORRUPT, str(error)
    except ModelMissing:
        pass
    return State.READY, str(engine)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _first_good(entry: Entry, look: Callable[[Path], Path | None]) -> Path:
    """The first folder's answer; a bad file in one folder does not hide a good one in the next."""
    wrong: ModelError | None = None
    for folder in search_folders():
        found = _attempt(entry, look, folder)
        if isinstance(found, Path):
            return found
        wrong = wrong or found
    raise wrong or ModelMissing(
        f"{entry.name} is not on this machine: run `faceguard models pull {entry.name}`"
    )


def _attempt(
    entry: Entry, look: Callable[[Path], Path | None], folder: Path
) -> Path | ModelError | None:
    try:
        return look(folder)
    except ModelError as error:
        return error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return ModelCorrupt(f"{entry.name}: {error.filename or folder} cannot be read: {reason}")


def _graph_in(entry: Entry, folder: Path, *, rewritten: bool) -> Path | None:
    graph = folder / f"{entry.name}{'.rewritten' if rewritten else ''}.onnx"
    note = folder / f"{entry.name}.json"
    if not (note.is_file() and (rewritten or graph.is_file())):
        return None
    try:
        manifest = Manifest.model_validate_json(note.read_bytes())
    except ValidationError as error:
        raise ModelCorrupt(f"{note}: not a manifest: {_mend(entry)}") from error
    if (manifest.source_sha256, manifest.preparer) != (entry.sha256, PREPARER):
        raise ModelMissing(f"{graph}: made by or for another version of faceguard: {_mend(entry)}")
    want = manifest.rewritten_sha256 if rewritten else manifest.sha256
    if want is None or not graph.is_file():
        raise ModelMissing(f"{graph}: not made yet: {_mend(entry)}")
    _check_hash(graph, want, "its manifest", entry)
    return graph


def _file_in(entry: Entry, folder: Path) -> Path | None:
    path = folder / entry.file
    if not path.is_file():
        return None
    _check_hash(path, entry.sha256, "the catalogue", entry)
    return path


def _check_hash(path: Path, want: str, says: str, entry: Entry) -> None:
    have = sha256_of(path)
    if have != want:
        raise ModelCorrupt(
            f"{path}: sha256 is {have[:12]}..., {says} says {want[:12]}...: {_mend(entry)}"
        )


def _mend(entry: Entry) -> str:
    return f"`faceguard models pull {entry.name}` mends it"
