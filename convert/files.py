"""Files that appear whole: written beside, flushed to the disk, and only then given their name."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faceguard.engines.errors import OutputError
from faceguard.engines.sync import sync

ELSEWHERE = "set XDG_DATA_HOME to a folder that is"


@contextmanager
def writing(folder: Path, *, elsewhere: str = ELSEWHERE) -> Iterator[None]:
    """Turns what the system says about a write into one clear line.

    Args:
        folder: Where the block writes, for the message.
        elsewhere: How to name another place, for the message.

    Raises:
        OutputError: The disk is full, or the folder cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise output_error(folder, error, elsewhere=elsewhere) from error


@contextmanager
def scratch(prefix: str) -> Iterator[Path]:
    """A folder for what nobody keeps.

    Args:
        prefix: How its name begins.

    Raises:
        OutputError: The disk is full, or there is no folder for such files.
    """
    home = Path(os.environ.get("TMPDIR") or os.sep + "tmp")
    with (
        writing(home, elsewhere="set TMPDIR to a folder that is"),
        tempfile.TemporaryDirectory(prefix=prefix) as folder,
    ):
        yield Path(folder)


def output_error(folder: Path, error: OSError, *, elsewhere: str = ELSEWHERE) -> OutputError:
    """The error to raise for a failed write."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"{folder}: the disk is full; free some space and try again")
    reason = error.strerror or type(error).__name__
    return OutputError(f"{folder}: cannot be written ({reason}); make it writable, or {elsewhere}")


def publish(draft: Path, final: Path) -> None:
    """Gives a finished file its name, so that after a cut of power it is whole or not there.

    Args:
        draft: The finished file, on the same file system.
        final: Its name; a file that stands there is replaced.

    Raises:
        OSError: From the system; see `writing`.
    """
    sync(draft)
    draft.replace(final)
    sync(final.parent)
