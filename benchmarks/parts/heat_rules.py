"""The ways to keep a board cool: this governor, the source's rule, constants, and an ideal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from benchmarks.parts.heat_models import EVERY, LOOK_AHEAD, SECONDS, Load, Model
from benchmarks.parts.heat_sensors import hottest_c
from benchmarks.parts.plant import CAMERA_RATE, Plant, Work
from faceguard.edge.heat.governing.governor import Governor
from faceguard.edge.heat.governing.ladder import ladder
from faceguard.edge.heat.reading import Survey
from faceguard.edge.heat.settings import GovernorSettings
from faceguard.edge.heat.trust import Memory, judge


@dataclass(frozen=True)
class Setting:
    """What is done in a second.

    Attributes:
        share: Part of the camera's frames that are taken in.
        every: The detector looks at every n-th frame of the camera.
        upscale: Whether frames are sharpened, where that is asked for at all.
        level: How far down this is; of use only to count changes.
    """

    share: float = 1.0
    every: int = EVERY
    upscale: bool = True
    level: int = 0


class Way(Protocol):
    """A way to keep a board cool."""

    def decide(self, survey: Survey, now_ns: int) -> Setting:
        """What to do until the next second, after one look at all sensors."""
        ...


class Governed:
    """Faceguard's governor as the camera runs it: trust, then governor, once a second."""

    def __init__(self, load: Load, settings: GovernorSettings) -> None:
        """Starts it with the ladder of the defaults."""
        self.settings = settings
        self.rungs = ladder(settings, every=EVERY, look_ahead=LOOK_AHEAD, upscales=load.upscales)
        self.governor = Governor(settings, self.rungs)
        self._state = self.governor.start(0)
        self._memory = Memory()
        self._work = self.rungs[0].load

    def decide(self, survey: Survey, now_ns: int) -> Setting:
        """One step of the governor."""
        self._memory, judged = judge(self._memory, survey, now_ns, self._work, self.settings)
        self._state, budget = self.governor.step(self._state, judged.reading, now_ns, CAMERA_RATE)
        self._work = self.rungs[budget.level].load
        rate = CAMERA_RATE if budget.frames_per_s is None else budget.frames_per_s
        share = 0.0 if budget.paused else min(1.0, rate / CAMERA_RATE)
        return Setting(share, max(EVERY, budget.detect_every), budget.upscale, budget.level)


class SourceRule:
    """Above the limit half the rate, 5 C above it a pause, else everything; nothing is kept.

    It knows only the rate: upscaling and the detector stay as configured.
    """

    def __init__(self, limit_c: float) -> None:
        """Takes the limit, degrees Celsius."""
        self._limit_c = limit_c
        self._settings = (Setting(), Setting(share=0.5, level=1), Setting(share=0.0, level=2))

    def decide(self, survey: Survey, now_ns: int) -> Setting:  # noqa: ARG002 - a rule without time
        """Compares the highest temperature of all."""
        felt_c = hottest_c(survey)
        excess_c = -1.0 if felt_c is None else felt_c - self._limit_c
        return self._settings[(excess_c > 0) + (excess_c > 5)]


class Constant:
    """One setting, whatever the temperature."""

    def __init__(self, setting: Setting) -> None:
        """Takes the setting."""
        self.setting = setting

    def decide(self, survey: Survey, now_ns: int) -> Setting:  # noqa: ARG002 - it looks at nothing
        """The setting."""
        return self.setting


class Ideal:
    """Each second the most frames that keep the true temperature within the limit.

    It knows the board, the air and the work exactly, and what it decides is felt without noise:
    nothing real can. Upscaling goes on only beside all frames.
    """

    def __init__(
        self,
        model: Model,
        load: Load,
        limit_c: float,
        *,
        disturb: Callable[[int, Plant], float] | None = None,
    ) -> None:
        """Keeps a twin of the board.

        Args:
            model: Board and place.
            load: The work.
            limit_c: What the temperature must not pass.
            disturb: What happens to the board, as for `run`.
        """
        self._model, self._work, self._limit_c = model, load.work, limit_c
        self._upscales, self._disturb = load.upscales, disturb
        self._plant = model.plant(load.work)

    def decide(self, survey: Survey, now_ns: int) -> Setting:  # noqa: ARG002 - it knows it all
        """Solves for the power that ends the second at the limit, and spends it."""
        plant, work, second = self._plant, self._work, now_ns // 1_000_000_000
        plant.ambient_c = self._model.ambient_c(second)
        others_w = self._disturb(second, plant) if self._disturb else 0.0
        before = plant.sink_c, plant.rise_c
        unheated_c = plant.advance(0.0)
        plant.sink_c, plant.rise_c = before
        each_c = plant.advance(1.0) - unheated_c
        plant.sink_c, plant.rise_c = before
        free_w = (self._limit_c - unheated_c) / each_c - others_w
        upscale = self._upscales and work.power_w(1.0, EVERY) <= free_w
        share = _share_within(work, free_w, upscale=upscale)
        plant.advance(others_w + work.power_w(share, EVERY, upscale=upscale))
        return Setting(share, EVERY, upscale)


def _share_within(work: Work, power_w: float, *, upscale: bool) -> float:
    """The largest share of the frames that draws no more than a power."""
    low, high = 0.0, 1.0
    if work.power_w(high, EVERY, upscale=upscale) <= power_w:
        return high
    for _ in range(20):
        middle = (low + high) / 2
        fits = work.power_w(middle, EVERY, upscale=upscale) <= power_w
        low, high = (middle, high) if fits else (low, middle)
    return low


def best_constant(
    model: Model, load: Load, limit_c: float, settings: GovernorSettings, *, rarer: bool = False
) -> Setting:
    """The constant setting with the most frames whose true temperature never passes the limit.

    It knows board, place and work beforehand, as no governor can. The share of the frames is
    searched by bisection, with and without upscaling.

    Args:
        model: The board.
        load: The work.
        limit_c: What the temperature must not pass.
        settings: How rare the ladder lets looks become.
        rarer: Lets looks become as rare as the settings ever allow while frames are not yet at
            their least, which the ladder does not: frames go first there, then looks.
    """
    best = Setting(share=0.0)
    for every in range(EVERY, min(settings.most_every, LOOK_AHEAD + 1) + 1):
        if every > EVERY and not rarer and best.share > settings.least_share:
            break
        for upscale in (True, False) if load.upscales else (True,):
            share = _largest_share(model, load, limit_c, every, upscale)
            if share > best.share:
                best = Setting(share, every, upscale)
    return best


def _largest_share(model: Model, load: Load, limit_c: float, every: int, upscale: bool) -> float:
    def holds(share: float) -> bool:
        power_w = load.work.power_w(share, every, upscale=upscale)
        return model.hottest_c(power_w, load.work, stop_c=limit_c) <= limit_c

    if holds(1.0):
        return 1.0
    low, high = 0.0, 1.0
    while high - low > 0.5 / (CAMERA_RATE * SECONDS):  # half a frame of all
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
