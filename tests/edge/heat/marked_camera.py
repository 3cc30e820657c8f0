"""`faceguard` with a camera and a detector of the tests, in a process of its own.

Run as `python -m tests.edge.heat.marked_camera run -c FILE`. Everything is real but two things: the
camera films a scene whose faces bear a watermark, and the detector knows where they are. So what
comes out can be searched for faces without asking a detector that errs.
"""

from __future__ import annotations

import sys
from typing import Any

from faceguard.edge import cli
from faceguard.edge.live import daemon, rooms
from faceguard.engines.types import Detections, PixelSource
from tests.edge.live.no_leak import passing_by
from tests.edge.live.scene import Scene, Truthful, Watermarked, boxed

RATE = 25.0


def scene() -> Scene:
    """What is filmed; the same in each process."""
    return Scene(there=passing_by)


class Sure(Truthful):
    """Gives each face the same score; what a face needs is only written down, as detectors do."""

    def detect(self, source: PixelSource) -> Detections:
        index = self.look(source)
        faces = [] if index is None else self.scene.faces(index, (source.width, source.height))
        return boxed(faces, 0.95)


def main() -> int:
    """Runs `faceguard` with these two."""
    filmed = scene()

    def open_camera(*_args: Any, **_how: Any) -> Watermarked:
        return Watermarked(filmed, rate=RATE)

    def open_detector(*_args: Any) -> Sure:
        return Sure(filmed)

    rooms.open_camera = open_camera  # type: ignore[assignment]
    daemon.open_live_detector = open_detector  # type: ignore[assignment]
    daemon.check_detector = lambda _config: None
    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
