"""Frames a second of a camera: what it names and what it gives are not the same."""

from __future__ import annotations

from faceguard.edge.live.health import Health


def camera_rate(health: Health) -> float | None:
    """What the camera names, else what came over the last seconds.

    Args:
        health: How the camera is.
    """
    if health.info is not None and health.info.rate is not None:
        return float(health.info.rate)
    return health.rate


def governed_rate(health: Health) -> float | None:
    """Of what the governor takes a share: what a camera gives, and what a file was made for.

    Args:
        health: How the camera is.
    """
    info = health.info
    if info is None:
        return None
    # A file gives what we take of it.
    if info.live and health.gives_frames and health.rate:
        return health.rate
    return None if info.rate is None else float(info.rate)
