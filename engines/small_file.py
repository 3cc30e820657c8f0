"""Reading small files that a person named: never waits, never fills the memory."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from faceguard.engines.errors import UsageError
from faceguard.engines.yaml_file import why


def read_small(path: Path, what: str, most_bytes: int) -> str:
    """The text of a file.

    Args:
        path: The file.
        what: What it should be, for messages: "the configuration".
        most_bytes: What is larger is none.

    Raises:
        UsageError: It is not there, may not be read, is no plain file (a pipe would be waited for),
            too large, or no UTF-8.
    """
    try:
        # Not blocking: to open a pipe without a writer would never return.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UsageError(f"{path}: is no plain file; {what} must be one")
            with open(descriptor, "rb", closefd=False) as file:
                data = file.read(most_bytes + 1)
        finally:
            os.close(descriptor)
        if len(data) > most_bytes:
            raise UsageError(f"{path}: is larger than {most_bytes} bytes; {what} never is")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The message of the error itself would show what stands there.
        raise UsageError(
            f"{path}: {what} cannot be read: byte {error.start} is no UTF-8 text"
        ) from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {what} cannot be read: {why(error)}") from error
