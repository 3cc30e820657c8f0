"""Which files of a folder are pictures."""

from __future__ import annotations

from pathlib import Path

from faceguard.engines.errors import InputError

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")


def picture_files(folder: Path, *, what: str, most: int) -> list[Path]:
    """The pictures of a folder and those below it, in the order of their names.

    Args:
        folder: Where they lie.
        what: What the folder is, for messages, such as "--calibration".
        most: How many at the most, spread evenly over all.

    Raises:
        InputError: There is no such folder, or no picture in it.
    """
    try:
        next(folder.iterdir(), None)  # the search below would pass over what cannot be read
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{what} {folder}: no such folder; name one with pictures") from error
    except OSError as error:
        raise InputError(f"{what} {folder}: cannot be read: {error.strerror}") from error
    found = sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()
    )
    if not found:
        raise InputError(f"{what} {folder}: no picture in it ({', '.join(SUFFIXES)})")
    count = min(most, len(found))
    return [found[place * len(found) // count] for place in range(count)]
