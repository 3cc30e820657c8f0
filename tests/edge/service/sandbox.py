"""Code that makes the kernel refuse a system call to a child, as a service's sandbox may."""

from __future__ import annotations

import errno
import platform

# Number of the call by machine, and its first argument: prctl(PR_SET_DUMPABLE), socket(AF_UNIX).
SET_DUMPABLE = ({"x86_64": 157, "aarch64": 167}, 4, errno.EPERM)
UNIX_SOCKETS = ({"x86_64": 41, "aarch64": 198}, 1, errno.EAFNOSUPPORT)


def forbidding(call: tuple[dict[str, int], int, int]) -> str:
    """Python code to run first: a filter as in seccomp(2), which the process keeps to its end."""
    numbers, argument, error = call
    steps = [
        (0x20, 0, 0, 0),  # the call's number
        (0x15, 0, 3, numbers[platform.machine()]),
        (0x20, 0, 0, 16),  # its first argument
        (0x15, 0, 1, argument),
        (0x06, 0, 0, 0x00050000 | error),
        (0x06, 0, 0, 0x7FFF0000),  # all else is allowed
    ]
    return f"""
import ctypes, struct
steps = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in {steps}))
filter = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", {len(steps)}, ctypes.addressof(steps)))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, filter, 0, 0) == 0
"""
