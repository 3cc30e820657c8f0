"""Runs in a process of its own, before the fake camera of tests/native/fake_v4l2.c.

Takes plans as JSON, one a line, reads the camera as each says, and answers what happened, one line
each. What a picture holds is checked in here, where its planes are.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from faceguard.edge.cameras.v4l2 import V4l2
from faceguard.edge.config.camera import V4l2Camera
from faceguard.edge.types import Image, PixelFormat
from faceguard.engines.errors import FaceguardError


def picture_number(image: Image) -> int | None:
    """Which of the fake's pictures this is, or None where any sample is not as it drew it."""
    luma = image.planes[0]
    number = int(luma[0, 0])
    rows, columns = np.mgrid[: image.height, : image.width]
    if not np.array_equal(luma, (3 * columns + 5 * rows + number).astype(np.uint8)):
        return None
    if image.format is PixelFormat.GRAY:
        return number
    rows, columns = np.mgrid[: image.height // 2, : image.width // 2]
    u = (columns + 2 * rows + number).astype(np.uint8)
    v = (7 * columns + rows + 2 * number).astype(np.uint8)
    if image.format is PixelFormat.NV12:
        drawn = (image.planes[1][..., 0], image.planes[1][..., 1])
    else:
        drawn = (image.planes[1], image.planes[2])
    same = np.array_equal(drawn[0], u) and np.array_equal(drawn[1], v)
    return number if same else None


def control(letter: str) -> None:
    """Brings a fault about, or ends it."""
    # Not made anew: the fake looks at it through a mapping.
    with Path(os.environ["FAKE_V4L2_CONTROL"]).open("r+") as file:
        file.write(letter)


def read(source: V4l2, count: int, told: dict[str, Any]) -> None:
    """Reads pictures and tells what they were."""
    for _ in range(count):
        shot = source.read()
        image = shot.image
        told["pictures"].append(
            {
                "format": image.format.name,
                "size": [image.width, image.height],
                "full_range": image.full_range,
                "number": picture_number(image),
                "mean": [float(plane.mean()) for plane in image.planes],
                "age_ns": time.monotonic_ns() - shot.captured_ns,
                "time_ns": shot.time_ns,
                "duration_ns": shot.duration_ns,
                "damaged": shot.damaged,
                "mark": shot.source_ns,
            }
        )


def run(plan: dict[str, Any], told: dict[str, Any]) -> None:
    """Does what the plan says."""
    config = V4l2Camera.model_validate(plan["config"])
    limits = {"open_within_s": plan["open_within_s"], "silent_after_s": plan["silent_after_s"]}
    with V4l2(config, **limits) as source:
        info = source.info
        told["info"] = {
            "size": [info.width, info.height],
            "rate": None if info.rate is None else float(info.rate),
            "format": info.format,
            "live": info.live,
            "notes": list(info.notes),
        }
        read(source, plan["read"], told)
        for fault, count in plan["then"]:
            if fault == "close":
                threading.Timer(0.2, source.close).start()
            elif fault == "for a while":
                control("e")
                threading.Timer(0.2, control, "-").start()
            else:
                control(fault)
            read(source, count, told)


def answer(plan: dict[str, Any]) -> dict[str, Any]:
    """Carries a plan out, as often as it says, and looks at what is left."""
    told: dict[str, Any] = {"pictures": [], "error": None}
    os.environ.update(plan["environment"])
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(plan["times"]):
        try:
            run(plan, told)
        except FaceguardError as error:
            told["error"] = [type(error).__name__, str(error)]
        control("-")
    deadline = time.monotonic() + 10
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()))
    told["descriptors_left"] = len(list(Path("/proc/self/fd").iterdir())) - descriptors
    told["threads_left"] = threading.active_count() - 1
    return told


def main() -> None:
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
