"""The end of a program whose threads may still be in a library."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn


def leave(work: Callable[[], int]) -> NoReturn:
    """Does a program's work, and ends the process with its exit code.

    A thread that is left in a library, such as an inference that missed its time limit, comes back
    while Python takes itself apart, and there C++ aborts the process: systemd would see a crash
    where there was an exit code. One that hangs in a driver may be waited for for ever. So where
    any thread is left, Python's own end is left out; all that was said is written before.

    Args:
        work: Returns the exit code, or raises SystemExit.
    """
    try:
        code = work()
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - told as Python itself would
        sys.excepthook(type(error), error, error.__traceback__)
        code = 1
    if threading.active_count() == 1:
        sys.exit(code)
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
