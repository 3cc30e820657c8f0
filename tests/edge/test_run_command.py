"""`faceguard run` as systemd runs it: a process that says how it is, and ends when told to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest

from tests.edge.service_process import PATIENCE_S, UNGOVERNED, Service, segments
from tests.ports import free_port

pytestmark = pytest.mark.models

DRAWN = "{kind: synthetic, width: 320, height: 192}"
BASE = """
camera: {camera}
metrics: {{port: {port}}}
log: {{format: text}}
outputs:
  recordings: {{folder: {place}/recordings}}
  events: {{path: {place}/events.jsonl}}
  status: {{folder: {place}}}
"""


@pytest.fixture
def start(tmp_path: Path, engine_path) -> Iterator[Callable[..., Service]]:
    engine_path("yunet")
    services: list[Service] = []

    def starting(camera: str = DRAWN, more: str = "", port: int = 0) -> Service:
        text = BASE.format(camera=camera, place=tmp_path, port=port) + UNGOVERNED + more
        services.append(Service(tmp_path, text))
        return services[-1]

    yield starting
    for service in services:
        service.close()


def frames_in(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_from_ready_to_a_stop_with_its_segment_closed(start, tmp_path):
    service = start()
    service.until_told("READY=1")
    service.until_told("WATCHDOG=1")
    service.until(lambda: service.status().get("frames", {}).get("out", 0) > 25, "frames out")
    assert "frames/s" in next(m for m in service.told if m.startswith("STATUS="))
    assert service.end() == 0
    assert "STOPPING=1" in service.told
    assert service.status() == {}
    (segment,) = segments(tmp_path)
    assert frames_in(segment) > 25
    assert service.events()[0] == "started"
    assert service.events()[-1] == "stopping"
    assert list(tmp_path.rglob("*.part*")) == []


def test_ctrl_c_is_a_stop_too(start):
    service = start()
    service.until_told("READY=1")
    assert service.end(signal.SIGINT) == 0


def test_a_file_that_ends_is_the_end(start, tmp_path, sample_path):
    clip = sample_path("carphone")
    service = start(f"{{kind: file, path: {clip}, paced: false}}")
    service.until_told("READY=1")
    assert service.process.wait(PATIENCE_S) == 0
    with av.open(str(clip)) as container:
        want = sum(1 for _ in container.decode(video=0))
    assert sum(map(frames_in, segments(tmp_path))) == want


def test_a_reload_changes_what_it_can_and_says_the_rest(start, tmp_path):
    service = start()
    service.until_told("READY=1")
    service.file.write_text(
        service.file.read_text().replace("width: 320", "width: 640") + "redaction: {style: solid}\n"
    )
    service.process.send_signal(signal.SIGHUP)
    service.until(lambda: "reloaded" in service.events(), "reloaded")
    service.until_told("RELOADING=1")
    told = map(json.loads, service.place.joinpath("events.jsonl").read_text().splitlines())
    (reloaded,) = [event for event in told if event["kind"] == "reloaded"]
    assert reloaded["changed"] == "redaction.style"
    assert "camera.width" in reloaded["restart"]
    service.file.write_text("camera: {kind: none}\nfoo: 1\n")
    service.process.send_signal(signal.SIGHUP)
    service.until(lambda: "reload-refused" in service.events(), "refused")
    before = service.status()["frames"]["out"]
    service.until(lambda: service.status()["frames"]["out"] > before + 25, "goes on")
    assert service.end() == 0
    said = service.errors()
    assert "foo" in said
    assert f"{service.file}:1" in said


def test_without_a_camera_it_shows_a_slate_and_is_alive(start, tmp_path):
    service = start(f"{{kind: v4l2, device: {tmp_path}/no-such-device}}")
    service.until_told("READY=1")
    service.until_told("WATCHDOG=1")
    state = service.status()
    assert state["camera"]["state"] == "lost"
    assert state["camera"]["cause"] == "absent"
    assert service.end() == 0
    (segment,) = segments(tmp_path)
    assert frames_in(segment) >= 1


def test_a_second_one_of_the_same_name_is_refused(start):
    first = start()
    first.until_told("READY=1")
    again = subprocess.run(
        [sys.executable, "-m", "faceguard.edge.cli", "run", "-c", str(first.file)],
        env={**os.environ, "RUNTIME_DIRECTORY": str(first.place)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert again.returncode == 10
    assert f"process id {first.process.pid}" in again.stderr
    assert len(again.stderr.splitlines()) == 1


def test_a_bad_configuration_is_told_line_by_line(start, tmp_path):
    service = start("{kind: rtsp, url: 'http://user:secret@host/'}", "crf: 3\n")
    assert service.process.wait(PATIENCE_S) == 2
    said = service.errors()
    assert "url" in said
    assert "crf" in said
    assert "secret" not in said
    assert "Traceback" not in said


def test_a_model_that_is_not_there_is_told_at_once(start, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "nothing"))
    service = start()
    assert service.process.wait(PATIENCE_S) == 3
    assert "faceguard models pull" in service.errors()


def test_a_detector_that_is_never_in_time_covers_all_and_ends_it_with_7(start, tmp_path):
    # No CPU does a picture of this size in 10 ms.
    service = start(
        "{kind: synthetic, width: 1920, height: 1080, rate: 5}",
        "detector: {blind_limit_s: 2, timeout_ms: 10, long_side_px: 1920}\n",
    )
    service.until_told("READY=1")
    assert service.process.wait(PATIENCE_S) == 7
    assert "covered whole" in service.errors()
    for path in segments(tmp_path):
        with av.open(str(path)) as video:
            assert all(f.to_ndarray(format="gray").max() < 40 for f in video.decode(video=0))


def test_a_file_gets_its_masks_from_the_first_frame_on(start, tmp_path, sample_path):
    """It waits for the detector: nobody wants a recording that begins with black frames."""
    service = start(f"{{kind: file, path: {sample_path('carphone')}, paced: false}}")
    assert service.process.wait(PATIENCE_S) == 0
    assert "covered-whole" not in service.events()
    assert "face-appears" in service.events()


def test_a_file_that_is_not_there_is_the_end(start, tmp_path):
    service = start(f"{{kind: file, path: {tmp_path}/none.mp4}}")
    assert service.process.wait(PATIENCE_S) == 1
    assert "none.mp4" in service.errors()


def test_figures_are_served(start):
    port = free_port()
    service = start(port=port)
    service.until_told("READY=1")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    assert "faceguard_frames_out_total" in text
    assert service.end() == 0


def test_a_crash_leaves_no_picture_behind(start):
    """A core would hold frames as the camera gave them."""
    service = start()
    service.until_told("READY=1")
    limits = Path(f"/proc/{service.process.pid}/limits").read_text()
    (core,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert core.split()[4] in ("0", "1")
    assert service.end() == 0
