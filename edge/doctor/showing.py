"""How findings are written: lines for people, each as soon as it is there, or JSON for programs."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Iterable

from faceguard.edge.doctor.finding import Finding, State

_COLOR = {
    State.OK: "32",
    State.MISSING: "31",
    State.NOTE: "33",
    State.WARNING: "33",
    State.FAULT: "31",
}
_STATE_WIDTH = max(len(state.value) for state in State)
# Findings are shown as they come, so the longest name is not known yet.
_NAME_WIDTH = 27


def show(findings: Iterable[Finding], *, as_json: bool) -> list[Finding]:
    """Writes findings to standard output.

    Args:
        findings: May take their time: as text, each is shown at once.
        as_json: Whether to write them for programs, all at the end.

    Returns:
        All of them.
    """
    if as_json:
        told = list(findings)
        rows = [
            {"name": f.name, "state": f.state.value, "detail": f.detail, "mend": f.mend}
            for f in told
        ]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return told
    color = _wants_color()
    told = []
    for finding in findings:
        told.append(finding)
        sys.stdout.write(_row(finding, color=color))
        sys.stdout.flush()
    return told


def _row(finding: Finding, *, color: bool) -> str:
    state = finding.state.value.ljust(_STATE_WIDTH)
    if color:
        state = f"\x1b[{_COLOR[finding.state]}m{state}\x1b[0m"
    row = f"{state}  {finding.name.ljust(_NAME_WIDTH)}  {finding.detail}\n"
    if finding.mend is not None:
        row += textwrap.indent(f"mend: {finding.mend}\n", " " * (_STATE_WIDTH + _NAME_WIDTH + 4))
    return row


def _wants_color() -> bool:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain
