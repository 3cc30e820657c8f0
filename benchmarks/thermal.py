"""How much of a camera's work this governor lets through under a limit of 75 C, on heat models.

`python -m benchmarks.thermal [--quick] [--only MODEL] [--json FILE] [--plots FOLDER]`.
Nothing of this ran on a board: the models are fitted to what others saw on boards, with assumptions
that benchmarks/parts/heat_models.py lists. Two hours each, one look at all sensors a second, with
noise of 0.2 C and steps of 31 millidegrees, cv zones that fail, and die and sink apart.

- this governor: what `faceguard run` has, trust and governor with their defaults;
- the source's rule: above 75 C half the rate, above 80 C a pause, else everything; it knows only
  the rate, so upscaling stays on;
- the best constant setting, found by search, that never passes the limit in these two hours; it
  knows the afternoon beforehand. It saves in the order that the governor must keep: upscaling, then
  frames, then looks. Beside it, what it could do if it might reach limit + 1 C, and if looks might
  become rarer first;
- an ideal that knows all and takes each second what ends it at the limit: it shows what there was
  to be had.

"cool" are the frames delivered while the true temperature was within limit + 1 C. Once with
upscaling as a part of the work, once with as many watts but no upscaling to save. The last table
puts the closed case into cooler and warmer places.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.parts.command import NOTHING_TO_MEASURE_ON, arguments, write_document
from benchmarks.parts.heat_models import LOADS, MODELS, Model, case, steady
from benchmarks.parts.heat_table import HEAD, Row, figures, measure_row
from benchmarks.parts.measure import machine
from faceguard.edge.heat.settings import GovernorSettings

TARGETS = {
    "share_of_best_constant": (">=", 0.95),
    "seconds_over": ("<=", 0.0),
    "gain_over_source_rule": (">=", 0.15),
}
SEEDS = (1, 2, 3, 4, 5)
PLACES_C = (30.0, 35.0, 40.0, 45.0, 50.0, 55.0)


def measure(models: Sequence[Model], seeds: Sequence[int], say: Callable[[str], None]) -> list[Row]:
    """All ways on every board under every load."""
    settings = GovernorSettings()
    rows = []
    for load in LOADS:
        for model in models:
            say(f"{model.label}, {load.label}")
            rows.append(measure_row(model, load, settings, seeds))
    return rows


def measure_places(seed: int, say: Callable[[str], None]) -> list[Row]:
    """The closed case in cooler and warmer places."""
    settings = GovernorSettings()
    say("closed case, other places")
    return [
        measure_row(
            steady(f"case_{place_c:g}", f"{place_c:g} C", case(place_c)), load, settings, [seed]
        )
        for load in LOADS
        for place_c in PLACES_C
    ]


def place_lines(rows: Sequence[Row]) -> list[str]:
    """The table over places."""
    told = [
        "",
        "the closed case elsewhere: this governor, and of the source's rule its last three columns",
        f"{'':24}   share   gain   max C  over+1  changes          max C  over+1  changes",
    ]
    for row in rows:
        ours, theirs = row.governed[0], row.ruled[0]
        told.append(
            f"{row.model.label:>7}, {row.load.label:17}{row.shares[0]:7.3f}{row.gains[0]:+7.2f}"
            f"{ours.hottest_c:8.2f}{ours.far_over_s:8}{ours.changes:9}"
            f"{theirs.hottest_c:15.2f}{theirs.far_over_s:8}{theirs.changes:9}"
        )
    return told


def main(argv: list[str] | None = None) -> int:
    """Runs the benchmark; 0 when it measured, 2 when plots are wanted and cannot be drawn."""
    parser = arguments("thermal", __doc__, "one seed and no other places: some seconds")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="write heat-MODEL.png there")
    keys = [model.key for model in MODELS]
    parser.add_argument("--only", choices=keys, help="one model alone, without other places")
    options = parser.parse_args(argv)

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    seeds = SEEDS[:1] if options.quick else SEEDS
    models = [model for model in MODELS if options.only in (None, model.key)]
    rows = measure(models, seeds, say)
    places = [] if options.quick or options.only else measure_places(SEEDS[0], say)
    found = figures(rows)
    told = [f"two hours, {len(seeds)} seeds: the worst of each column", HEAD]
    for row in rows:
        told += row.lines()
    if places:
        told += place_lines(places)
    told.append("")
    for name, value in found.items():
        aim = ""
        if name in TARGETS:
            sign, target = TARGETS[name]
            met = value >= target if sign == ">=" else value <= target
            aim = f"  (aim {sign} {target:g}: {'met' if met else 'MISSED'})"
        told.append(f"{name} {value:g}{aim}")
    print("\n".join(told), flush=True)
    if options.plots:
        try:
            from benchmarks.parts.heat_plot import plot_models
        except ImportError as error:
            say(f"thermal: no plots: {error}; pip install matplotlib")
            return NOTHING_TO_MEASURE_ON
        for file in plot_models(rows, options.plots, GovernorSettings().limit_c):
            say(f"wrote {file}")
    if options.json:
        write_document(
            options.json,
            {
                "benchmark": "thermal",
                "quick": options.quick,
                "seeds": list(seeds),
                "figures": found,
                "targets": {name: f"{sign} {aim:g}" for name, (sign, aim) in TARGETS.items()},
                "rows": [row.told() for row in rows],
                "places": [row.told() for row in places],
                "machine": machine("faceguard-edge"),
            },
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
