"""The configuration's file itself."""

from __future__ import annotations

from pathlib import Path

from faceguard.edge.check.doors import check_password
from faceguard.edge.config.camera import RtspCamera
from faceguard.edge.config.model import Config
from faceguard.edge.config.secret import everyone_reads
from faceguard.edge.doctor.finding import Finding, State


def check_file(config: Config, path: Path) -> list[Finding]:
    """What was read, and who else can read the passwords in it.

    Args:
        config: What was read.
        path: Where from.
    """
    found = [Finding("configuration", State.OK, f"{path}: {config.name}")]
    out = config.outputs
    camera = config.camera if isinstance(config.camera, RtspCamera) else None
    inside = [part for part in (camera, out.rtsp, out.mjpeg) if part is not None]
    secret = any(part.password is not None for part in inside)
    secret = secret or (camera is not None and "@" in camera.url)
    if secret and everyone_reads(path):
        detail = f"{path} holds a password, and every user of this machine can read it"
        found.append(Finding("configuration", State.WARNING, detail, f"chmod 600 {path}"))
    if camera is not None:
        found += check_password("camera password", camera)
    return found
