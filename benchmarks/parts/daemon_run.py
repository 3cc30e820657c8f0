"""Runs the daemon beside its camera and its viewer, and reads what there is to read."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av

from benchmarks.parts import processes, watcher
from benchmarks.parts.camera_daemon import CameraDaemon, NotRunning, Setup, Start
from benchmarks.parts.daemon_row import STAGES, TARGETS, Cost, Row
from benchmarks.parts.scrape import Window, scrape
from benchmarks.parts.truth import ROOT

WORK = ROOT / ".bench" / "daemon"
_WARM_UP_S = 4.0
_VIEWER_S = 10.0
_GOLDEN = 0.618


@dataclass(frozen=True)
class Moment:
    """All that is read at the beginning and at the end of a window."""

    at_s: float
    trees: Mapping[str, Mapping[int, processes.Process]]
    bench_s: float
    machine_s: float

    @classmethod
    def now(cls, pids: Mapping[str, int]) -> Moment:
        """Reads it."""
        trees = {name: processes.tree(pid) for name, pid in pids.items()}
        return cls(time.monotonic(), trees, time.process_time(), processes.machine_cpu_s())


def measure_row(row: Row, camera_url: str, camera_pid: int, seconds: float) -> None:
    """Runs the daemon once and fills the row."""
    with scratch() as folder:
        try:
            with CameraDaemon(camera_url, row.setup, folder) as daemon:
                _measure(row, daemon, camera_pid, seconds, folder)
        except (NotRunning, OSError) as error:
            row.absent = str(error)


def _measure(row: Row, daemon: CameraDaemon, camera_pid: int, seconds: float, folder: Path) -> None:
    daemon.started()
    pids = {"daemon": daemon.pid, "camera": camera_pid}
    arrivals = folder / "arrivals"
    with viewer(daemon.rtsp_url if row.setup.rtsp else None, arrivals) as viewer_pid:
        if viewer_pid is not None:
            pids["viewer"] = viewer_pid
        time.sleep(_WARM_UP_S)
        first, before = scrape(daemon.metrics_port), Moment.now(pids)
        time.sleep(seconds)
        last, after = scrape(daemon.metrics_port), Moment.now(pids)
        row.stop_s = daemon.stop()
    window = Window(first, last)
    row.seconds = window.seconds
    row.fps["counted"] = window.count("frames_out_total") / window.seconds
    row.fps["came"] = window.count("frames_in_total") / window.seconds
    if row.setup.recordings:
        row.fps["recorded"] = recorded_fps(daemon.recordings, window.seconds)
    if row.setup.rtsp:
        times = [n for n in arrived_ns(arrivals) if first.at_ns <= n <= last.at_ns]
        row.fps["watched"] = len(times) / window.seconds
        gaps = [later - earlier for earlier, later in pairwise(times)]
        row.gap_ms = max(gaps) / 1e6 if gaps else None
    _read_meters(row, window)
    _read_costs(row, before, after, window.count("frames_out_total"))


def _read_meters(row: Row, window: Window) -> None:
    name = "encoded_latency_seconds"
    for key, part in (("p50", 0.5), ("p95", 0.95)):
        row.latency_ms[key] = _ms(window.quantile(name, part))
        within = window.bounds(name, part)
        row.latency_within_ms[key] = within and (within[0] * 1000, within[1] * 1000)
    row.latency_ms["mean"] = _ms(window.mean(name))
    row.latency_ms["to_outputs_p50"] = _ms(window.quantile("latency_seconds", 0.5))
    frames = window.count("frames_out_total")
    runs = window.counts("stage_seconds_count")
    for stage in STAGES:
        row.stage_ms[stage] = _ms(window.mean("stage_seconds", stage=stage))
        ran = runs.get((("stage", stage),), 0.0)
        row.runs_a_frame[stage] = ran / frames if frames else 0.0
    row.dropped = window.by("frames_dropped_total", "cause")
    lost = window.by("output_dropped_total", "output")
    row.dropped |= {f"output {output}": number for output, number in lost.items()}
    row.whole = window.by("frames_whole_total", "cause")


def _read_costs(row: Row, before: Moment, after: Moment, frames: float) -> None:
    share = 100 / (after.at_s - before.at_s)
    spent = {
        name: processes.cpu_s(before.trees[name], tree) * share
        for name, tree in after.trees.items()
    }
    daemon = after.trees["daemon"]
    if not daemon:
        raise NotRunning("the daemon has ended")
    pid = next(iter(daemon))
    threads = processes.by_name(before.trees["daemon"][pid], daemon[pid])
    children = [process for number, process in daemon.items() if number != pid]
    bench = (after.bench_s - before.bench_s) * share
    mine = sum(one.cpu_s for one in threads) * share
    busy = (after.machine_s - before.machine_s) * share
    row.cost = Cost(
        spent["daemon"],
        max(0.0, spent["daemon"] - mine),
        spent["camera"],
        spent.get("viewer", 0.0),
        bench,
        max(0.0, busy - sum(spent.values()) - bench),
    )
    row.threads = [
        {
            "name": one.name,
            "threads": one.threads,
            "percent": one.cpu_s * share,
            "waited_percent": None if one.waited_s is None else one.waited_s * share,
            "wakes_a_frame": one.wakes / frames if frames else None,
        }
        for one in threads
    ]
    row.memory_mb = {
        "now": daemon[pid].rss_mb,
        "peak": daemon[pid].peak_mb,
        "child_now": sum(child.rss_mb for child in children),
        "child_peak": sum(child.peak_mb for child in children),
    }


def measure_starts(camera_url: str, times: int, say: Callable[[str], None]) -> list[Start]:
    """Starts it so many times, and once before, when camera and Python load what they then keep.

    Args:
        camera_url: Of the network camera.
        times: How often.
        say: Takes a line on each, and what the daemon logged where one took long.

    Raises:
        NotRunning: It does not come up.
    """
    starts = []
    for number in range(times + 1):
        say(f"start {number} of {times}" if number else "a start that does not count")
        # At all distances from the camera's next keyframe, which comes once a second.
        time.sleep(_GOLDEN * number % 1)
        with scratch() as folder, CameraDaemon(camera_url, Setup(), folder) as daemon:
            start = daemon.started()
            if number:
                starts.append(start)
            if start.frame_s > TARGETS["first_frame_s"][1]:
                say(f"  took {start.frame_s:.2f} s:\n{daemon.log}")
    return starts


def measure_joining(camera_url: str, times: int, say: Callable[[str], None]) -> list[Start]:
    """As `measure_starts`, while another client watches the camera: no keyframe comes for us.

    Raises:
        NotRunning: It does not come up, or the other client sees nothing.
    """
    with scratch() as folder, viewer(camera_url, folder / "arrivals"):
        return measure_starts(camera_url, times, say)


def recorded_fps(folder: Path, seconds: float) -> float | None:
    """Pictures a second at the end of what was recorded; None where nothing was for so long."""
    files = sorted(folder.rglob("*.mp4"), key=lambda file: file.stat().st_size)
    if not files:
        return None
    with av.open(str(files[-1])) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.pts is not None]
        times = sorted(float(packet.pts * packet.time_base) for packet in packets)
    if not times or times[-1] - times[0] < seconds / 2:
        return None
    # The last one's own time is one step.
    kept = [at_s for at_s in times if at_s > times[-1] - seconds]
    return (len(kept) - 1) / (kept[-1] - kept[0]) if len(kept) > 1 else None


def arrived_ns(file: Path) -> list[int]:
    """When packets came to the viewer, monotonic nanoseconds."""
    if not file.is_file():
        return []
    lines = file.read_text(encoding="ascii").splitlines()
    return [int(line.split()[0]) for line in lines if " " in line]


@contextmanager
def viewer(url: str | None, arrivals: Path) -> Iterator[int | None]:
    """Somebody who watches, from the first packet on; gives the process's number.

    Raises:
        NotRunning: Nothing came to it.
    """
    if url is None:
        yield None
        return
    words = [sys.executable, watcher.__file__, url, str(arrivals)]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until_s = time.monotonic() + _VIEWER_S
        while not arrived_ns(arrivals):
            if process.poll() is not None or time.monotonic() > until_s:
                raise NotRunning(f"nothing came to the viewer within {_VIEWER_S:g} s")
            time.sleep(0.1)
        yield process.pid
    finally:
        process.kill()
        process.wait()


@contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder on the disk where recordings would be, not in memory; gone afterwards."""
    WORK.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=WORK))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
