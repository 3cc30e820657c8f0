"""What may be written down about the camera: scalars, short texts, short lists; never a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

_LONGEST_TEXT = 500
_LONGEST_LIST = 64
_DEEPEST = 6


def plain(value: object) -> Any:  # noqa: ANN401 - what `json` takes has no better type
    """The value as JSON can hold it.

    Args:
        value: None, bool, int, float, str, or a list or mapping of such.

    Returns:
        The same, with null for what is not finite, and long texts cut.

    Raises:
        TypeError: There is something else in it: bytes, an array, a long list.
    """
    return _plain(value, 0)


def flat(value: object) -> Any:  # noqa: ANN401 - likewise
    """Like `plain`, for a scalar or a list of numbers.

    Raises:
        TypeError: It is something else.
    """
    if isinstance(value, Mapping):
        raise TypeError("a field of an event is a scalar or a short list of numbers, no mapping")
    if isinstance(value, (list, tuple)) and not all(isinstance(x, (int, float)) for x in value):
        raise TypeError("a list in an event holds numbers and nothing else")
    return _plain(value, 0)


def rfc3339(wall_s: float) -> str | None:
    """A time as text, in UTC with milliseconds.

    Args:
        wall_s: Seconds since 1970.

    Returns:
        "2031-05-06T07:08:09.123Z", or None where the clock shows what is no time at all.
    """
    try:
        when = datetime.fromtimestamp(wall_s, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: object, depth: int) -> Any:  # noqa: ANN401 - likewise
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return value[:_LONGEST_TEXT]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {str(key)[:_LONGEST_TEXT]: _plain(of, depth + 1) for key, of in value.items()}
    if depth < _DEEPEST and isinstance(value, (list, tuple)) and len(value) <= _LONGEST_LIST:
        return [_plain(one, depth + 1) for one in value]
    raise TypeError(f"{type(value).__name__} is not written down: only scalars and short lists are")
