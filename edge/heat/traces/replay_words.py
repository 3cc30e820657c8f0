"""What came of a replay, for people and for programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from faceguard.edge.heat.traces.replay import Differs, Replayed, Summary
from faceguard.edge.heat.traces.trace_cells import wall

STAYS = (
    "Temperatures stay those that were recorded, though less work would have made them lower: this "
    "tells when such settings act, and not how warm the board would get."
)


def compared(found: Replayed) -> str:
    """A replay in words: a line where all is the same, else the row that differs."""
    if found.differs is None:
        return f"{_rows(found.rows)}, the same decisions\n"
    ours, others = version("faceguard-edge"), [v for v in found.versions if v]
    lines = [f"{_where(found.differs)}: another decision than was recorded", ""]
    lines += [f"{'':18}{'recorded':28} now"]
    lines += [
        f"{name:18}{was or 'nothing':28} {now or 'nothing'}"
        for name, (was, now) in found.differs.fields.items()
    ]
    if others and others[-1] != ours:
        lines += ["", f"faceguard {others[-1]} wrote it, and this is {ours}."]
    return "\n".join(lines) + "\n"


def compared_plain(found: Replayed) -> dict[str, Any]:
    """A replay for programs."""
    differs = found.differs
    return {
        "rows": found.rows,
        "sections": found.sections,
        "versions": list(found.versions),
        "same": differs is None,
        "differs": differs
        and {
            "row": differs.row,
            "line": differs.line,
            "at_ns": differs.at_ns,
            "time": wall(differs.wall_s) or None,
            "fields": {
                name: {"recorded": was, "now": now} for name, (was, now) in differs.fields.items()
            },
        },
    }


def tried(recorded: Summary, other: Summary) -> str:
    """What other settings would have done, beside what was recorded."""
    lines = [f"{'':22}{'recorded':>12}{'tried':>12}"]
    for name, of in _FIGURES.items():
        lines.append(f"{name:22}{of(recorded):>12}{of(other):>12}")
    return "\n".join([*lines, "", STAYS]) + "\n"


def tried_plain(recorded: Summary, other: Summary) -> dict[str, Any]:
    """The same for programs."""
    return {"recorded": asdict(recorded), "tried": asdict(other), "note": STAYS}


_FIGURES: dict[str, Callable[[Summary], str]] = {
    "rows": lambda s: str(s.rows),
    "changes of level": lambda s: str(s.changes),
    "share of frames": lambda s: f"{100 * s.share:.1f} %",
    "highest temperature": lambda s: "none" if s.hottest_c is None else f"{s.hottest_c:.1f} C",
    "above the limit": lambda s: f"{s.over_s:.0f} s",
    "without output": lambda s: f"{s.paused_s:.0f} s",
    "blind": lambda s: f"{s.blind_s:.0f} s",
}


def _where(differs: Differs) -> str:
    at = wall(differs.wall_s)
    return f"row {differs.row} (line {differs.line}{', ' + at if at else ''})"


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"
