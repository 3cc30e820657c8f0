"""How fast `faceguard run` is, how late, and what it costs, on a network camera.

`python -m benchmarks.daemon [--quick] [--json FILE] [--seconds S] [--clip FILE]`. A camera of
1280x720 and 30 frames a second in a process of its own, `faceguard run` as a user runs it, and a
viewer that decodes nothing; all share this machine's cores. Rates and costs are those of a window
that begins when everything has run for a while; delays come from the histograms of the metrics
port, even within a bucket, from when a picture began to arrive to its encoded packet. A rate counts
when the recording and the viewer had it too.

READY=1 and the first frames are timed from the start of the process, models in place, a look every
20 ms: with a camera that begins each connection with a keyframe, as most do, and once more with one
that another client watches, so that the next keyframe of the running stream must be waited for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

import av

from benchmarks.parts.camera_daemon import NotRunning, Setup, Start
from benchmarks.parts.command import NOTHING_TO_MEASURE_ON, arguments, write_document
from benchmarks.parts.daemon_row import TARGETS, Row, against_targets, lines
from benchmarks.parts.daemon_run import measure_joining, measure_row, measure_starts
from benchmarks.parts.measure import machine
from benchmarks.parts.network_camera import HEIGHT, RATE, WIDTH, NoCamera, camera, clip
from faceguard.engines.errors import FaceguardError

TARGET = "look_ahead_0"


def figures(
    rows: Sequence[Row], starts: Sequence[Start], joining: Sequence[Start]
) -> dict[str, float | None]:
    """What is to be compared from one run of this to the next, as one flat object."""
    row = next(row for row in rows if row.key == TARGET)
    is_good = row.absent is None and row.disagreement is None
    cost = row.cost
    verdicts = [start.verdict_s for start in starts if start.verdict_s is not None]
    flat = {
        "delivered_fps": row.fps.get("counted") if is_good else None,
        "latency_p50_ms": row.latency_ms.get("p50"),
        "latency_p95_ms": row.latency_ms.get("p95"),
        "first_frame_s": median(start.frame_s for start in starts) if starts else None,
        "first_verdict_s": median(verdicts) if verdicts else None,
        "first_frame_joining_s": median(one.frame_s for one in joining) if joining else None,
        "ready_s": median(start.ready_s for start in starts) if starts else None,
        "cpu_percent": cost.daemon if cost else None,
        "peak_mb": sum(row.memory_mb[key] for key in ("peak", "child_peak")) if cost else None,
        "dropped": sum(row.dropped.values()) if cost else None,
        "covered_whole": sum(row.whole.values()) if cost else None,
    }
    return {name: value if value is None else round(value, 3) for name, value in flat.items()}


def wanted(*, quick: bool) -> list[Row]:
    """The ways to run it: the target's, and what a user gets who sets nothing."""
    rows = [
        Row(TARGET, "look-ahead 0, every 1", Setup()),
        Row("default", "look-ahead 5, every 2 (default)", Setup(5, 2)),
    ]
    if not quick:
        rows += [
            Row("default_recording", "  default, recording only", Setup(5, 2, rtsp=False)),
            Row("look_ahead_0_recording", "look-ahead 0, recording only", Setup(rtsp=False)),
            Row("default_rtsp", "  default, RTSP only", Setup(5, 2, recordings=False)),
        ]
    return rows


def measure(
    file: Path, *, quick: bool, seconds: float, say: Callable[[str], None]
) -> tuple[list[Row], list[Start], list[Start]]:
    """Everything, on one clip.

    Raises:
        NoCamera: There can be none here.
        NotRunning: The daemon does not even start.
    """
    rows = wanted(quick=quick)
    with camera(file) as source:
        starts = measure_starts(source.url, 2 if quick else 7, say)
        joining = measure_joining(source.url, 2 if quick else 7, say)
        for row in rows:
            say(row.label.strip())
            measure_row(row, source.url, source.pid, seconds)
    return rows, starts, joining


def main(argv: list[str] | None = None) -> int:
    """Runs the benchmark; 0 when it measured, 1 when a figure could not be had, 2 without means."""
    parser = arguments("daemon", __doc__, "two ways to run it, 8 seconds each: under a minute")
    parser.add_argument("--seconds", type=float, metavar="S", help="window of each row, 5 to 240")
    parser.add_argument("--clip", type=Path, metavar="FILE", help="what the camera sends")
    options = parser.parse_args(argv)
    seconds = options.seconds or (8.0 if options.quick else 30.0)
    if not 5 <= seconds <= 240:  # a recording's segment is 300 s
        parser.error("--seconds: 5 to 240")

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    try:
        file = clip(options.clip)
    except (FaceguardError, av.error.FFmpegError, OSError) as error:
        say(f"daemon: {error}")
        return NOTHING_TO_MEASURE_ON
    load = os.getloadavg()[0]
    try:
        rows, starts, joining = measure(file, quick=options.quick, seconds=seconds, say=say)
    except NoCamera as error:
        say(f"daemon: {error}")
        return NOTHING_TO_MEASURE_ON
    except NotRunning as error:
        say(f"daemon: {error}")
        return 1
    found = figures(rows, starts, joining)
    told = [*lines(rows, starts, joining), "", *against_targets(found)]
    print("\n".join(told), flush=True)
    if options.json:
        host = machine("faceguard-edge", "av", "numpy", "onnxruntime", "opencv-python-headless")
        write_document(
            options.json,
            {
                "benchmark": "daemon",
                "quick": options.quick,
                "clip": file.name,
                "camera": {"width": WIDTH, "height": HEIGHT, "rate": RATE},
                "figures": found,
                "targets": {name: f"{sign} {aim:g}" for name, (sign, aim) in TARGETS.items()},
                "rows": [row.told() for row in rows],
                "starts": [asdict(start) for start in starts],
                "starts_joining": [asdict(start) for start in joining],
                "load_before": load,
                "machine": host,
            },
        )
    failed = [row for row in rows if row.absent or row.disagreement]
    for row in failed:
        say(f"daemon: {row.label.strip()}: {row.absent or row.disagreement}")
    return 1 if failed or None in found.values() else 0


if __name__ == "__main__":
    sys.exit(main())
