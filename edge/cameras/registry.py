"""Which class reads which camera; and what may be said of a camera in logs and file names."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from faceguard.edge.config.camera import (
    CsiCamera,
    FileCamera,
    RtspCamera,
    V4l2Camera,
)

if TYPE_CHECKING:
    from faceguard.edge.cameras.base import Camera
    from faceguard.edge.config.camera import CameraConfig

_PORTS = {"rtsp": 554, "rtsps": 322}


def open_camera(config: CameraConfig, *, open_within_s: float, silent_after_s: float) -> Camera:
    """Opens the camera that the configuration names; what it needs is imported only now.

    Args:
        config: Which camera, and what to ask of it.
        open_within_s: How long opening may take.
        silent_after_s: How long `read` waits for a picture.

    Raises:
        CameraAbsent: It is not there, or does not let us in.
        CameraUnfit: It cannot give what is asked for.
        CameraSilent: It is there and sent nothing in time.
        MissingPackage: Something that this kind of camera needs is not installed.
    """
    if isinstance(config, RtspCamera):
        from faceguard.edge.cameras.rtsp import Rtsp

        return Rtsp(config, open_within_s=open_within_s, silent_after_s=silent_after_s)
    if isinstance(config, V4l2Camera):
        from faceguard.edge.cameras.v4l2 import V4l2

        return V4l2(config, open_within_s=open_within_s, silent_after_s=silent_after_s)
    if isinstance(config, CsiCamera):
        from faceguard.edge.cameras.csi import Csi

        return Csi(config, open_within_s=open_within_s, silent_after_s=silent_after_s)
    if isinstance(config, FileCamera):
        from faceguard.edge.cameras.file import VideoFile

        return VideoFile(config)
    from faceguard.edge.cameras.synthetic import Synthetic

    return Synthetic(config)


def identity(config: CameraConfig) -> str | None:
    """A name that two configurations have in common if they mean the same camera.

    It is fit for the name of a lock file: nothing of an address can be read in it.

    Returns:
        The name, or None where any number may read at a time (files, drawn pictures).
    """
    if isinstance(config, V4l2Camera):
        # /dev/v4l/by-id/... and others are links to the one device.
        return _hashed(config.kind, os.path.realpath(config.device))
    if isinstance(config, CsiCamera):
        return _hashed(config.kind, str(config.sensor))
    if isinstance(config, RtspCamera):
        parts = urlsplit(config.url)
        port = parts.port or _PORTS[parts.scheme]
        place = f"{parts.hostname}:{port}/{parts.path.strip('/')}?{parts.query}"
        return _hashed(config.kind, place.lower())
    return None


def describe(config: CameraConfig) -> str:
    """The camera in words for logs and people; never an address, and no path of a file."""
    if isinstance(config, V4l2Camera):
        # Resolved: a name under /dev/v4l/by-id may hold a serial number.
        return str(config.device.resolve())
    if isinstance(config, CsiCamera):
        return f"CSI sensor {config.sensor}"
    if isinstance(config, RtspCamera):
        return "RTSP camera"
    return "video file" if isinstance(config, FileCamera) else "synthetic camera"


def _hashed(kind: str, place: str) -> str:
    return f"{kind}-{hashlib.sha256(place.encode()).hexdigest()[:16]}"
