"""Findings of `faceguard check`: made, judged, and kept from saying what is nobody's business."""

from __future__ import annotations

import re
from collections.abc import Iterable

from faceguard.edge.doctor.finding import Finding, State
from faceguard.edge.service.scrub import Scrubber
from faceguard.engines.errors import FaceguardError

# Messages end with what to do, which has a place of its own in a finding.
_MEND = re.compile(
    r"(?:[:;,.] | \()(?:(?:run|see):? )?"
    r"(?:`(?P<quoted>faceguard [^`]+)`[^`]*|(?P<bare>faceguard .+)"
    r"|(?P<other>(?:pip|sudo|chmod) .+|(?:change|close|free|make|mend|name|remove|set|write) .+))$"
)


class Discreet:
    """Cleans a line of secrets, and of anything that could move the cursor."""

    def __init__(self, scrubber: Scrubber) -> None:
        """Takes who knows the secrets."""
        self._scrubber = scrubber

    def clean(self, text: str) -> str:
        """The text as one line."""
        line = " ".join(self._scrubber.scrub(text).split())
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def told(name: str, state: State, error: FaceguardError, mend: str | None = None) -> Finding:
    """An error as a finding.

    Args:
        name: What was looked at.
        state: How bad it is.
        error: Its message may end with the mend.
        mend: Where the message names none.
    """
    message = str(error)
    found = _MEND.search(message)
    if found is None:
        return Finding(name, state, message, mend)
    said = found["quoted"] or found["bare"] or found["other"]
    return Finding(name, state, message[: found.start()], said.rstrip(")"))


def exit_code(findings: Iterable[Finding]) -> int:
    """0 where all is well, 1 where there are warnings, 2 where `faceguard run` would not work."""
    states = {finding.state for finding in findings}
    if states & {State.FAULT, State.MISSING}:
        return 2
    return 1 if State.WARNING in states else 0
