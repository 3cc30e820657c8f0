"""`faceguard bench`: what a part of the camera costs on this machine, before it is switched on."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faceguard.edge.bench.upscaling import Row
    from faceguard.engines.catalogue import Catalogue

HELP = "Measures what a part of the camera costs on this machine."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what can be measured."""
    group = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    _add_upscale(group)


def run(options: argparse.Namespace) -> int:
    """Measures what was asked for.

    Args:
        options: From `add_arguments`.

    Returns:
        0.

    Raises:
        FaceguardError: A model is not on this machine or does not run, an option cannot be meant,
            or there is no figure at all.
    """
    act: Callable[[argparse.Namespace], int] = options.act
    return act(options)


def _add_upscale(group: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = group.add_parser(
        "upscale",
        help="frames per second of enlarging, by model and size",
        epilog=(
            "Frames as a stream has them (I420), all cores, and nothing else of the camera beside: "
            "finding faces and encoding come on top. The memory is this program's at its most, "
            "with the frame and its result; where the time is predicted, it is foreseen, with "
            "something to spare. A model that is new on this machine is first tried once to see "
            "what memory it takes. Exit codes: 0 there are figures; 2 an option cannot be meant; "
            "3 a model is not on this machine; 8 there is too little memory for any size."
        ),
    )
    parser.add_argument(
        "--model",
        nargs="+",
        action="extend",
        metavar="NAME",
        help="see `faceguard models list` (all that are on this machine)",
    )
    parser.add_argument(
        "--size",
        nargs="+",
        action="extend",
        metavar="WxH",
        help="frame sizes (640x360 1280x720 1920x1080)",
    )
    parser.add_argument(
        "--threads", type=int, default=0, metavar="N", help="0: one for each core (0)"
    )
    parser.add_argument(
        "--memory-limit",
        metavar="2G",
        help="the most memory for the whole program (all that is free)",
    )
    parser.add_argument(
        "--seconds", type=float, metavar="S", help="time for each row, about; 0.1 to 600 (3)"
    )
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")
    parser.set_defaults(act=_upscale)


def _upscale(options: argparse.Namespace) -> int:
    from faceguard.edge.bench import table
    from faceguard.edge.bench.progress import BenchProgress
    from faceguard.edge.bench.upscaling import USUAL_SECONDS, USUAL_SIZES, measure, parse_size
    from faceguard.engines.catalogue import read_catalogue
    from faceguard.engines.errors import UsageError
    from faceguard.engines.memory import parse_bytes
    from faceguard.engines.upscaling.opening import open_upscaler

    if options.threads < 0:
        raise UsageError(f"--threads {options.threads} must be 0, for one for each core, or more")
    seconds = USUAL_SECONDS if options.seconds is None else options.seconds
    if not 0.1 <= seconds <= 600:
        raise UsageError(f"--seconds {seconds:g} must be 0.1 to 600")
    limit_bytes = None if options.memory_limit is None else parse_bytes(options.memory_limit)
    sizes = [parse_size(text) for text in options.size] if options.size else list(USUAL_SIZES)
    catalogue = read_catalogue()
    names = _models(options.model, catalogue, quiet=options.quiet)
    rows: list[Row] = []
    if not options.json:
        _say(table.head())
    with BenchProgress(len(names) * len(sizes), quiet=options.quiet) as progress:
        for name in names:
            with progress.preparing(name) as say:
                upscaler = open_upscaler(
                    name,
                    threads=options.threads,
                    memory_limit_bytes=limit_bytes,
                    catalogue=catalogue,
                    say=say,
                )
            with upscaler:
                for width, height in sizes:
                    with progress.row(f"{name} {width}x{height}") as watch:
                        row = measure(
                            upscaler,
                            width,
                            height,
                            seconds=seconds,
                            memory_limit_bytes=limit_bytes,
                            foresee=upscaler.admission.foreseen_bytes,
                            watch=watch,
                        )
                    rows.append(row)
                    if not options.json:
                        _say(table.line(row))
    if options.json:
        _say(json.dumps({"threads": options.threads, "rows": table.plain(rows)}, indent=2))
    elif any(row.timing is not None and row.timing.is_predicted for row in rows):
        _say(table.PREDICTED_WORDS)
    refused = [row.refused for row in rows if row.refused is not None]
    if len(refused) == len(rows):
        raise refused[0]
    return 0


def _models(asked: Sequence[str] | None, catalogue: Catalogue, *, quiet: bool) -> list[str]:
    """Those that were asked for, or all that are here."""
    from faceguard.edge.enhance.choosing import model_for
    from faceguard.engines.errors import ModelMissing
    from faceguard.engines.store import State, find_graph, state_of

    if asked:
        names = [model_for(None, name, catalogue) for name in dict.fromkeys(asked)]
        for name in names:
            find_graph(name, catalogue=catalogue)
        return names
    entries = catalogue.upscalers()
    here = [one.name for one in entries if state_of(one, catalogue)[0] is State.READY]
    absent = ", ".join(one.name for one in entries if one.name not in here)
    if not here:
        raise ModelMissing(
            f"no model that enlarges is on this machine; `faceguard models pull` one of {absent}"
        )
    if absent and not quiet:
        sys.stderr.write(f"faceguard: not on this machine, so not measured: {absent}\n")
    return here


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
