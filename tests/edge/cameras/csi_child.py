"""Runs in a process of its own, with the GStreamer that its arguments name.

The first argument says where GStreamer for Python is: "gi" takes Debian's python3-gi, "opencv"
Debian's OpenCV, "none" neither. Then come plans as JSON, one a line, and an answer to each.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

DEBIAN = "/usr/lib/python3/dist-packages"
if sys.argv[1] == "gi":
    sys.path.append(DEBIAN)
if sys.argv[1] == "opencv":
    # Debian's Python: its own OpenCV first, the rest from the environment that runs the tests.
    sys.path[:0] = [DEBIAN]
    sys.path += sys.argv[2:]

import numpy as np  # noqa: E402

from faceguard.edge.cameras.csi import Csi  # noqa: E402
from faceguard.edge.config.camera import CsiCamera  # noqa: E402
from faceguard.engines.errors import FaceguardError  # noqa: E402


def drawn(number: int, width: int, height: int) -> tuple[Any, Any]:
    """The planes of NV12 picture `number`."""
    rows, columns = np.mgrid[:height, :width]
    luma = (3 * columns + 5 * rows + number).astype(np.uint8)
    rows, columns = np.mgrid[: height // 2, : width // 2]
    chroma = np.dstack([columns + 2 * rows + number, 7 * columns + rows]).astype(np.uint8)
    return luma, chroma


def feed(pipe: int, number: int, width: int, height: int) -> None:
    """Writes a picture into the pipeline, its rows as long as a multiple of 4 has it."""
    luma, chroma = drawn(number, width, height)
    rows = np.full((height * 3 // 2, -(-width // 4) * 4), 0xEE, np.uint8)
    rows[:height, :width] = luma
    rows[height:, :width] = chroma.reshape(height // 2, width)
    data = memoryview(rows.tobytes())
    while data:
        data = data[os.write(pipe, data) :]


def read(source: Csi, count: int, told: dict[str, Any]) -> None:
    """Reads pictures and tells what they were."""
    for _ in range(count):
        shot = source.read()
        image = shot.image
        luma, chroma = drawn(int(image.planes[0][0, 0]), image.width, image.height)
        told["pictures"].append(
            {
                "format": image.format.name,
                "size": [image.width, image.height],
                "full_range": image.full_range,
                "number": int(image.planes[0][0, 0]),
                "same": bool((image.planes[0] == luma).all() and (image.planes[1] == chroma).all()),
                "age_ns": time.monotonic_ns() - shot.captured_ns,
                "time_ns": shot.time_ns,
                "duration_ns": shot.duration_ns,
            }
        )


def run(plan: dict[str, Any], told: dict[str, Any], pipe: int | None) -> None:
    """Does what the plan says."""
    config = CsiCamera.model_validate({"kind": "csi", **plan["config"]})
    if pipe is not None:
        feed(pipe, 0, *plan["fed_size"])
    source = Csi(
        config,
        open_within_s=plan["open_within_s"],
        silent_after_s=plan["silent_after_s"],
        source=plan["source"],
    )
    with source:
        info = source.info
        told["info"] = {
            "size": [info.width, info.height],
            "rate": None if info.rate is None else float(info.rate),
            "notes": list(info.notes),
        }
        if pipe is None:
            if plan["close_after_s"]:
                threading.Timer(plan["close_after_s"], source.close).start()
            read(source, plan["count"], told)
            time.sleep(plan["linger_s"])
        else:
            for number in range(1, plan["fed"]):
                read(source, 1, told)
                feed(pipe, number, *plan["fed_size"])
            read(source, 2, told)
    told["left_behind"] = [t.name for t in threading.enumerate() if t.name == "close camera"]


def answer(plan: dict[str, Any]) -> dict[str, Any]:
    """Carries a plan out, as often as it says, and looks at what is left."""
    told: dict[str, Any] = {"pictures": [], "error": None}
    threads, descriptors = len(list(Path("/proc/self/task").iterdir())), 0
    for turn in range(plan["times"]):
        if turn == min(1, plan["times"] - 1):
            gc.collect()
            descriptors = len(list(Path("/proc/self/fd").iterdir()))
            threads = len(list(Path("/proc/self/task").iterdir()))
        ends: tuple[int, ...] = ()
        if plan["fed"]:
            ends = os.pipe()
            # A picture fits in, whether anybody reads yet or not.
            fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, 1 << 20)
            plan["source"] = plan["fed_source"].replace("FD", str(ends[0]))
        try:
            run(plan, told, ends[1] if ends else None)
        except FaceguardError as error:
            told["error"] = [type(error).__name__, str(error)]
        for end in ends:
            os.close(end)
    deadline = time.monotonic() + 10
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()))
    told["python_threads_left"] = threading.active_count() - 1
    gc.collect()
    told["descriptors_left"] = len(list(Path("/proc/self/fd").iterdir())) - descriptors
    told["threads_left"] = len(list(Path("/proc/self/task").iterdir())) - threads
    return told


def main() -> None:
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
