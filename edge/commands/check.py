"""`faceguard check`: whether `faceguard run` will work with a configuration, and what to mend."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faceguard.edge.config.model import Config
    from faceguard.edge.doctor.finding import Check, Finding

HELP = "Says whether a configuration will run on this machine, and what to mend."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.epilog = (
        "Exit codes: 0 all is well; 1 there are warnings, or something is not there yet (a camera, "
        "room on the disk); 2 something that `faceguard run` cannot do without."
    )
    parser.add_argument(
        "-c", "--config", required=True, type=Path, metavar="FILE", help="the configuration"
    )
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    parser.add_argument("--no-camera", action="store_true", help="leave the camera alone")


def run(options: argparse.Namespace) -> int:
    """Looks at everything that the configuration names, and tells.

    Args:
        options: From `add_arguments`.

    Returns:
        0, 1 or 2; see `add_arguments`.
    """
    # Here and not above: `faceguard --help` shall not load all this.
    from faceguard.edge.check.seen import Discreet, exit_code
    from faceguard.edge.config.read import read_config
    from faceguard.edge.config.secret import hide
    from faceguard.edge.doctor.finding import Finding, State, examine
    from faceguard.edge.doctor.showing import show
    from faceguard.edge.service.scrub import Scrubber
    from faceguard.engines.errors import UsageError

    path: Path = options.config
    scrubber = Scrubber()
    config: Config | None = None
    faults: list[Finding] = []
    try:
        config = read_config(path)
        hide(config, scrubber)
    except UsageError as error:
        mend = "correct the file; faceguard config schema tells what it may hold"
        lines = str(error).splitlines()
        faults = [Finding("configuration", State.FAULT, line) for line in lines[:-1]]
        faults.append(Finding("configuration", State.FAULT, lines[-1], mend))
    if config is None:
        told = show(faults, as_json=options.json)
    else:
        looks = checks(config, path, camera=not options.no_camera)
        told = show(examine(looks, Discreet(scrubber)), as_json=options.json)
    code = exit_code(told)
    if not options.json:
        ends = (
            "All is well: faceguard run will work.",
            "faceguard run will work, as far as the warnings let it.",
            "faceguard run will not work before the faults are mended.",
        )
        sys.stdout.write(f"\n{ends[code]}\n")
    return code


def checks(config: Config, path: Path, *, camera: bool) -> list[Check]:
    """Everything that is looked at, in the order of the report.

    Args:
        config: What was read.
        path: Where from.
        camera: Whether the camera may be opened.
    """
    from faceguard.edge.check.camera import check_camera
    from faceguard.edge.check.detector import check_detector
    from faceguard.edge.check.doors import check_doors
    from faceguard.edge.check.heat import check_heat
    from faceguard.edge.check.packages import check_outputs
    from faceguard.edge.check.places import check_places
    from faceguard.edge.check.upscale import check_upscale
    from faceguard.edge.check.writing import check_file
    from faceguard.edge.doctor.finding import Check, State

    looks = [
        Check("configuration", partial(check_file, config, path), failing=State.FAULT),
        Check("detector", partial(check_detector, config, path), failing=State.FAULT),
    ]
    if camera:
        looks.append(Check("camera", partial(check_camera, config), failing=State.WARNING))
    return [
        *looks,
        Check("upscale", partial(check_upscale, config), failing=State.WARNING),
        Check("heat", partial(check_heat, config), failing=State.WARNING),
        Check("outputs", partial(check_outputs, config), failing=State.WARNING),
        Check("places", partial(check_places, config), failing=State.WARNING),
        Check("ports", partial(check_doors, config), failing=State.WARNING),
    ]
