"""The boards, places and work of the thermal benchmark, and where their numbers come from.

Two things were seen on Jetson Orin Nano boards by others:

- fan off, full power: from 42 to 85 C in 9.7 minutes;
- a closed case with its fan, 20 W: it settles near 66 C within about 10 minutes.

From these, with what had to be assumed for it:

- Closed case. In a room of 25 C (assumed), 41 C over the air at 20 W are 2.05 C/W. Settled within
  10 minutes is read as 95 % of the way, which are three time constants: 200 s. In that room nothing
  ever needs to be saved, so the benchmark puts this case into a warm place of 40 C, where full work
  would settle at 81 C. The place is ours; the table over places shows what others would give.
- Fan off. 42 C is taken as the board settled at its idle 6 W in 25 C (2.83 C/W), and full power as
  25 W, the board's mode of that name. Then the 9.7 minutes leave one time constant: 390 s. Both
  heat capacities, sink_s / sink_c_per_w, come out alike (154 and 114 J/K; 130 g of aluminium have
  117), which is no proof, but no contradiction.
- Fan on. Nothing is known; assumed is two thirds of the closed case's resistance at the same
  capacity. Full work settles at 52 C in 25 C: the model where a governor must do nothing.
- Hot day. The closed case outside; the air about it goes from 44 to 50 C and back in two hours.

In all of them, 0.3 C/W and 1.5 s of the die over its sink are assumed (the governor knows only one
first-order part, so it meets something that it does not model). The work is assumed too: 6 W idle
and 20 W at 30 frames a second with a look at every 2nd frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.parts.plant import CAMERA_RATE, Board, Plant, Work

SECONDS = 7200
EVERY = 2
LOOK_AHEAD = 5
FULL_W = 20.0
ROOM_C = 25.0

_DIE_C_PER_W, _DIE_S = 0.3, 1.5


def case(ambient_c: float) -> Board:
    """The closed case with its fan."""
    settled_c, settled_s = 66.0, 600.0
    return Board(ambient_c, (settled_c - ROOM_C) / FULL_W - _DIE_C_PER_W, settled_s / 3)


def fan_off(ambient_c: float) -> Board:
    """The bare board without its fan."""
    idle_w, full_w, begin_c, end_c, seconds = 6.0, 25.0, 42.0, 85.0, 9.7 * 60
    sink_c_per_w = (begin_c - ROOM_C) / idle_w - _DIE_C_PER_W
    begin_sink_c, end_sink_c = begin_c - idle_w * _DIE_C_PER_W, end_c - full_w * _DIE_C_PER_W
    settled_sink_c = ROOM_C + full_w * sink_c_per_w
    left = (settled_sink_c - end_sink_c) / (settled_sink_c - begin_sink_c)
    return Board(ambient_c, sink_c_per_w, -seconds / math.log(left))


def fan_on(ambient_c: float) -> Board:
    """The bare board with its fan."""
    closed = case(ambient_c)
    sink_c_per_w = (closed.sink_c_per_w + _DIE_C_PER_W) * 2 / 3 - _DIE_C_PER_W
    capacity_j_per_c = closed.sink_s / closed.sink_c_per_w
    return Board(ambient_c, sink_c_per_w, sink_c_per_w * capacity_j_per_c)


@dataclass(frozen=True)
class Model:
    """A board in a place.

    Attributes:
        key: Its name in figures and files.
        label: Its name for people.
        board: How it gets rid of its heat.
        ambient_c: The air around after so many seconds.
    """

    key: str
    label: str
    board: Board
    ambient_c: Callable[[int], float]

    def plant(self, work: Work) -> Plant:
        """The board, switched on for long, before its camera starts."""
        return Plant(self.board, start_w=work.idle_w)

    def hottest_c(self, power_w: float, work: Work, *, stop_c: float = math.inf) -> float:
        """The highest temperature under a constant power; above `stop_c`, the first that is."""
        plant = self.plant(work)
        hottest_c = plant.die_c
        for second in range(SECONDS):
            plant.ambient_c = self.ambient_c(second)
            hottest_c = max(hottest_c, plant.advance(power_w))
            if hottest_c > stop_c:
                break
        return hottest_c


def steady(key: str, label: str, board: Board) -> Model:
    """A model in air that stays as it is."""
    return Model(key, label, board, lambda _second: board.ambient_c)


def _afternoon(second: int) -> float:
    return 44.0 + 6.0 * math.sin(math.pi * second / SECONDS)


CLOSED = "closed_case"
MODELS = (
    steady("fan_off", "fan off, 25 C", fan_off(25.0)),
    steady("fan_on", "fan on, 25 C", fan_on(25.0)),
    steady(CLOSED, "closed case, 40 C", case(40.0)),
    Model("hot_day", "closed case, hot day, 44 to 50 C", case(44.0), _afternoon),
)


@dataclass(frozen=True)
class Load:
    """What the camera has to do.

    Attributes:
        key: Its name in figures.
        label: Its name for people.
        work: What its parts draw.
    """

    key: str
    label: str
    work: Work

    @property
    def upscales(self) -> bool:
        """Whether sharpening is a part of it."""
        return self.work.upscale_j > 0


def _loads() -> tuple[Load, Load]:
    plain = Work()
    missing_w = FULL_W - plain.power_w(1.0, EVERY)
    times = (FULL_W - plain.idle_w) / (plain.power_w(1.0, EVERY) - plain.idle_w)
    return (
        Load("upscaling", "with upscaling", Work(upscale_j=missing_w / CAMERA_RATE)),
        # As many watts, but all in frames and looks, so that there is no upscaling to go first.
        Load(
            "plain",
            "without upscaling",
            Work(frame_j=plain.frame_j * times, look_j=plain.look_j * times),
        ),
    )


LOADS = _loads()
