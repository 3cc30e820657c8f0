"""What all of test_no_leak_*.py share: a house in which something breaks, and how it must end.

The scene's faces bear a watermark, the detector knows them all, and something goes wrong: camera,
detector, tracker, redaction, memory, outputs, disk, clocks, or several at a time. Afterwards
everything that came out is searched: raw pictures, recordings, snapshots, events, log, status and
figures. And when nothing is wrong any more, frames with masks must come again.
"""

from __future__ import annotations

from typing import Any

from tests.edge.live.camera_faults import CameraFault, FaultyCamera
from tests.edge.live.faults import Hanging, Script
from tests.edge.live.house import House, until
from tests.edge.live.scene import Scene, Watermarked

# Frames that a face stays, and stays away.
_STAY = 24


def passing_by(index: int, face: int) -> bool:
    """Faces that come and go."""
    return (index + 17 * face) // _STAY % 2 == 0


def plan(every: int = 1, look_ahead: int = 0, **redaction: Any) -> dict[str, Any]:
    """What a configuration says of looks and covers."""
    return {
        "detector": {"every": every},
        "tracking": {"look_ahead": look_ahead},
        "redaction": redaction,
    }


def filmed(scene: Scene, script: Script[CameraFault], hanging: Hanging | None = None, **how: Any):
    """Opens a camera whose faults go on from connection to connection."""
    how = {"rate": 200, **how}
    return lambda: FaultyCamera(Watermarked(scene, **how), script, hanging)


def until_well(house: House) -> None:
    """Waits until something is seen again that happened after now."""
    house.scene.next_index()
    now = house.scene.filmed[-1]

    def shows() -> bool:
        last = house.last_frame()
        return last is not None and last.cover.whole is None and (last.number or 0) > now

    until(shows, "no frame with masks came any more")


def ends_well(house: House) -> None:
    """Waits until masks cover again, ends it, and looks at all that came out."""
    until_well(house)
    assert house.finish() == []
    assert house.assert_no_leak() > 0
