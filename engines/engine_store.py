"""Where built engines lie: one folder an engine, named by what it follows from.

``NAME-PRECISION-KEY/`` holds ``engine.engine`` (or ``engine.onnx``) and ``manifest.json``. The
folder appears under its name in one step, so an engine is there with its manifest or not at all.
What begins with a dot is the builder's own: drafts, locks, timing caches.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from faceguard.engines.errors import ModelError, UsageError
from faceguard.engines.machine import Machine
from faceguard.engines.manifest import (
    MANIFEST_NAME,
    BuiltFor,
    EngineManifest,
    check_whole,
    read_manifest,
)
from faceguard.engines.spec import Backend, Precision

SYSTEM_ENGINES = Path("/var/lib/faceguard/engines")

_KEY_DIGITS = 16
_FOLDER_NAME = re.compile(r".+-(fp32|fp16|int8)-[0-9a-f]{16}")


def engines_folder() -> Path:
    """Where builds are kept.

    FACEGUARD_ENGINES where that is set; ``$XDG_CACHE_HOME/faceguard/engines`` where that is; else
    the system's folder where it exists and can be written, as for the service; else
    ``~/.cache/faceguard/engines``.

    Raises:
        UsageError: FACEGUARD_ENGINES begins with the home of a user that is not there.
    """
    named = os.environ.get("FACEGUARD_ENGINES")
    if named:
        try:
            return Path(named).expanduser()
        except RuntimeError as error:
            raise UsageError(
                f"FACEGUARD_ENGINES={named}: no such user; mend it or unset it"
            ) from error
    cache_home = os.environ.get("XDG_CACHE_HOME")
    if cache_home:
        return Path(cache_home) / "faceguard" / "engines"
    # Not `Path.is_dir`: that one raises where a folder above is the service's own.
    if os.path.isdir(SYSTEM_ENGINES) and os.access(SYSTEM_ENGINES, os.W_OK):  # noqa: PTH112
        return SYSTEM_ENGINES
    home = os.environ.get("HOME")
    # A service user may have no home at all.
    return Path(home) / ".cache/faceguard/engines" if home else SYSTEM_ENGINES


def search_engines() -> list[Path]:
    """Where engines are looked for: the folder of one's own builds, then the system's."""
    return list(dict.fromkeys([engines_folder(), SYSTEM_ENGINES]))


def folder_name(name: str, precision: Precision, key: str) -> str:
    """The folder of an engine, within the store."""
    return f"{name}-{precision}-{key[:_KEY_DIGITS]}"


def engine_file(backend: Backend) -> str:
    """The name of an engine's file, within its folder."""
    return "engine.onnx" if backend == "onnx" else "engine.engine"


def find_built(
    name: str, precision: Precision, backend: Backend, key: str
) -> tuple[Path, EngineManifest] | None:
    """An engine that was built before from and for just the same; its hash is checked now.

    Returns:
        The engine's file and manifest, or None where there is none, or none that is sound.
    """
    for store in search_engines():
        engine = store / folder_name(name, precision, key) / engine_file(backend)
        try:
            if os.access(engine, os.R_OK) and (manifest := check_whole(engine)).key == key:
                return engine, manifest
        except ModelError:
            continue
    return None


@dataclass(frozen=True)
class Stored:
    """An engine in a store.

    Attributes:
        folder: Its folder.
        manifest: Its manifest; None where that cannot be read.
        wrong: Why it cannot be used here; None where it can.
        useless: Whether nobody misses it: it is damaged, or was built for this machine as it was
            before. What only lacks a package, a GPU or a right here is not, nor is what names the
            GPUs that it is for: these are elsewhere.
    """

    folder: Path
    manifest: EngineManifest | None
    wrong: str | None
    useless: bool


def stored_engines(machine: Machine) -> Iterator[Stored]:
    """All engines of all stores, sorted by folder; their hashes are checked."""
    for store in search_engines():
        try:
            folders = sorted(store.iterdir())
        except OSError:
            continue  # none was built there, or it is not for us
        for folder in folders:
            found = look_at(folder, machine)
            if found is not None:
                yield found


def look_at(folder: Path, machine: Machine) -> Stored | None:
    """An engine's folder; None where it is none.

    Args:
        folder: A folder in a store.
        machine: This one.
    """
    if folder.name.startswith("."):
        return None
    if os.path.isdir(folder) and not os.access(folder, os.R_OK | os.X_OK):  # noqa: PTH112
        ours = _FOLDER_NAME.fullmatch(folder.name)
        return Stored(folder, None, f"{folder}: {_CLOSED}", useless=False) if ours else None
    note = folder / MANIFEST_NAME
    # Not `Path.is_file`: that one raises where a folder above was closed meanwhile.
    if not os.path.isfile(note):  # noqa: PTH113
        return None
    manifest: EngineManifest | None = None
    try:
        if not os.access(note, os.R_OK):
            return Stored(folder, None, f"{note}: {_CLOSED}", useless=False)
        manifest = read_manifest(note)
        engine = folder / manifest.file
        if os.path.isfile(engine) and not os.access(engine, os.R_OK):  # noqa: PTH113
            return Stored(folder, manifest, f"{engine}: {_CLOSED}", useless=False)
        check_whole(engine)
    except ModelError as error:
        return Stored(folder, manifest, str(error), useless=True)
    return Stored(folder, manifest, manifest.misfit(machine), _is_stale(manifest, machine))


def _is_stale(manifest: EngineManifest, machine: Machine) -> bool:
    """Whether this machine built it, and has changed since."""
    if manifest.misfit(machine) is None or machine.gpu is None or manifest.built_for.targets:
        return False
    return BuiltFor.by(manifest.backend, machine).version is not None


_CLOSED = "is not readable for this user; run this as its owner"
