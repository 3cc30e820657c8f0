"""The daemon benchmark: what it reads, its arithmetic, and one short real run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks import daemon
from benchmarks.parts import daemon_run, network_camera, processes
from benchmarks.parts.camera_daemon import THREAD_NAMES, Setup, Start
from benchmarks.parts.daemon_row import Cost, Row, against_targets, lines
from benchmarks.parts.scrape import Window, bounds, scrape
from faceguard.edge.meters import Meters
from faceguard.edge.service.metrics_server import MetricsServer

STARTS = [Start(0.5, 0.6, 0.7), Start(0.4, 0.9, 1.2), Start(0.6, 0.8, 0.9)]


def row(key: str = daemon.TARGET, **changed: float | None) -> Row:
    """A row as a good run gives it."""
    found = Row(key, key, Setup(), seconds=30.0)
    found.fps = {"counted": 29.9, "came": 30.0, "recorded": 29.9, "watched": 29.8, **changed}
    found.latency_ms = {"p50": 60.0, "p95": 90.0, "mean": 61.0, "to_outputs_p50": 50.0}
    found.stage_ms = dict.fromkeys(daemon_run.STAGES, 1.0)
    found.runs_a_frame = dict.fromkeys(daemon_run.STAGES, 1.0)
    found.dropped, found.whole = {"busy": 2, "output rtsp": 1}, {"not ready": 4}
    found.cost = Cost(50.0, 2.0, 1.0, 1.0, 0.5, 3.0)
    found.threads = [
        {
            "name": "detect",
            "threads": 2,
            "percent": 20.0,
            "waited_percent": None,
            "wakes_a_frame": 3,
        }
    ]
    found.memory_mb = {"now": 180.0, "peak": 200.0, "child_now": 20.0, "child_peak": 30.0}
    found.gap_ms, found.stop_s = 70.0, 0.3
    return found


def test_the_figures_are_the_targets_rows_and_the_starts_medians() -> None:
    other = row("default", counted=1.0)
    assert daemon.figures([other, row()], STARTS, STARTS[:1]) == {
        "delivered_fps": 29.9,
        "latency_p50_ms": 60.0,
        "latency_p95_ms": 90.0,
        "first_frame_s": 0.8,
        "first_verdict_s": 0.9,
        "first_frame_joining_s": 0.6,
        "ready_s": 0.5,
        "cpu_percent": 50.0,
        "peak_mb": 230.0,
        "dropped": 3,
        "covered_whole": 4,
    }


@pytest.mark.parametrize("who", ["recorded", "watched"])
@pytest.mark.parametrize("rate", [20.0, 33.0, None])
def test_a_rate_that_an_output_had_not_is_no_figure(who: str, rate: float | None) -> None:
    bad = row(**{who: rate})
    assert daemon.figures([bad], STARTS, STARTS[:1])["delivered_fps"] is None
    assert (bad.disagreement or "").startswith(who)


def test_more_may_come_than_goes_out() -> None:
    assert daemon.figures([row(counted=20.0, recorded=20.0, watched=20.0)], STARTS, STARTS[:1]) == {
        **daemon.figures([row()], STARTS, STARTS[:1]),
        "delivered_fps": 20.0,
    }


def test_an_output_that_is_not_asked_for_does_not_count() -> None:
    found = row(recorded=None, watched=None)
    found.setup = Setup(rtsp=False, recordings=False)
    assert found.disagreement is None


@pytest.mark.parametrize("failed", [False, True])
def test_the_exit_code_tells(
    failed: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def measured(*_: object, **__: object) -> tuple[list[Row], list[Start], list[Start]]:
        rows = [row(), Row("default", "default", Setup(5, 2))]
        rows[1].absent = "the camera fell off"
        return (rows if failed else rows[:1]), STARTS, STARTS

    monkeypatch.setattr(daemon, "clip", lambda _: Path("a.mp4"))
    monkeypatch.setattr(daemon, "measure", measured)
    told = tmp_path / "told.json"
    assert daemon.main(["--quick", "--json", str(told)]) == (1 if failed else 0)
    document = json.loads(told.read_text())
    assert document["figures"]["latency_p95_ms"] == 90.0
    assert document["rows"][0]["cost"]["camera"] == 1.0
    assert ("the camera fell off" in capsys.readouterr().err) == failed


def test_the_table_names_what_is_missing_and_what_was_missed() -> None:
    absent = Row("default", "default", Setup(5, 2), absent="no luck")
    text = "\n".join(lines([row(watched=5.0), absent], STARTS, STARTS[:1]))
    assert "absent: no luck" in text
    assert "THESE DISAGREE: watched 5.00" in text
    assert "busy 2" in text
    told = against_targets({"delivered_fps": 24.0, "first_frame_s": 2.0, "latency_p50_ms": None})
    assert told == [
        "delivered_fps 24  (aim >= 25: MISSED)",
        "first_frame_s 2  (aim <= 2: met)",
        "latency_p50_ms failed",
    ]


def test_a_window_holds_what_was_counted_in_it_and_nothing_before() -> None:
    meters = Meters()
    meters.frames_dropped.labels("busy").inc(3)
    meters.frames_whole.labels("not ready").inc(2)
    meters.encoded_latency_s.observe(4.0)
    with MetricsServer(meters, "127.0.0.1", 0) as server:
        before = scrape(server.port)
        meters.frames_out.inc(7)
        meters.frames_dropped.labels("busy").inc(2)
        meters.frames_dropped.labels("pool").inc()
        meters.stage_s.labels("detect").observe(0.004)
        meters.stage_s.labels("detect").observe(0.006)
        for _ in range(10):
            meters.encoded_latency_s.observe(0.09)
        window = Window(before, scrape(server.port))
        few = scrape(server.port, ["faceguard_frames_out_total"])
    assert window.seconds > 0
    assert window.count("frames_out_total") == 7
    assert window.by("frames_dropped_total", "cause") == {"busy": 2, "pool": 1}
    assert window.by("frames_whole_total", "cause") == {}
    assert window.mean("stage_seconds", stage="detect") == pytest.approx(0.005)
    assert window.mean("stage_seconds", stage="track") is None
    assert window.quantile("encoded_latency_seconds", 0.5) == pytest.approx(0.09)
    assert window.bounds("encoded_latency_seconds", 0.95) == (0.08, 0.1)
    assert list(few.samples) == ["frames_out_total"]


def test_nobody_at_the_port_is_an_error() -> None:
    with MetricsServer(Meters(), "127.0.0.1", 0) as server:
        port = server.port
    with pytest.raises(OSError, match=r"refused|reset"):
        scrape(port)


def test_bounds_without_a_value_and_beyond_the_last() -> None:
    inf = float("inf")
    assert bounds([(1.0, 0.0), (inf, 0.0)], 0.5) is None
    assert bounds([(1.0, 2.0), (2.0, 2.0), (inf, 4.0)], 0.5) == (0.0, 1.0)
    assert bounds([(1.0, 2.0), (2.0, 2.0), (inf, 4.0)], 0.95) == (2.0, inf)


_FAMILY = """
import subprocess, sys, threading
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
def work():
    sum(i * i for i in range(2_000_000))
    print("done", flush=True)
    threading.Event().wait()
