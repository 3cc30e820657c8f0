"""Models and samples: which are here and whole, and the folder that pulls go to."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from faceguard.edge.doctor.finding import Finding, State
from faceguard.edge.doctor.machine import disk_space, nearest
from faceguard.engines.errors import UsageError

if TYPE_CHECKING:
    from faceguard.engines.catalogue import Catalogue, Entry


def check_models() -> list[Finding]:
    """Every entry of the catalogue, its hash checked now; only the default one is needed."""
    # Here and not above: these want packages that may be what is missing.
    from faceguard.engines.catalogue import read_catalogue
    from faceguard.engines.store import search_folders

    try:
        search_folders()
    except UsageError:
        detail = "FACEGUARD_MODELS names no folder"
        return [Finding("models", State.MISSING, detail, "unset FACEGUARD_MODELS, or correct it")]
    try:
        catalogue = read_catalogue()
    except UsageError as error:
        named = "FACEGUARD_CATALOGUE" in os.environ
        mend = "unset FACEGUARD_CATALOGUE, or correct the file" if named else None
        return [Finding("models", State.MISSING, str(error), mend)]
    return [_judge(entry, catalogue) for entry in catalogue.entries.values()]


def check_store() -> list[Finding]:
    """Whether models can be pulled to this machine, and how much fits."""
    from faceguard.engines.store import store_folder

    folder = store_folder()
    place = nearest(folder)
    effective = os.access in os.supports_effective_ids
    if os.access(place, os.W_OK | os.X_OK, effective_ids=effective):
        store = Finding("model store", State.OK, f"{folder} can be written")
    else:
        mend = "set XDG_DATA_HOME to a folder that can be written"
        store = Finding("model store", State.NOTE, f"{folder} cannot be written", mend)
    return [store, disk_space("disk of the models", folder)]


def check_working_folder() -> list[Finding]:
    """How much room there is where one stands, which is where outputs mostly go."""
    return [disk_space("disk of this folder", Path.cwd())]


def _judge(entry: Entry, catalogue: Catalogue) -> Finding:
    from faceguard.engines import store

    default = entry.name == catalogue.default
    name = f"{entry.kind} {entry.name}"
    state, told = store.state_of(entry, catalogue)
    if state is store.State.READY:
        return Finding(name, State.OK, "ready, the default" if default else "ready")
    # The message ends with the mend, which has a place of its own here.
    why = re.split(r":? (?:run )?`faceguard ", told)[0].rstrip(": ")
    detail = f"corrupt: {why}" if state is store.State.CORRUPT else why
    lacking = State.MISSING if default else State.NOTE
    return Finding(name, lacking, detail, f"faceguard models pull {entry.name}")
