"""Heat in the running camera: one look a second, and what may be spent until the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from faceguard.edge.budget import UNLIMITED, Budget
from faceguard.edge.heat.governor import Outlook
from faceguard.edge.heat.reading import Reading, Survey


@dataclass(frozen=True)
class Felt:
    """Everything of one look; replaced as a whole, so that any thread may read it.

    Attributes:
        survey: What the sensors said.
        reading: What is believed of it.
        doubts: Why zones are not believed, by name.
        budget: What may be spent.
        outlook: Where the temperature goes.
        levels: How many levels there are: the last is the pause.
    """

    survey: Survey = Survey()
    reading: Reading = Reading()
    doubts: Mapping[str, str] | None = None
    budget: Budget = UNLIMITED
    outlook: Outlook = Outlook()
    levels: int = 1

    def plain(self) -> dict[str, Any]:
        """As plain values, for the status file."""
        raise NotImplementedError
