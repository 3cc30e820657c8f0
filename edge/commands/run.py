"""`faceguard run`: the camera, until someone says stop."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "Runs the camera: frames in, redacted video out."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.epilog = (
        "Exit codes: 0 stopped, or the file came to its end; 1 the file cannot be read, or the "
        "camera's driver hangs for good; 2 the configuration is no good; 3 a model or package is "
        "missing; 5 the runtime folder cannot be written; 7 the detector failed for too long; "
        "10 another faceguard has this camera."
    )
    parser.add_argument(
        "-c",
        "--config",
        required=True,
        type=Path,
        metavar="FILE",
        help="the configuration; `faceguard check` looks at it first",
    )


def run(options: argparse.Namespace) -> int:
    """Runs the camera and returns the exit code."""
    # Here and not above: `faceguard run --help` shall not load all this.
    import cv2

    from faceguard.edge.config.read import read_config
    from faceguard.edge.live.daemon import Daemon
    from faceguard.edge.service.crash import no_core_dumps

    no_core_dumps()
    # The detector's room is one thread by design; OpenCV's own only wake up beside it.
    cv2.setNumThreads(1)
    return Daemon(read_config(options.config), options.config).run()