threading.Thread(target=work, name="hard worker with a long name", daemon=True).start()
input()
child.communicate()
"""


def test_what_a_family_of_processes_costs_by_process_and_by_thread() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _FAMILY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(THREAD_NAMES)},
    ) as parent:
        before = processes.tree(parent.pid)
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"done\n"
        machine_s = processes.machine_cpu_s()
        after = processes.tree(parent.pid)
        parent.communicate(b"\n")
    assert next(iter(after)) == parent.pid
    assert len(after) == 2
    spent = processes.by_name(after[parent.pid], after[parent.pid])
    assert {one.name: one.threads for one in spent}["hard worker wit"] == 1
    assert all(one.cpu_s == 0 and one.wakes == 0 for one in spent)
    assert 0 < processes.cpu_s(before, after) <= machine_s
    assert processes.cpu_s({}, after) == pytest.approx(sum(one.cpu_s for one in after.values()))
    ours = after[parent.pid]
    hard = next(one for one in ours.threads.values() if one.name == "hard worker wit")
    assert hard.cpu_s > 0
    assert 0 < ours.rss_mb <= ours.peak_mb
    assert processes.tree(parent.pid) == {}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short video of another size and rate, with B-frames."""
    path = tmp_path_factory.mktemp("clips") / "small.mp4"
    grey = np.random.default_rng(2).integers(0, 255, (48, 64 + 30), np.uint8)
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=Fraction(10))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(30):
            part = np.ascontiguousarray(grey[:, number : number + 64])
            frame = av.VideoFrame.from_ndarray(part, format="gray").reformat(format="yuv420p")
            frame.pts = number
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def clip(small: Path) -> Path:
    """What the camera makes of it."""
    made = small.with_name("camera.mp4")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network_camera, "_LEAST_FRAMES", 61)
        assert network_camera.make_clip(small, made) == 90
    return made


def test_the_camera_sends_what_cameras_send(clip: Path) -> None:
    with av.open(str(clip)) as source:
        stream = source.streams.video[0]
        assert (stream.width, stream.height, stream.average_rate) == (1280, 720, 30)
        assert stream.profile == "High"
        packets = [packet for packet in source.demux(stream) if packet.size]
    assert [packet.pts for packet in packets] == sorted(packet.pts for packet in packets)
    keys = [number for number, packet in enumerate(packets) if packet.is_keyframe]
    assert keys == [0, 30, 60]
    assert daemon_run.recorded_fps(clip.parent, 2.0) == pytest.approx(30.0)
    assert daemon_run.recorded_fps(clip.parent, 100.0) is None
    assert daemon_run.recorded_fps(clip.parent / "nowhere", 1.0) is None


def test_a_viewer_that_sees_nothing_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon_run, "_VIEWER_S", 0.3)
    with (
        pytest.raises(daemon_run.NotRunning, match="viewer"),
        daemon_run.viewer("rtsp://127.0.0.1:9/none", tmp_path / "arrivals"),
    ):
        pass


@pytest.mark.models
def test_a_real_run(
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    engine_path: Callable[[str], Path],
) -> None:
    engine_path("yunet")
    monkeypatch.setattr(daemon_run, "WORK", tmp_path)
    monkeypatch.setattr(daemon_run, "_WARM_UP_S", 0.5)
    found = Row("x", "x", Setup())
    try:
        with network_camera.camera(clip) as camera:
            daemon_run.measure_row(found, camera.url, camera.pid, 2.0)
    except network_camera.NoCamera as reason:
        pytest.skip(str(reason))
    assert found.absent is None
    assert all((found.fps[who] or 0) > 0 for who in ("counted", "came", "recorded", "watched"))
    assert found.cost is not None
    assert found.cost.daemon > found.cost.child >= 0
    assert {"camera-read", "process", "detect", "deliver", "encoder", "recordings", "rtsp"} <= {
        one["name"] for one in found.threads
    }
    assert found.memory_mb["peak"] >= found.memory_mb["now"] > found.memory_mb["child_now"] > 0
    assert (found.latency_ms["p95"] or 0) >= (found.latency_ms["p50"] or 0) > 0
    assert not list(tmp_path.iterdir()), "what it wrote is gone"
    assert lines([found], [])
