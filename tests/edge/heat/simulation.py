"""A board under a governor, second by second: for tests that look at whole runs."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.parts.plant import Board, Plant, Work
from faceguard.edge.budget import Budget
from faceguard.edge.heat.governing.governor import Governor
from faceguard.edge.heat.governing.ladder import ladder
from faceguard.edge.heat.reading import Reading
from faceguard.edge.heat.settings import GovernorSettings

SECOND_NS = 1_000_000_000
RATE = 30.0


def governor(settings: GovernorSettings | None = None, *, upscales: bool = False) -> Governor:
    """A governor for a camera with the usual detector and look-ahead."""
    settings = settings or GovernorSettings()
    return Governor(settings, ladder(settings, every=2, look_ahead=5, upscales=upscales))


def felt(temperature_c: float | None, power_w: float | None = None, **others: object) -> Reading:
    """What is believed where one zone has this temperature."""
    if temperature_c is None:
        return Reading(power_w=power_w, has_sensors=True, blind="cpu-thermal: busy (EAGAIN)")
    return Reading("cpu-thermal", temperature_c, 75.0, power_w, None, True, None)


@dataclass
class Run:
    """What happened, an entry a second.

    Attributes:
        true_c: The die's temperature.
        budgets: What the governor allowed.
        power_w: What the board drew.
    """

    true_c: list[float] = field(default_factory=list)
    budgets: list[Budget] = field(default_factory=list)
    power_w: list[float] = field(default_factory=list)

    @property
    def levels(self) -> list[int]:
        """The level of each second."""
        return [budget.level for budget in self.budgets]

    @property
    def changes(self) -> list[int]:
        """The seconds in which the level changed."""
        levels = self.levels
        return [at for at in range(1, len(levels)) if levels[at] != levels[at - 1]]

    def most_changes(self, window_s: int, since_s: int = 0) -> int:
        """The most changes of level in any window after some second."""
        times = [at for at in self.changes if at >= since_s]
        return max(
            (sum(1 for other in times if at <= other < at + window_s) for at in times), default=0
        )


def simulate(
    governor: Governor,
    board: Board,
    work: Work,
    seconds: int,
    *,
    seed: int = 0,
    noise_c: float = 0.2,
    start_c: float | None = None,
    fault: Callable[[int, float], float | None] | None = None,
    disturb: Callable[[int, Plant], float] | None = None,
    power: bool = False,
) -> Run:
    """Lets a board run.

    Args:
        governor: Who decides.
        board: How it gets rid of its heat.
        work: What the camera's work draws.
        seconds: How long.
        seed: Of the noise.
        noise_c: Standard deviation of each of three zones' noise; steps of 1/32 C come on top.
        start_c: Where it starts; None for the ambient.
        fault: From second and measured temperature to what the sensor says.
        disturb: Watts that others draw; may change the plant.
        power: Whether the board's power is measured.
    """
    noise, plant, state = random.Random(seed), Plant(board, start_c=start_c), governor.start(0)
    run = Run()
    drawn_w = work.idle_w
    for second in range(seconds):
        zones = (plant.die_c + offset + noise.gauss(0, noise_c) for offset in (0.0, -0.5, -1.0))
        heard_c: float | None = round(max(zones) * 32) / 32
        if fault is not None and heard_c is not None:
            heard_c = fault(second, heard_c)
        reading = felt(heard_c, drawn_w + noise.gauss(0, 0.3) if power else None)
        state, budget = governor.step(state, reading, (second + 1) * SECOND_NS, RATE)
        rung = governor.rungs[budget.level]
        drawn_w = work.power_w(rung.share, rung.every, upscale=rung.upscale, rate=RATE)
        if disturb is not None:
            drawn_w += disturb(second, plant)
        run.true_c.append(plant.advance(drawn_w))
        run.budgets.append(budget)
        run.power_w.append(drawn_w)
    return run
