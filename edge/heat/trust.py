"""What of a survey can be true: pure, and with a memory for sensors that stand still or leap."""

from __future__ import annotations

from dataclasses import dataclass, field

from faceguard.edge.heat.reading import Reading, Survey
from faceguard.edge.heat.settings import GovernorSettings


@dataclass(frozen=True)
class Memory:
    """What was seen of each zone, in plain values (JSON keeps them bit by bit)."""

    zones: dict[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Judged:
    """A survey after judgement.

    Attributes:
        reading: For the governor.
        doubts: By zone, why its value is not believed: "stuck for 190 s", "leapt from 74 to 31 C",
            or the reason that it gave no value.
    """

    reading: Reading
    doubts: dict[str, str]


def judge(
    memory: Memory, survey: Survey, now_ns: int, load: float, settings: GovernorSettings
) -> tuple[Memory, Judged]:
    """Makes a reading of a survey.

    Args:
        memory: From the last call; `Memory()` before the first.
        survey: What was read now.
        now_ns: Monotonic nanoseconds.
        load: The load of the level that was in force since the last call, 0 to 1.
        settings: Limit and margin to trip points.

    Returns:
        The next memory, and what is believed.
    """
    raise NotImplementedError
