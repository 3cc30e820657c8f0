"""No memory in a file when the process crashes: it holds uncovered pictures and passwords."""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import resource

_PR_SET_DUMPABLE = 4
# The kernel writes no core of so few bytes, and starts no program that takes cores through a pipe
# (apport, systemd-coredump) at exactly this limit. At 0 it does start that program.
_NO_CORE = 1
_log = logging.getLogger(__name__)


def no_core_dumps() -> None:
    """Lets no core of this process and its children be written, wherever cores go here.

    The limit is inherited by children, also by other programs. PR_SET_DUMPABLE=0 is not kept over
    an exec; it holds for this process and also where cores go to a program. With it, most of
    /proc/PID belongs to root: a debugger, py-spy or strace of the same user cannot attach, and the
    environment cannot be read. See prctl(2), core(5).
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    limit = _NO_CORE if hard == resource.RLIM_INFINITY else min(hard, _NO_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        # A sandbox's filter, for one. The limit holds, so this is no reason to cover nothing.
        number = ctypes.get_errno()
        _log.warning(
            "a crash may be dumped to a program (%s); let the sandbox allow prctl",
            os.strerror(number or errno.EPERM),
        )
