"""Cameras that are read in a process of its own, which must end well."""

from __future__ import annotations

import json
import select
import subprocess
from typing import Any


def end_well(process: subprocess.Popen[str]) -> None:
    """Ends a child by the end of its input, and fails where it does not end with 0."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()


def ask(process: subprocess.Popen[str], plan: dict[str, Any]) -> dict[str, Any]:
    """Has a child read its camera as a plan says, and gives back what it tells of that."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(plan) + "\n")
    process.stdin.flush()
    assert select.select([process.stdout], [], [], 60)[0], "no answer within 60 s"
    told: dict[str, Any] = json.loads(process.stdout.readline())
    return told
