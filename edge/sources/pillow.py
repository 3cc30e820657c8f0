"""Pillow on a leash: what it may raise, what it may say, and how large a picture it may unfold."""

from __future__ import annotations

import re
import struct
import threading
import warnings
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from PIL import Image, UnidentifiedImageError

from faceguard.edge.atomic import one_line
from faceguard.engines.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What damaged files have made Pillow's readers raise.
PILLOW_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    Image.DecompressionBombError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
_CUT = ("truncated", "end of file", "unexpected eof", "no more images", "not enough data")

_door = threading.Lock()
_inside = 0
_before: warnings.catch_warnings[None] | None = None
_limit_before: int | None = None


@contextmanager
def reading(path: Path, max_pixels: int) -> Iterator[None]:
    """Within, Pillow is silent and whatever it raises becomes one line.

    Warning filters and Pillow's own size limit belong to the whole process, so the first to come
    in sets them and the last to go out puts them back; threads may be inside side by side.

    Args:
        path: The file, for the message.
        max_pixels: Pictures up to this size are let through by Pillow's own check too.

    Raises:
        InputError: For all that Pillow raised.
    """
    _enter(max_pixels)
    try:
        yield
    except MemoryError:
        raise InputError(
            f"{one_line(path)}: needs more memory than there is; make it smaller"
        ) from None
    except PILLOW_ERRORS as error:
        raise InputError(f"{one_line(path)}: {_said(error, max_pixels)}") from error
    finally:
        _leave()


def _enter(max_pixels: int) -> None:
    global _inside, _before, _limit_before  # noqa: PLW0603 - a count for the whole process
    with _door:
        if _inside == 0:
            _before = warnings.catch_warnings()
            _before.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL\.")
            _limit_before = Image.MAX_IMAGE_PIXELS
        _inside += 1
        if Image.MAX_IMAGE_PIXELS is not None:
            Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, max_pixels)


def _leave() -> None:
    global _inside  # noqa: PLW0603 - a count for the whole process
    with _door:
        _inside -= 1
        if _inside == 0:
            Image.MAX_IMAGE_PIXELS = _limit_before
            if _before is not None:
                _before.__exit__(None, None, None)


def _said(error: BaseException, max_pixels: int) -> str:
    """One line on a file that Pillow refused."""
    words = one_line(error)
    if isinstance(error, Image.DecompressionBombError):
        count = re.search(r"\d+", words)
        pixels = f"{int(count[0]):,}" if count else "too many"
        return f"{pixels} pixels are over the limit of {max_pixels:,}; make it smaller"
    if isinstance(error, EOFError) or any(sign in words.lower() for sign in _CUT):
        return "ends too early (it was cut off); get a whole copy of it"
    if isinstance(error, UnidentifiedImageError):
        return "is damaged at its beginning, or of a kind that is not read; get a whole copy of it"
    return f"is damaged ({words or type(error).__name__}); get a whole copy of it"
