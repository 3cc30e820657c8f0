"""`faceguard config`: what a configuration may hold, and what one comes to."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

HELP = "Shows what a configuration may hold, or what one comes to with every default."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares schema and show."""
    group = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    schema = group.add_parser(
        "schema", help="the JSON Schema, with which editors complete and check"
    )
    schema.set_defaults(act=_schema)
    show = group.add_parser("show", help="the configuration with every default; no secrets")
    show.add_argument(
        "-c", "--config", required=True, type=Path, metavar="FILE", help="the configuration"
    )
    show.set_defaults(act=_show)


def run(options: argparse.Namespace) -> int:
    """Does what was asked.

    Args:
        options: From `add_arguments`.

    Returns:
        0.

    Raises:
        UsageError: The configuration cannot be read or does not hold what it should.
    """
    options.act(options)
    return 0


def _schema(_options: argparse.Namespace) -> None:
    from faceguard.edge.config.show import schema

    sys.stdout.write(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n")


def _show(options: argparse.Namespace) -> None:
    from faceguard.edge.config.read import read_config
    from faceguard.edge.config.show import as_yaml

    sys.stdout.write(as_yaml(read_config(options.config)))
