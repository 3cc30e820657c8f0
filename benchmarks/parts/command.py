"""What every benchmark's command line has in common."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.parts.truth import data_folder
from faceguard.engines.errors import FaceguardError

NOTHING_TO_MEASURE_ON = 2


def arguments(name: str, about: str | None, quick: str) -> argparse.ArgumentParser:
    """A parser with `--quick` and `--json`.

    Args:
        name: The benchmark's, as in `python -m benchmarks.NAME`.
        about: What it measures.
        quick: What a quick run does.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=about)
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write figures and rows here")
    return parser


def write_document(file: Path, document: dict[str, Any]) -> None:
    """Writes what was measured: a flat object `figures`, and the rows that they come from."""
    file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def on_data(
    name: str,
    about: str | None,
    measure: Callable[[Path, bool], dict[str, Any]],
    argv: Sequence[str] | None,
    *,
    pictures: str = "labelled pictures",
    quick: str = "a few pictures, under a minute",
) -> int:
    """The whole command of a benchmark that measures on the larger data set.

    Args:
        name: The benchmark's.
        about: What it measures.
        measure: Takes the data set's folder and whether to be quick, prints a table, and gives the
            figures and rows.
        argv: Arguments; None takes the process's.
        pictures: What it looks for in the data set.
        quick: What a quick run does.

    Returns:
        0 when it measured, 2 when there is nothing to measure on, else the error's exit code.
    """
    options = arguments(name, about, quick).parse_args(argv)
    data = data_folder()
    if data is None:
        print(f"{name}: no {pictures} here; set FACEGUARD_DATA to their folder", file=sys.stderr)
        return NOTHING_TO_MEASURE_ON
    try:
        measured = measure(data, options.quick)
    except FaceguardError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return error.exit_code
    if options.json:
        write_document(options.json, {"benchmark": name, "quick": options.quick, **measured})
    return 0
