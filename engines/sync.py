"""Onto the disk: what was written stays after a cut of power."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def sync(path: Path) -> None:
    """Puts a file's bytes, or a folder's names, on the disk.

    Raises:
        OSError: From the system; some network file systems cannot sync a folder.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
