"""What a check found, and running checks so that none can take the others down with it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from faceguard.edge.doctor.anonymous import Anonymizer


class State(str, enum.Enum):
    """How a thing stands.

    MISSING is kept for what redacting on the CPU cannot do without: not there, or not working.
    NOTE is anything else worth reading, with or without a mend.
    """

    OK = "ok"
    MISSING = "missing"
    NOTE = "note"


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
        needed: Whether redacting on the CPU needs it, which makes a failing look a fault.
    """

    name: str
    look: Callable[[], list[Finding]]
    needed: bool = False


def examine(checks: Iterable[Check], anonymizer: Anonymizer) -> Iterator[Finding]:
    """Runs checks one by one; one that fails becomes a finding of its own.

    Args:
        checks: What to look at, in this order.
        anonymizer: Takes what names a person or a place out of every line.

    Yields:
        The findings, each as soon as it is there.
    """
    for check in checks:
        try:
            found = check.look()
        except Exception as error:  # noqa: BLE001 - the report matters most where things break
            state = State.MISSING if check.needed else State.NOTE
            why = f"{type(error).__name__}: {error}".rstrip(": ")
            found = [Finding(check.name, state, f"could not be checked: {why}")]
        for finding in found:
            yield replace(
                finding,
                detail=anonymizer.clean(finding.detail),
                mend=None if finding.mend is None else anonymizer.clean(finding.mend),
            )
