"""Cameras that the kernel knows of."""

from __future__ import annotations

import os
import re
from pathlib import Path

from faceguard.edge.doctor.finding import Finding, State


def check_cameras(root: Path = Path("/")) -> list[Finding]:
    """The video devices, their drivers, and whether this user may open them.

    A device's product name is left out: some carry their owner's.
    """
    nodes = sorted(
        (path for path in (root / "dev").glob("video*") if re.fullmatch(r"video\d+", path.name)),
        key=lambda path: int(path.name.removeprefix("video")),
    )
    if not nodes:
        return [Finding("cameras", State.NOTE, "no /dev/video*; files and streams need none")]
    shown = ", ".join(f"/dev/{node.name} ({_driver(root, node.name)})" for node in nodes)
    shut = [f"/dev/{node.name}" for node in nodes if not _may_open(node)]
    if shut:
        detail = f"{shown}; this user may not open {', '.join(shut)}"
        mend = "sudo usermod -aG video $USER, then log in again"
        return [Finding("cameras", State.NOTE, detail, mend)]
    return [Finding("cameras", State.OK, shown)]


def _may_open(node: Path) -> bool:
    effective = os.access in os.supports_effective_ids
    return os.access(node, os.R_OK | os.W_OK, effective_ids=effective)


def _driver(root: Path, name: str) -> str:
    try:
        link = (root / "sys/class/video4linux" / name / "device/driver").readlink()
    except OSError:
        return "unknown driver"
    return link.name
