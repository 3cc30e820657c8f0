"""Two hours of a board under one way to keep it cool, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.parts.heat_models import SECONDS, Load, Model
from benchmarks.parts.heat_rules import Way
from benchmarks.parts.heat_sensors import BoardSensors
from benchmarks.parts.plant import CAMERA_RATE, Plant

SECOND_NS = 1_000_000_000


@dataclass
class Outcome:
    """What came of a run.

    Attributes:
        frames: Delivered frames.
        cool_frames: Those of them delivered while the true temperature was within limit + 1 C.
        looks: Looks of the detector.
        sharpened: Sharpened frames.
        hottest_c: The highest true temperature.
        over_s: Seconds with a true temperature above the limit.
        far_over_s: The same above limit + 1 C.
        changes: Changes of level.
        temperatures_c: The true temperature after each second.
        rates: Frames a second, of each second.
        levels: The level of each second.
    """

    frames: float = 0.0
    cool_frames: float = 0.0
    looks: float = 0.0
    sharpened: float = 0.0
    hottest_c: float = -273.0
    over_s: int = 0
    far_over_s: int = 0
    changes: int = 0
    temperatures_c: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    levels: list[int] = field(default_factory=list)

    @property
    def looks_per_s(self) -> float:
        """Detection rate."""
        return self.looks / max(1, len(self.levels))

    @property
    def sharpened_share(self) -> float:
        """Part of the delivered frames that was sharpened."""
        return self.sharpened / self.frames if self.frames else 0.0


def run(
    way: Way,
    model: Model,
    load: Load,
    limit_c: float,
    seed: int,
    *,
    seconds: int = SECONDS,
    disturb: Callable[[int, Plant], float] | None = None,
) -> Outcome:
    """Lets a way work.

    Args:
        way: What decides, once a second.
        model: Board and place.
        load: What the camera has to do.
        limit_c: What over is counted from.
        seed: Of the sensors' noise.
        seconds: How long.
        disturb: Called before each second with the board, which it may change; gives the power that
            others draw then, watts.
    """
    plant, sensors, outcome = model.plant(load.work), BoardSensors(seed), Outcome()
    power_w, level = load.work.idle_w, 0
    for second in range(seconds):
        plant.ambient_c = model.ambient_c(second)
        others_w = disturb(second, plant) if disturb else 0.0
        setting = way.decide(sensors.survey(plant.die_c, power_w), second * SECOND_NS)
        upscales = setting.upscale and load.upscales
        power_w = others_w + load.work.power_w(setting.share, setting.every, upscale=upscales)
        die_c = plant.advance(power_w)
        frames = setting.share * CAMERA_RATE
        outcome.frames += frames
        outcome.looks += min(frames, CAMERA_RATE / setting.every)
        outcome.sharpened += frames if upscales else 0.0
        outcome.hottest_c = max(outcome.hottest_c, die_c)
        outcome.over_s += die_c > limit_c
        if die_c > limit_c + 1:
            outcome.far_over_s += 1
        else:
            outcome.cool_frames += frames
        outcome.changes += setting.level != level
        level = setting.level
        outcome.temperatures_c.append(die_c)
        outcome.rates.append(frames)
        outcome.levels.append(level)
    return outcome
