"""Gives a program's threads, as the kernel shows them, the names that they have in Python.

Python does that by itself from 3.14 on. Put this folder into PYTHONPATH, and processor time can be
told apart by thread; it costs one write a thread, at its start.
"""

import sys
import threading
from contextlib import suppress
from pathlib import Path

_KERNEL_KEEPS = 15


def _name_threads() -> None:
    begin = threading.Thread.run

    def run(self: threading.Thread) -> None:
        with suppress(OSError):
            comm = Path(f"/proc/self/task/{threading.get_native_id()}/comm")
            comm.write_bytes(self.name.encode("ascii", "replace")[:_KERNEL_KEEPS])
        begin(self)

    threading.Thread.run = run  # type: ignore[method-assign]


if sys.version_info < (3, 14):
    _name_threads()
