"""`faceguard run`: the camera, until someone says stop."""

from __future__ import annotations

import argparse
import os
import sys
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
    daemon = Daemon(read_config(options.config), options.config)
    try:
        return daemon.run()
    finally:
        if daemon.hanging:
            _leave()


def _leave() -> None:
    """Ends the process at once: Python would wait for threads that hang in a driver for ever."""
    from faceguard.edge.service import logs

    error = sys.exc_info()[1]
    code = getattr(error, "exit_code", 1) if error is not None else 0
    if error is not None:
        sys.stderr.write(f"faceguard: {error}\n")
    logs.put_back()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
