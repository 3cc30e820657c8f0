"""Reads every sensor of the machine, again and again, without ever waiting for one."""

from __future__ import annotations

from pathlib import Path

from faceguard.edge.heat.reading import Survey
from faceguard.engines.closing import Closing


class Sensors(Closing):
    """Reads once a second in threads of its own: a read may hang and nobody waits for it."""

    def __init__(self, root: Path = Path("/")) -> None:
        """Sets up; `start` lets it read.

        Args:
            root: Where `sys`, `etc` and `var` are.
        """
        raise NotImplementedError

    def start(self) -> None:
        """Lets it begin."""
        raise NotImplementedError

    @property
    def latest(self) -> Survey:
        """What is known now; what is older than some seconds has no value and a reason."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends its threads; one that hangs in a read is left behind and dies with the process."""
        raise NotImplementedError
