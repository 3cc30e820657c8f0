"""Asks libraries in a process of their own, since a broken one may crash or hang."""

from __future__ import annotations

import json
import sys
from typing import Any

from faceguard.engines.child import ChildFailed, run_limited

MARK = "faceguard-probe:"
_START = (
    # The parent's own path, so that the child finds the very same modules.
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from faceguard.edge.doctor import probes; probes.main(sys.argv[1])"
)


def ask(probe: str, *, limit_s: float = 60.0) -> dict[str, Any]:
    """Asks one of `probes` in a child process.

    Args:
        probe: Its name.
        limit_s: How long to wait. Loading large libraries from a slow card takes a while.

    Returns:
        What it answered; the key `error` holds why, where it crashed, hung or said nothing.

    Raises:
        OSError: Python could not be started.
    """
    command = [sys.executable, "-c", _START, probe, *sys.path]
    try:
        answer = run_limited(command, limit_s=limit_s)
    except ChildFailed as error:
        return {"error": f"loading it gave {error}"}
    for line in reversed(answer.out.splitlines()):
        if line.startswith(MARK):
            told: dict[str, Any] = json.loads(line[len(MARK) :])
            return told
    if answer.crash is not None:
        return {"error": f"loading it crashed ({answer.crash})"}
    last = (answer.err.strip().splitlines() or ["it said nothing"])[-1]
    return {"error": f"loading it ended with exit code {answer.code}: {last}"}
