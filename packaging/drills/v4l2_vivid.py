"""Runs inside the virtual machine of v4l2_vivid.sh: the V4L2 camera against the driver vivid."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from faceguard.edge.cameras.base import Shot
from faceguard.edge.cameras.v4l2 import V4l2
from faceguard.edge.config.camera import V4l2Camera
from faceguard.engines.errors import (
    CameraAbsent,
    CameraError,
    CameraLost,
    CameraSilent,
    CameraUnfit,
)

DEVICE = Path("/dev/video0")
UNBIND = Path("/sys/bus/platform/drivers/vivid/unbind")
PICTURES = 100


def say(line: str) -> None:
    """Writes one line of the report."""
    sys.stdout.write(f"drill: {line}\n")
    sys.stdout.flush()


def expect(true: bool, otherwise: str) -> None:
    """Ends the drill where something is not as it should be."""
    if not true:
        raise AssertionError(otherwise)


def camera(silent_after_s: float = 2.0, **asked: object) -> V4l2:
    """Opens the camera."""
    config = V4l2Camera.model_validate({"kind": "v4l2", "device": str(DEVICE), **asked})
    return V4l2(config, open_within_s=10, silent_after_s=silent_after_s)


def control(setting: str) -> None:
    """Sets one of vivid's controls, among them its faults."""
    subprocess.run(["v4l2-ctl", "-d", str(DEVICE), "-c", setting], check=True)


def shots(source: V4l2, count: int) -> list[Shot]:
    """Reads pictures and lets their memory go."""
    got = [source.read() for _ in range(count)]
    return [Shot(shot.image, shot.captured_ns, shot.time_ns, 0, shot.damaged) for shot in got]


def stream(form: str, width: int, height: int, rate: float) -> None:
    """Reads pictures, and looks at their times and content."""
    asked_ns = time.monotonic_ns()
    with camera(format=form, width=width, height=height, rate=rate) as source:
        first = source.read()
        first_ms = (time.monotonic_ns() - asked_ns) / 1e6
        times = [first.time_ns]
        ages = []
        work_ns = time.thread_time_ns()
        luma: set[int] = set()
        for _ in range(PICTURES - 1):
            shot = source.read()
            ages.append((time.monotonic_ns() - shot.captured_ns) / 1e6)
            times.append(shot.time_ns)
            luma.update(shot.image.planes[0][:: height // 8, :: width // 8].ravel().tolist())
            expect(shot.image.format.name == "NV12", "another format")
            expect((shot.image.width, shot.image.height) == (width, height), "another size")
        work_ms = (time.thread_time_ns() - work_ns) / 1e6 / (PICTURES - 1)
        expect(len(luma) >= 6, "an empty picture")
        expect(all(a < b for a, b in itertools.pairwise(times)), "times that do not grow")
        span_s = (times[-1] - times[0]) / 1e9
        ages.sort()
        say(
            f"{source.info.format} {width}x{height}, {rate:g} per second asked and agreed: "
            f"{PICTURES} pictures, {(PICTURES - 1) / span_s:.2f} by the kernel's times, "
            f"first after {first_ms:.0f} ms, age when read median {ages[len(ages) // 2]:.2f} ms, "
            f"CPU {work_ms:.2f} ms a picture"
        )


def refused(expected: type[CameraError], what: str, work: Callable[[], object]) -> None:
    """Expects one kind of error, and shows its line."""
    try:
        work()
    except CameraError as error:
        expect(type(error) is expected, f"{what}: {type(error).__name__}: {error}")
        say(f"{what}: {type(error).__name__}: {error}")
    else:
        raise AssertionError(f"{what}: no error")


def at_fault(fault: Callable[[], object], **asked: object) -> Callable[[], object]:
    """Streams, brings the fault about, and reads on."""

    def work() -> None:
        with camera(**asked) as source:
            shots(source, 5)
            fault()
            shots(source, 500)

    return work


def busy() -> None:
    """Opens the camera while it streams already."""
    with camera() as first:
        first.read()
        refused(CameraAbsent, "opened twice", lambda: camera().close())


def damaged() -> None:
    """Pictures that the driver flags as damaged are left out and counted."""
    with camera(width=640, height=480) as source:
        shots(source, 5)
        for _ in range(3):
            control("inject_v4l2_buf_flag_error=1")
        got = shots(source, 20)
        lost = sum(shot.damaged for shot in got)
        expect(lost > 0, "nothing was flagged")
        say(f"driver flagged {lost} pictures as damaged: left out and counted")


def closed_by_another_thread() -> None:
    """A read that waits ends when the camera is closed."""
    source = camera(rate=1, width=320, height=180, silent_after_s=30.0)
    source.read()
    closer = threading.Timer(0.2, source.close)
    closer.start()
    started = time.monotonic()
    refused(CameraLost, "closed while reading", lambda: shots(source, 100))
    closer.join()
    expect(time.monotonic() - started < 20, "it took its time")


def main() -> None:
    """Does all of it."""
    say(f"kernel {os.uname().release}, Python {sys.version.split()[0]}")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for form, size, rate in (
        ("yuyv", (640, 480), 25.0),
        ("yuyv", (1280, 720), 12.5),
        ("nv12", (320, 180), 60.0),
        ("nv12", (640, 360), 40.0),
        ("auto", (640, 480), 25.0),
    ):
        stream(form, *size, rate)
    refused(CameraUnfit, "MJPEG", lambda: camera(format="mjpeg"))
    refused(CameraUnfit, "odd size", lambda: camera(format="yuyv", width=644, height=480))
    refused(CameraUnfit, "odd rate", lambda: camera(format="yuyv", width=640, height=480, rate=33))
    busy()
    damaged()
    closed_by_another_thread()
    refused(
        CameraSilent, "all dropped", at_fault(lambda: control("percentage_of_dropped_buffers=100"))
    )
    control("percentage_of_dropped_buffers=0")
    refused(CameraLost, "fatal", at_fault(lambda: control("inject_fatal_streaming_error=1")))
    with camera() as again:
        shots(again, 3)
    say("after each fault it opened again")
    after = len(list(Path("/proc/self/fd").iterdir()))
    expect(after == before, "descriptors are left")
    expect(threading.active_count() == 1, "a thread is left")
    say("no descriptor and no thread is left")
    refused(CameraLost, "unbound", at_fault(lambda: UNBIND.write_text("vivid.0")))
    refused(CameraAbsent, "opened after that", camera)
    expect(threading.active_count() == 1, "a thread is left")
    say("all is right")


if __name__ == "__main__":
    main()
