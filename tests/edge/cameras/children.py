"""Cameras that are read in a process of its own, which must end well."""

from __future__ import annotations

import subprocess


def end_well(process: subprocess.Popen[str]) -> None:
    """Ends a child by the end of its input, and fails where it does not end with 0."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
