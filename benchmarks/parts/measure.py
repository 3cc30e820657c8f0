"""What a program costs: wall time, processor time and peak memory of a process of its own."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# The kernel counts what a process held before exec() to its peak, so a program that is started by
# a large process looks at least as large. This one is small, and is all that the program descends
# from.
_LAUNCHER = """
import json, os, sys, time
report = int(sys.argv[1])
os.set_inheritable(report, False)
begun = time.monotonic_ns()
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(child, 0)
wall_s = (time.monotonic_ns() - begun) / 1e9
cpu_s = used.ru_utime + used.ru_stime
code = os.waitstatus_to_exitcode(status)
os.write(report, json.dumps([wall_s, cpu_s, used.ru_maxrss / 1024, code]).encode())
"""


@dataclass(frozen=True)
class Usage:
    """What one run cost.

    Attributes:
        wall_s: Time from start to end.
        cpu_s: Processor time of all its threads, and of the processes that it started and waited
            for.
        peak_mb: Most resident memory, in MiB; of the largest one where there are several processes.
        code: Exit code; negative for a signal.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    code: int


def measured(command: Sequence[str | Path], log: Path, *, limit_s: float = 3600) -> Usage:
    """Runs a program to its end.

    Args:
        command: The program and its arguments.
        log: Where its output and errors go.
        limit_s: Seconds after which it is ended.

    Raises:
        TimeoutError: It did not end in time.
        OSError: It cannot be started.
    """
    reader, writer = os.pipe()
    try:
        with log.open("wb") as out:
            words = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(writer), *map(str, command)]
            launcher = subprocess.Popen(
                words, stdout=out, stderr=out, pass_fds=[writer], start_new_session=True
            )
            os.close(writer)
            try:
                launcher.wait(limit_s)
            except BaseException as error:
                # The launcher leads a group of its own: this reaches all that it has started.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(launcher.pid, signal.SIGKILL)
                launcher.wait()
                if isinstance(error, subprocess.TimeoutExpired):
                    raise TimeoutError(f"{command[0]}: not done after {limit_s:g} s") from error
                raise
        answer = os.read(reader, 4096)
    finally:
        os.close(reader)
    if not answer:
        raise OSError(f"{command[0]}: cannot be started: {last_line(log)}")
    return Usage(*json.loads(answer))


def last_line(log: Path) -> str:
    """The last line of a program's output that says something."""
    text = log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n")
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no word")


def machine(*packages: str) -> dict[str, object]:
    """What figures from this machine depend on: cores, processor, versions, date.

    Args:
        packages: Distributions whose versions matter.
    """
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _cpu_model(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {package: _version(package) for package in packages},
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    with contextlib.suppress(OSError):
        board = Path("/proc/device-tree/model").read_text(encoding="utf-8")
        return board.strip("\0\n ")
    return platform.machine()
