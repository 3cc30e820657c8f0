"""An address with a password, and an error that tells it: neither may get into any log."""

from __future__ import annotations

PASSWORD = "blue-horse-77"  # noqa: S105 - of no camera
URL = f"rtsp://viewer:{PASSWORD}@cam7.example.net/live"


def fails() -> None:
    raise ConnectionError(f"cannot open {URL} with {PASSWORD}\nsecond line")
