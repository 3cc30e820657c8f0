"""What a check found, and running checks so that none can take the others down with it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol


class State(str, enum.Enum):
    """How a thing stands.

    MISSING is kept for what redacting on the CPU cannot do without: not there, or not working.
    NOTE is anything else worth reading, with or without a mend. `faceguard check` besides tells
    WARNING, what may come or is unwise, from FAULT, what `faceguard run` cannot do without.
    """

    OK = "ok"
    MISSING = "missing"
    NOTE = "note"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        name: What was looked at.
        state: How it stands.
        detail: What was seen.
        mend: One exact command or sentence; None where there is nothing to mend.
    """

    name: str
    state: State
    detail: str
    mend: str | None = None


@dataclass(frozen=True)
class Check:
    """One look at the machine.

    Attributes:
        name: The finding's name where the look itself fails.
        look: Returns what was seen.
        needed: Whether redacting on the CPU needs it, which makes a failing look MISSING.
        failing: The state where the look itself fails; None: as `needed` says.
    """

    name: str
    look: Callable[[], list[Finding]]
    needed: bool = False
    failing: State | None = None


class Cleaner(Protocol):
    """Takes out of a line what shall not be shown."""

    def clean(self, text: str) -> str:
        """The text as one line."""
        ...


def examine(checks: Iterable[Check], cleaner: Cleaner) -> Iterator[Finding]:
    """Runs checks one by one; one that fails becomes a finding of its own.

    Args:
        checks: What to look at, in this order.
        cleaner: What every line goes through.

    Yields:
        The findings, each as soon as it is there.
    """
    for check in checks:
        try:
            found = check.look()
        except Exception as error:  # noqa: BLE001 - the report matters most where things break
            state = check.failing or (State.MISSING if check.needed else State.NOTE)
            why = f"{type(error).__name__}: {error}".rstrip(": ")
            found = [Finding(check.name, state, f"could not be checked: {why}")]
        for finding in found:
            yield replace(
                finding,
                detail=cleaner.clean(finding.detail),
                mend=None if finding.mend is None else cleaner.clean(finding.mend),
            )
