"""Runs a command on a machine that halts: finds tests that time what they need not.

A process, or it and all its children, is stopped for a moment again and again, as a busy machine
does it. Tests must pass all the same; run it several times, and two or three at once.

    python packaging/drills/halting.py -- python -m pytest tests/edge/live

One thing is not as in life: where a test stops a child itself, just as this one has, the child goes
on too early. A test of something frozen that fails here once is likely one of those.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path


def main() -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(description="Runs a command on a machine that halts.")
    parser.add_argument("--least", type=float, default=0.1, metavar="S", help="shortest halt")
    parser.add_argument("--most", type=float, default=0.5, metavar="S", help="longest halt")
    parser.add_argument("--every", type=float, default=1.5, metavar="S", help="on average")
    parser.add_argument("command", nargs="+")
    asked = parser.parse_args()
    process = subprocess.Popen(asked.command)
    chance = random.Random()  # noqa: S311 - nothing is kept secret with it
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(chance.expovariate(1 / asked.every))
        alone = chance.random() < 0.5
        _halt(
            [process.pid] if alone else _family(process.pid),
            chance.uniform(asked.least, asked.most),
        )


def _halt(pids: list[int], halt_s: float) -> None:
    # What somebody else has stopped must stay so afterwards.
    going = [pid for pid in pids if _state(pid) in "RSD"]
    for pid in going:
        with suppress(OSError):
            os.kill(pid, signal.SIGSTOP)
    time.sleep(halt_s)
    for pid in reversed(going):
        with suppress(OSError):
            os.kill(pid, signal.SIGCONT)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "gone"


def _family(pid: int) -> list[int]:
    """The process and all that came of it."""
    found = [pid]
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += _family(int(child))
    return found


if __name__ == "__main__":
    sys.exit(main())
