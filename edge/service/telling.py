"""Telling an error in one line that may be logged."""

from __future__ import annotations

from faceguard.edge.service.scrub import SCRUBBER
from faceguard.engines.errors import FaceguardError

_MOST_CHARS = 200


def told(error: BaseException) -> str:
    """An error in one line that may be logged: ours as they are, others by kind and first line."""
    if isinstance(error, FaceguardError):
        return str(error)
    # Cut after scrubbing: half a secret would not be known for one.
    first = SCRUBBER.scrub((str(error).splitlines() or [""])[0])[:_MOST_CHARS]
    return f"{type(error).__name__}: {first}".rstrip(": ")
