"""Where built engines lie: one folder an engine, named by what it follows from.

``NAME-PRECISION-KEY/`` holds ``engine.engine`` (or ``engine.onnx``) and ``manifest.json``. The
folder appears under its name in one step, so an engine is there with its manifest or not at all.
What begins with a dot is the builder's own: drafts, locks, timing caches.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from faceguard.engines.errors import ModelError
from faceguard.engines.machine import Machine
from faceguard.engines.manifest import MANIFEST_NAME, EngineManifest, check_whole, read_manifest
from faceguard.engines.spec import Backend, Precision

SYSTEM_ENGINES = Path("/var/lib/faceguard/engines")

_KEY_DIGITS = 16


def engines_folder() -> Path:
    """Where builds are kept.

    FACEGUARD_ENGINES where that is set; ``$XDG_CACHE_HOME/faceguard/engines`` where that is; else
    the system's folder where it exists and can be written, as for the service; else
    ``~/.cache/faceguard/engines``.
    """
    named = os.environ.get("FACEGUARD_ENGINES")
    if named:
        return Path(named).expanduser()
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
    """

    folder: Path
    manifest: EngineManifest | None
    wrong: str | None


def stored_engines(machine: Machine) -> Iterator[Stored]:
    """All engines of all stores, sorted by folder; their hashes are checked."""
    for store in search_engines():
        if not os.access(store, os.R_OK | os.X_OK):
            continue
        for folder in sorted(store.iterdir()):
            if folder.name.startswith(".") or not (folder / MANIFEST_NAME).is_file():
                continue
            manifest: EngineManifest | None = None
            wrong: str | None = None
            try:
                manifest = read_manifest(folder / MANIFEST_NAME)
                wrong = manifest.misfit(machine)
                if wrong is None:
                    check_whole(folder / manifest.file)
            except ModelError as error:
                wrong = str(error)
            yield Stored(folder, manifest, wrong)
