"""Which Jetson Linux (L4T) a machine runs."""

from __future__ import annotations

import re
from pathlib import Path

L4t = tuple[int, int, int]

_RELEASE = re.compile(r"R(\d+) \(release\), REVISION: (\d+)\.(\d+)")


def release_text(root: Path = Path("/")) -> str:
    """What the release file says; empty where there is none, or none to be read.

    Args:
        root: Where `etc` is.
    """
    try:
        return (root / "etc/nv_tegra_release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def parse_l4t(release: str) -> L4t | None:
    """Finds release, revision and patch in the text of the release file; None where it has none."""
    match = _RELEASE.search(release)
    if match is None:
        return None
    major, minor, patch = map(int, match.groups())
    return major, minor, patch
