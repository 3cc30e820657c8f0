"""What came of one run of the daemon, for people and for files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.parts.camera_daemon import Setup, Start

STAGES = ("detect", "track", "redact", "deliver", "encode")
TARGETS = {
    "delivered_fps": (">=", 25.0),
    "latency_p50_ms": ("<=", 120.0),
    "latency_p95_ms": ("<=", 250.0),
    "first_frame_s": ("<=", 2.0),
}
# By so much may what was recorded and watched differ from what was counted: a frame at each end of
# the window, and what a clock of the camera's own makes of it.
_SHARE, _FRAMES = 0.02, 2.0
_LEAST_SHOWN = 0.05


@dataclass(frozen=True)
class Cost:
    """What a process, or all of a tree, took within the window, in percent of one core.

    Attributes:
        daemon: The daemon and its children.
        child: Of that, its children: the RTSP server.
        camera: The network camera.
        viewer: Whoever watches.
        bench: This benchmark itself.
        others: All else on this machine, as far as it can be seen from here.
    """

    daemon: float
    child: float
    camera: float
    viewer: float
    bench: float
    others: float


@dataclass
class Row:
    """One way to run it, and what came of it.

    Attributes:
        key: Its name in files.
        label: Its name for people.
        setup: What was asked for.
        seconds: Length of the window.
        fps: Frames out a second: counted, recorded and watched; None where there is no such output.
        latency_ms: p50, p95 and mean from capture to encoded packet.
        latency_within_ms: Between which bounds p50 and p95 lie for certain.
        stage_ms: Milliseconds a run of each stage.
        runs_a_frame: How often it ran for each frame out.
        dropped: Frames that went nowhere, by cause; "output NAME" for those an output lost.
        whole: Frames covered whole, by cause.
        cost: Percent of a core.
        threads: The same by thread of the daemon, with times woken a frame.
        memory_mb: Resident at the end and at the most: daemon and children.
        gap_ms: The longest time without a packet at the viewer.
        stop_s: From SIGTERM to the end.
        absent: Why there is nothing to show.
    """

    key: str
    label: str
    setup: Setup
    seconds: float = 0.0
    fps: dict[str, float | None] = field(default_factory=dict)
    latency_ms: dict[str, float | None] = field(default_factory=dict)
    latency_within_ms: dict[str, tuple[float, float] | None] = field(default_factory=dict)
    stage_ms: dict[str, float | None] = field(default_factory=dict)
    runs_a_frame: dict[str, float] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    whole: dict[str, int] = field(default_factory=dict)
    cost: Cost | None = None
    threads: list[dict[str, Any]] = field(default_factory=list)
    memory_mb: dict[str, float] = field(default_factory=dict)
    gap_ms: float | None = None
    stop_s: float | None = None
    absent: str | None = None

    @property
    def disagreement(self) -> str | None:
        """Where the recording or the viewer had another rate than was counted."""
        counted = self.fps.get("counted")
        if counted is None:
            return None
        slack = _SHARE * counted + _FRAMES / max(1.0, self.seconds)
        asked = {"recorded": self.setup.recordings, "watched": self.setup.rtsp}
        for name in (name for name, is_asked in asked.items() if is_asked):
            rate = self.fps.get(name)
            if rate is None or abs(rate - counted) > slack:
                return f"{name} {_text(rate, 2)} frames/s, counted {counted:.2f}"
        return None

    def told(self) -> dict[str, Any]:
        """The row for a file."""
        return {**asdict(self), "disagreement": self.disagreement}


def lines(rows: Sequence[Row], starts: Sequence[Start], joining: Sequence[Start] = ()) -> list[str]:
    """The rows for people, and the starts: alone at the camera, and beside another client."""
    heads = ["frames/s", "p50 ms", "p95 ms", "mean", "gap", "CPU %"]
    heads += ["camera", "viewer", "others", "MiB", "child"]
    told = [" " * 33 + "".join(f"{head:>9}" for head in heads)]
    for row in rows:
        if row.absent or row.cost is None:
            told.append(f"{row.label:33}  absent: {row.absent or 'not run'}")
            continue
        cost, delay = row.cost, row.latency_ms
        cells = [
            _text(row.fps["counted"], 2),
            *(_text(delay[name]) for name in ("p50", "p95", "mean")),
            _text(row.gap_ms),
            *(_text(part, 0) for part in (cost.daemon, cost.camera, cost.viewer, cost.others)),
            *(_text(row.memory_mb[name], 0) for name in ("peak", "child_peak")),
        ]
        told.append(f"{row.label:33}" + "".join(f"{cell:>9}" for cell in cells))
    for row in rows:
        if row.cost is not None:
            told += ["", f"{row.label.strip()}, {row.seconds:.1f} s:", *_details(row)]
    told += ["", "starts, s:            READY=1  first frame  first not covered whole"]
    for label, group in (("keyframe at once", starts), ("joins a stream", joining)):
        told += [
            f"  {label:18}{start.ready_s:9.2f}{start.frame_s:13.2f}{_text(start.verdict_s, 2):>25}"
            for start in group
        ]
    return told


def _details(row: Row) -> list[str]:
    rates = ", ".join(f"{name} {_text(rate, 2)}" for name, rate in row.fps.items())
    told = [f"  frames/s: {rates}"]
    if row.disagreement:
        told.append(f"  THESE DISAGREE: {row.disagreement}")
    lost = ", ".join(f"{cause} {number}" for cause, number in row.dropped.items()) or "none"
    whole = ", ".join(f"{cause} {number}" for cause, number in row.whole.items()) or "none"
    told.append(f"  dropped: {lost}; covered whole: {whole}; stopped in {_text(row.stop_s, 2)} s")
    stages = ", ".join(
        f"{stage} {_text(row.stage_ms[stage])} x {row.runs_a_frame[stage]:.2f}" for stage in STAGES
    )
    told.append(f"  ms a run x runs a frame: {stages}")
    told.append(f"  {'thread':20}{'number':>7}{'CPU %':>8}{'waits %':>9}{'wakes a frame':>15}")
    told += [
        f"  {one['name']:20}{one['threads']:7}{one['percent']:8.1f}"
        f"{_text(one['waited_percent']):>9}{_text(one['wakes_a_frame']):>15}"
        for one in row.threads
        if one["percent"] >= _LEAST_SHOWN
    ]
    if row.cost is not None and row.setup.rtsp:
        told.append(f"  {'RTSP server process':20}{'':7}{row.cost.child:8.1f}")
    return told


def against_targets(found: Mapping[str, float | None]) -> list[str]:
    """Each figure, and what it should be."""
    told = []
    for name, value in found.items():
        line = f"{name} {'failed' if value is None else format(value, 'g')}"
        if name in TARGETS and value is not None:
            sign, aim = TARGETS[name]
            met = value >= aim if sign == ">=" else value <= aim
            line += f"  (aim {sign} {aim:g}: {'met' if met else 'MISSED'})"
        told.append(line)
    return told


def _text(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
