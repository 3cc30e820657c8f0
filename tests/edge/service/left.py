"""What a process holds, to be compared before and after."""

from __future__ import annotations

from pathlib import Path


def descriptors() -> set[str]:
    """Numbers of the open file descriptors."""
    return {path.name for path in Path("/proc/self/fd").iterdir()}
