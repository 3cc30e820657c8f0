"""Reading short files of the kernel: an answer, or why there is none, and never an exception.

A sensor that is not ready answers EAGAIN. Python's `open(path).read()` then raises a TypeError, so
the system calls are made one by one here.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import NamedTuple

MOST_BYTES = 128
"""What the kernel says of one thing is shorter: a number, or a name of 20 characters."""

_BUSY = "busy (EAGAIN)"
_GONE = (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR)
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")

GONE = "gone"
"""The reason where the file, or the device behind it, is not there."""


class Answer(NamedTuple):
    """What a file says: a text without blanks around it, or why there is none."""

    text: str | None
    reason: str | None


class Number(NamedTuple):
    """What a file says, or what follows from that: a number, or why there is none."""

    value: float | None
    reason: str | None


def ask(path: Path | str) -> Answer:
    """The text of a short file; may hang as long as the driver behind it does.

    Args:
        path: The file.

    Returns:
        The text, or one of the reasons "busy (EAGAIN)", "gone", "empty", "too long", "no text" and
        "failed (NAME)" with the kernel's name for the error.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.read(handle, MOST_BYTES + 1)
        finally:
            os.close(handle)
    except OSError as error:
        return Answer(None, why(error))
    if len(data) > MOST_BYTES:
        return Answer(None, "too long")
    text = data.decode("utf-8", "replace").strip()
    if not text:
        return Answer(None, "empty")
    # Names become labels and lines of logs.
    return Answer(text, None) if text.isprintable() else Answer(None, "no text")


def ask_number(path: Path | str) -> Number:
    """The whole number in a short file.

    Args:
        path: The file.

    Returns:
        The number, exact up to 2**53; or a reason of `ask`, or "no number".
    """
    text, reason = ask(path)
    if text is None:
        return Number(None, reason)
    return Number(float(text), None) if _WHOLE_NUMBER.fullmatch(text) else Number(None, "no number")


def names_in(folder: Path) -> list[str] | None:
    """What stands in a folder, in the order of numbers: zone2 before zone10.

    Args:
        folder: The folder.

    Returns:
        Names; none where there is no such folder; None where it could not be looked at.
    """
    try:
        found = [path.name for path in folder.iterdir()]
    except OSError as error:
        return [] if error.errno in _GONE else None
    return sorted(found, key=lambda name: (len(name), name))


def why(error: OSError) -> str:
    """The reason of an error, in a few words."""
    if error.errno == errno.EAGAIN:
        return _BUSY
    if error.errno in _GONE:
        return GONE
    return f"failed ({errno.errorcode.get(error.errno or 0, 'unknown')})"
