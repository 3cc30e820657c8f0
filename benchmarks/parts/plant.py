"""A board as a heat model: what the work draws, and how warm that makes it.

Two first-order parts in a row: the die follows its power within about a second, the heat sink
within minutes. What the camera's work draws is split into what a frame, a look of the detector and
sharpening cost. None of it was measured on a board: the sinks are fitted to what others saw there
(benchmarks/parts/heat_models.py), and the split of the work is an assumption.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

CAMERA_RATE = 30.0


@dataclass(frozen=True)
class Work:
    """What the parts of the work draw.

    Attributes:
        idle_w: The board with the camera paused.
        frame_j: Energy of a frame: capture, redaction, encoding.
        look_j: Energy of a look of the detector.
        upscale_j: Energy of sharpening a frame; 0 where nothing is sharpened.
    """

    idle_w: float = 6.0
    frame_j: float = 0.2
    look_j: float = 0.15
    upscale_j: float = 0.0

    def power_w(
        self, share: float, every: int, *, upscale: bool = True, rate: float = CAMERA_RATE
    ) -> float:
        """What the board draws, watts.

        Args:
            share: Part of the camera's frames that are taken in, 0 for a pause.
            every: The detector looks at every n-th frame of the camera, but at no dropped one.
            upscale: Whether frames are sharpened.
            rate: Frames a second that the camera gives.
        """
        frames = share * rate
        looks = min(frames, rate / every)
        sharpened = frames if upscale else 0.0
        return (
            self.idle_w + frames * self.frame_j + looks * self.look_j + sharpened * self.upscale_j
        )


@dataclass(frozen=True)
class Board:
    """How a board gets rid of its heat.

    Attributes:
        ambient_c: The air around.
        sink_c_per_w: Rise of the sink over the air for each watt, once settled.
        sink_s: Time constant of the sink.
        die_c_per_w: Rise of the die over the sink for each watt.
        die_s: Time constant of the die.
    """

    ambient_c: float
    sink_c_per_w: float
    sink_s: float
    die_c_per_w: float = 0.3
    die_s: float = 1.5

    def settled_c(self, power_w: float) -> float:
        """Where the die ends up under a constant power."""
        return self.ambient_c + power_w * (self.sink_c_per_w + self.die_c_per_w)


class Plant:
    """A board while it works.

    Attributes:
        board: How it gets rid of its heat now; another one may be put there (a fan that fails).
        ambient_c: The air around now; begins as the board's and may be changed.
        sink_c: Temperature of the sink.
        rise_c: What the die is warmer than the sink.
    """

    def __init__(
        self, board: Board, *, start_c: float | None = None, start_w: float | None = None
    ) -> None:
        """Starts.

        Args:
            board: How it gets rid of its heat.
            start_c: Temperature of die and sink; None for the air's.
            start_w: Settled under so much power, in place of `start_c`.
        """
        self.board = board
        self.ambient_c = board.ambient_c
        self.sink_c = board.ambient_c if start_c is None else start_c
        self.rise_c = 0.0
        if start_w is not None:
            self.sink_c = board.ambient_c + start_w * board.sink_c_per_w
            self.rise_c = start_w * board.die_c_per_w

    @property
    def die_c(self) -> float:
        """Temperature of the die."""
        return self.sink_c + self.rise_c

    def advance(self, power_w: float, seconds: float = 1.0) -> float:
        """Lets time pass under a constant power and air; exact for any step, as all is linear.

        Returns:
            The die's temperature after it.
        """
        board = self.board
        sink_end_c = self.ambient_c + power_w * board.sink_c_per_w
        rise_end_c = power_w * board.die_c_per_w
        self.sink_c = sink_end_c + (self.sink_c - sink_end_c) * math.exp(-seconds / board.sink_s)
        self.rise_c = rise_end_c + (self.rise_c - rise_end_c) * math.exp(-seconds / board.die_s)
        return self.die_c
