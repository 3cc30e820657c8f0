"""The options that say how faces are found, of every command that finds some in pictures."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_detector(faces: argparse._ArgumentGroup, usual_px: str) -> None:
    """Declares which detector looks, and how closely.

    Args:
        faces: Where they are shown.
        usual_px: What `--detect-size` is where it is left out, for its help.
    """
    faces.add_argument("--detector", metavar="NAME", help="see `faceguard models list` (yunet)")
    faces.add_argument(
        "--engine",
        type=Path,
        metavar="FILE",
        help="run it on this engine: `faceguard engines list`",
    )
    faces.add_argument("--score", type=float, help="what a face needs to be believed, 0 to 1")
    faces.add_argument(
        "--detect-size",
        type=int,
        metavar="PX",
        help=f"long side that the detector sees ({usual_px})",
    )
    faces.add_argument(
        "--tile", action="store_true", help="look at large pictures in full resolution too; slower"
    )
