"""What differs between two configurations, and what of it can change between two frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from faceguard.edge.config.model import Config
from faceguard.edge.config.part import Part

P = TypeVar("P", bound=Part)
# Nothing of this is held by a thread, a device, a socket or a file that is open.
_LIVE_PARTS = ("redaction", "tracking", "supervision", "thermal", "log")
_LIVE_KEYS = {
    "detector": ("score", "every", "timeout_ms", "blind_limit_s"),
    "outputs.recordings": ("segment_s", "keep_days", "keep_gb", "free_mb"),
    "outputs.snapshots": ("on", "least_s", "keep_days", "keep_mb", "quality"),
    "outputs.mjpeg": ("rate", "quality"),
    # Of another size, a region begins a new stream: players of rtsp connect anew.
    "upscale.stream": ("region",),
    "upscale.snapshots": ("region", "within_s"),
}
LIVE = frozenset(
    (*_LIVE_PARTS, *(f"{part}.{key}" for part, keys in _LIVE_KEYS.items() for key in keys))
)
"""Keys that change without a restart; of a part that is named here, all of its keys."""


@dataclass(frozen=True)
class Changes:
    """What differs.

    Attributes:
        live: Keys that change between two frames, as `redaction.style`, in the order of the model.
        restart: Keys that wait for the next start. A part that came or went is one key.
    """

    live: list[str] = field(default_factory=list)
    restart: list[str] = field(default_factory=list)


def compare(old: Config, new: Config) -> Changes:
    """What differs between two configurations.

    What a password file holds is not looked at: a new password in it counts from the next start.

    Args:
        old: That which runs.
        new: That which was read just now.
    """
    changes = Changes()
    for key in _different(old, new, ""):
        (changes.live if _is_live(key) else changes.restart).append(key)
    return changes


def merged(old: Config, new: Config) -> Config:
    """The old configuration with what can change live taken from the new.

    Args:
        old: That which runs.
        new: That which was read just now.
    """
    return _merged(old, new, "")


def _is_live(key: str) -> bool:
    return key in LIVE or key.rpartition(".")[0] in LIVE


def _different(old: Part, new: Part, above: str) -> Iterator[str]:
    for name in type(old).model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if isinstance(before, Part) and type(before) is type(after):
            yield from _different(before, after, f"{above}{name}.")
        elif before != after:
            yield f"{above}{name}"


def _merged(old: P, new: P, above: str) -> P:
    taken = {}
    for name in type(old).model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if isinstance(before, Part) and type(before) is type(after):
            taken[name] = _merged(before, after, f"{above}{name}.")
        elif _is_live(f"{above}{name}"):
            taken[name] = after
    return old.model_copy(update=taken)
