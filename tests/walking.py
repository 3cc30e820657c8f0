"""The files of a folder that somebody else writes in and tidies meanwhile."""

from __future__ import annotations

import os
from pathlib import Path


def files_in(folder: Path, suffix: str = "") -> list[Path]:
    """All files below, sorted; a folder that goes while one looks is an empty one.

    Not Path.rglob: until Python 3.13 it raises FileNotFoundError when a folder that it has seen
    is gone as it enters it, which is what retention does to the folder of an old day.
    """
    return sorted(
        Path(place, name)
        for place, _, names in os.walk(folder)
        for name in names
        if name.endswith(suffix)
    )
