"""Folders are taken out of a text that is to be sent: they may tell names of people and places."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from faceguard.engines.engine_store import engines_folder
from faceguard.engines.store import store_folder

HIDDEN = ".../"

# Where a path may begin: not within a word, as in "images/s".
_BEGIN = re.compile(r"(?<![\w./])/(?=[^/\s])")
_FOLDERS = re.compile(r"/([^/\s:;,'\"]+)/(?:[^/\s:;,'\"]+/)*")
# No path that this machine has is longer.
_MOST_CHARACTERS = 4096


def without_paths(value: object, folders: Iterable[Path] = ()) -> object:
    """The same without folders in any text, names of files left.

    Folders that are there are known by that, so that spaces in their names do no harm; others by
    how they begin.

    Args:
        value: What JSON takes.
        folders: Further folders to hide that may not be there.
    """
    home = Path(os.environ.get("HOME") or "/")
    known = [engines_folder(), store_folder(), Path.cwd(), home, *map(Path.absolute, folders)]
    known += [Path(os.environ[name]) for name in _SETTINGS if os.environ.get(name)]
    words = {f"{folder}/" for folder in known if folder.name}
    # The longest first: one folder may lie in another.
    return _hidden(value, sorted(words, key=len, reverse=True))


_SETTINGS = ("FACEGUARD_MODELS", "FACEGUARD_ENGINES", "FACEGUARD_DATA", "TMPDIR")


def _hidden(value: object, folders: list[str]) -> object:
    if isinstance(value, dict):
        return {key: _hidden(inner, folders) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(inner, folders) for inner in value]
    if not isinstance(value, str):
        return value
    for folder in folders:
        value = value.replace(folder, HIDDEN)
    told, place = "", 0
    for begin in _BEGIN.finditer(value):
        start = begin.start()
        if start < place:
            continue
        end = _end_of_folder(value, start)
        if end > start:
            told += value[place:start] + HIDDEN
            place = end
    return told + value[place:]


def _end_of_folder(text: str, start: int) -> int:
    """Where the folders of a path end, behind their last slash; `start` where there is none."""
    end = start
    for slash in re.finditer("/", text[start + 1 : start + _MOST_CHARACTERS]):
        place = start + 1 + slash.start()
        if os.path.isdir(text[start:place]):  # noqa: PTH112 that one raises
            end = place + 1
    found = _FOLDERS.match(text, start)
    # The names of some models' layers look like paths, but begin with no folder of this machine.
    if found is not None and os.path.lexists(f"/{found[1]}"):
        end = max(end, found.end())
    return end
