"""The governor: a pure step from what is believed to what may be spent."""

from __future__ import annotations

from dataclasses import dataclass

from faceguard.edge.budget import Budget
from faceguard.edge.heat.ladder import Rung
from faceguard.edge.heat.reading import Reading
from faceguard.edge.heat.settings import GovernorSettings


@dataclass(frozen=True)
class State:
    """All that the governor remembers, in plain numbers (JSON keeps them bit by bit)."""

    level: int = 0


@dataclass(frozen=True)
class Outlook:
    """Where the governor sees the temperature go; for people.

    Attributes:
        settles_c: Temperature at which it would settle at this level; None while not known.
        time_constant_s: After so long 63 % of the way there is done; None while not known.
    """

    settles_c: float | None = None
    time_constant_s: float | None = None


class Governor:
    """Turns readings into budgets, one a second. Holds nothing that changes."""

    def __init__(self, settings: GovernorSettings, rungs: tuple[Rung, ...]) -> None:
        """Keeps what it is told.

        Args:
            settings: Limits and times.
            rungs: The levels, from `ladder`.
        """
        self.settings = settings
        self.rungs = rungs

    def start(self, now_ns: int) -> State:
        """The state before the first reading: everything is allowed, nothing is known."""
        raise NotImplementedError

    def step(
        self, state: State, reading: Reading, now_ns: int, rate: float | None = None
    ) -> tuple[State, Budget]:
        """One second.

        Args:
            state: From `start` or the last step.
            reading: What is believed now.
            now_ns: Monotonic nanoseconds.
            rate: Frames a second that the camera gives; None while it is not known.

        Returns:
            The next state, and what may be spent until the next step.
        """
        raise NotImplementedError

    def outlook(self, state: State, reading: Reading) -> Outlook:
        """Where the temperature goes, as far as is known."""
        raise NotImplementedError

    def adopt(self, state: State, before: Governor) -> State:
        """The state for this governor where another, with other settings, was in charge before."""
        raise NotImplementedError


def to_plain(state: State) -> dict[str, object]:
    """A state as plain values for JSON."""
    raise NotImplementedError


def from_plain(plain: object) -> State:
    """The state of `to_plain`, after JSON.

    Raises:
        ValueError: It is none.
    """
    raise NotImplementedError
