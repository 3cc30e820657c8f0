"""Enlarging in plain words, for `faceguard status`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_SHARP, _TOO_LARGE = "sharp", "too large"


def upscale_troubles(uses: Mapping[str, Any]) -> Iterator[str]:
    """Why pictures are not what they should be, a few words for each use.

    Args:
        uses: What the status says under `upscale`.
    """
    for use, state in _each(uses):
        if state.get("trouble"):
            how = "not enlarged" if state.get("how") == _TOO_LARGE else "enlarged plainly"
            verb = "are" if use.endswith("s") else "is"
            yield f"{use} {verb} {how} ({state['trouble']})"


def upscale_words(uses: Mapping[str, Any]) -> str:
    """What is enlarged, to what, and how often the model had time; nothing where nothing is.

    Args:
        uses: What the status says under `upscale`.
    """
    return "; ".join(_use(use, state) for use, state in _each(uses))


def _use(use: str, state: Mapping[str, Any]) -> str:
    size, how = state.get("size"), state.get("how")
    to = f" to {size[0]}x{size[1]}" if isinstance(size, list) and len(size) == 2 else ""
    words = f"{use}{to} by {state.get('model')}"
    if how not in (None, _SHARP):
        words += f", plainly now ({how})"
    found = state.get("counts")
    pairs = found.items() if isinstance(found, Mapping) else ()
    counts = {cause: count for cause, count in pairs if isinstance(count, int)}
    if not counts:
        return words
    words += f", {counts.pop(_SHARP, 0):,} sharpened"
    most_first = sorted(counts.items(), key=lambda item: -item[1])
    return words + "".join(f", {count:,} plainly ({cause})" for cause, count in most_first)


def _each(uses: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return ((use, state) for use, state in uses.items() if isinstance(state, Mapping))
