"""The thermal benchmark's rows: all ways on one board under one load, and what is told of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from benchmarks.parts.heat_models import CLOSED, Load, Model
from benchmarks.parts.heat_rules import (
    Constant,
    Governed,
    Ideal,
    Setting,
    SourceRule,
    Way,
    best_constant,
)
from benchmarks.parts.heat_run import Outcome, run
from faceguard.edge.heat.settings import GovernorSettings

GOVERNOR, SOURCE = "this governor", "source's rule"
BEST, BEST_HOTTER, BEST_RARER = "best constant", "  limit + 1 C", "  rarer looks"
IDEAL = "ideal"


@dataclass
class Row:
    """A board under a load.

    Attributes:
        model: Board and place.
        load: The work.
        governed: What came of this governor, one for each seed.
        ruled: What came of the source's rule, one for each seed.
        constants: The best constant setting; the same where limit + 1 C may be reached; the same
            where looks may become rarer before frames are at their least.
        known: What came of those three, and of the ideal: all that know the board beforehand.
    """

    model: Model
    load: Load
    governed: list[Outcome]
    ruled: list[Outcome]
    constants: dict[str, Setting]
    known: dict[str, Outcome]

    @property
    def shares(self) -> list[float]:
        """The governor's frames as a share of the best constant setting's, for each seed."""
        return [one.frames / self.known[BEST].frames for one in self.governed]

    @property
    def ideal_shares(self) -> list[float]:
        """The same of the ideal's."""
        return [one.frames / self.known[IDEAL].frames for one in self.governed]

    @property
    def gains(self) -> list[float]:
        """How many more frames than the source's rule, as a share of its frames."""
        return [
            ours.frames / theirs.frames - 1
            for ours, theirs in zip(self.governed, self.ruled, strict=True)
        ]

    def told(self) -> dict[str, Any]:
        """The row for a file."""
        ways = {GOVERNOR: self.governed, SOURCE: self.ruled}
        ways |= {name: [outcome] for name, outcome in self.known.items()}
        return {
            "model": self.model.key,
            "load": self.load.key,
            "settings": {
                name.strip(): {"share": one.share, "every": one.every, "upscale": one.upscale}
                for name, one in self.constants.items()
            },
            "ways": {name.strip(): [_plain(one) for one in found] for name, found in ways.items()},
        }

    def lines(self) -> list[str]:
        """The row for people: of several seeds the worst of each column."""
        found = [f"{self.model.label}, {self.load.label}"]
        for name, outcomes in ((GOVERNOR, self.governed), (SOURCE, self.ruled)):
            found.append(_line(name, outcomes))
        found += [_line(name, [outcome]) for name, outcome in self.known.items()]
        return found


def measure_row(model: Model, load: Load, settings: GovernorSettings, seeds: Sequence[int]) -> Row:
    """All ways on one board under one load."""
    limit_c = settings.limit_c
    constants = {
        BEST: best_constant(model, load, limit_c, settings),
        BEST_HOTTER: best_constant(model, load, limit_c + 1, settings),
        BEST_RARER: best_constant(model, load, limit_c, settings, rarer=True),
    }
    known: dict[str, Way] = {name: Constant(one) for name, one in constants.items()}
    known[IDEAL] = Ideal(model, load, limit_c)
    return Row(
        model,
        load,
        [run(Governed(load, settings), model, load, limit_c, seed) for seed in seeds],
        [run(SourceRule(limit_c), model, load, limit_c, seed) for seed in seeds],
        constants,
        {name: run(way, model, load, limit_c, 0) for name, way in known.items()},
    )


def figures(rows: Sequence[Row]) -> dict[str, float]:
    """What is to be compared from one run of this to the next, as one flat object.

    Of several seeds always the worst one's.
    """
    closed = {row.load.key: min(row.gains) for row in rows if row.model.key == CLOSED}
    flat: dict[str, float] = {
        "share_of_best_constant": min(min(row.shares) for row in rows),
        "seconds_over": sum(max(one.far_over_s for one in row.governed) for row in rows),
    }
    if "upscaling" in closed:
        flat["gain_over_source_rule"] = closed["upscaling"]
    for row in rows:
        key = f"{row.load.key}_{row.model.key}"
        flat |= {
            f"share_{key}": min(row.shares),
            f"of_ideal_{key}": min(row.ideal_shares),
            f"gain_{key}": min(row.gains),
            f"hottest_c_{key}": max(one.hottest_c for one in row.governed),
            f"changes_{key}": max(one.changes for one in row.governed),
        }
    return {name: round(value, 4) for name, value in flat.items()}


_HEADS = {"frames": 9, "cool": 9, "max C": 7, "over s": 8, "over+1": 8, "changes": 9}
_HEADS |= {"looks/s": 9, "sharp": 7}
HEAD = " " * 16 + "".join(f"{name:>{width}}" for name, width in _HEADS.items())


def _line(name: str, outcomes: Sequence[Outcome]) -> str:
    return (
        f"  {name:14}{min(one.frames for one in outcomes):9.0f}"
        f"{min(one.cool_frames for one in outcomes):9.0f}"
        f"{max(one.hottest_c for one in outcomes):7.2f}"
        f"{max(one.over_s for one in outcomes):8}{max(one.far_over_s for one in outcomes):8}"
        f"{max(one.changes for one in outcomes):9}"
        f"{min(one.looks_per_s for one in outcomes):9.2f}"
        f"{mean(one.sharpened_share for one in outcomes):7.2f}"
    )


def _plain(outcome: Outcome) -> dict[str, float]:
    return {
        "frames": round(outcome.frames, 1),
        "cool_frames": round(outcome.cool_frames, 1),
        "hottest_c": round(outcome.hottest_c, 3),
        "over_s": outcome.over_s,
        "far_over_s": outcome.far_over_s,
        "changes": outcome.changes,
        "looks_per_s": round(outcome.looks_per_s, 3),
        "sharpened_share": round(outcome.sharpened_share, 4),
    }
