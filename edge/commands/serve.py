"""`faceguard serve`: pictures over HTTP, until someone says stop."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from faceguard.edge.commands.detector_options import add_detector

HELP = "Redacts and enlarges pictures over HTTP."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.epilog = (
        "Exit codes: 0 stopped; 2 an option is no good; 3 a model or package is missing; 5 the "
        "port cannot be had; 7 a model fails to open; 8 there is too little memory for one."
    )
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="to listen on (%(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=8080, help="0 takes any that is free (%(default)s)"
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="holds the token that clients must send; or set FACEGUARD_SERVE_TOKEN",
    )
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME",
        help="enlarge with it; may be given again (those of ESPCN that are here)",
    )
    parser.add_argument(
        "--no-bare",
        action="store_true",
        help="refuse redact=false: no picture leaves without its faces covered",
    )
    limits = parser.add_argument_group("limits")
    limits.add_argument(
        "--max-upload", default="32M", metavar="BYTES", help="of a picture's file (%(default)s)"
    )
    limits.add_argument(
        "--max-pixels", type=int, default=64_000_000, metavar="N", help="of a picture (%(default)s)"
    )
    limits.add_argument(
        "--max-output-pixels",
        type=int,
        default=128_000_000,
        metavar="N",
        help="of an enlarged one (%(default)s)",
    )
    limits.add_argument(
        "--queue", type=int, default=32, metavar="N", help="pictures that may wait (%(default)s)"
    )
    limits.add_argument(
        "--deadline",
        type=float,
        default=60.0,
        metavar="S",
        help="for a picture, once it is here (%(default)g)",
    )
    limits.add_argument(
        "--memory-limit",
        metavar="BYTES",
        help="for all, half of it at most for pictures (what is free)",
    )
    faces = parser.add_argument_group("finding faces")
    add_detector(faces, "1280")


def run(options: argparse.Namespace) -> int:
    """Serves until it is told to stop, and returns the exit code."""
    # Here and not above: `faceguard serve --help` shall not load all this.
    from faceguard.edge.redactor_settings import RedactorSettings
    from faceguard.edge.serve.settings import ServeSettings, read_token
    from faceguard.edge.service.crash import no_core_dumps
    from faceguard.engines.memory import parse_bytes

    try:
        from faceguard.edge.serve.running import serve
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("faceguard"):
            raise
        from faceguard.engines.errors import MissingPackage

        raise MissingPackage(
            f"`faceguard serve` needs the Python package {error.name!r}; "
            "run: pip install 'faceguard-edge[web,cpu]'"
        ) from error

    no_core_dumps()
    settings = ServeSettings(
        host=options.host,
        port=options.port,
        token=read_token(options.token_file, os.environ),
        models=tuple(dict.fromkeys(options.model)),
        redactor=RedactorSettings(
            detector=options.detector,
            engine=options.engine,
            score=options.score,
            long_side=options.detect_size,
            tile=options.tile,
        ),
        may_be_bare=not options.no_bare,
        max_upload_bytes=parse_bytes(options.max_upload),
        max_pixels=options.max_pixels,
        max_output_pixels=options.max_output_pixels,
        queue=options.queue,
        deadline_s=options.deadline,
        memory_limit_bytes=options.memory_limit and parse_bytes(options.memory_limit),
    )
    return serve(settings, options.token_file, sys.stdout)
