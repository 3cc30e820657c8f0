"""`faceguard run` on a board that gets too hot, or cannot tell: less goes out, and no face."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.edge.rtsp_server import RtspServer
from tests.edge.service_process import Service, segments
from tests.edge.test_run_network_camera import clip, faces_in
from tests.ports import free_port

__all__ = ["clip"]
pytestmark = pytest.mark.models

# Lays the board over that of this machine, for the program alone, and then becomes it.
_COVER = """
mount --bind "$1" /sys/class/thermal
[ ! -d /sys/class/hwmon ] || mount -t tmpfs none /sys/class/hwmon
shift
exec "$@"
"""
_APART = ("unshare", "--mount", "--propagation", "private")
# Two levels and a pause: each change is a great one, and there need not be many of them.
THERMAL = (
    "thermal: {{limit_c: {limit_c}, step: 0.5, least_share: 0.5, most_every: 1, "
    "blind_after_s: {blind_after_s}}}\n"
)
TEXT = """
camera: {camera}
metrics: {{port: {port}}}
log: {{format: json}}
redaction: {{style: solid}}
outputs:
  recordings: {{folder: {place}/recordings}}
  events: {{path: {place}/events.jsonl}}
  status: {{folder: {place}}}
"""


class HotService(Service):
    """The program on a board of plain files."""

    def __init__(self, place: Path, camera: str, zones: dict[str, float], thermal: str) -> None:
        self.board = place / "board"
        self.board.mkdir()
        for number, (kind, value_c) in enumerate(zones.items()):
            (self.board / f"thermal_zone{number}").mkdir()
            (self.board / f"thermal_zone{number}/type").write_text(f"{kind}\n")
            self.heat(number, value_c)
        self.port = free_port()
        text = TEXT.format(camera=camera, port=self.port, place=place)
        super().__init__(place, text + thermal)

    def command(self) -> list[str]:
        return [*_APART, "sh", "-euc", _COVER, "sh", str(self.board), *super().command()]

    def heat(self, number: int, value_c: float) -> None:
        path = self.board / f"thermal_zone{number}/temp"
        beside = path.with_name("new")
        beside.write_text(f"{value_c * 1000:.0f}\n")
        # As a whole: it is read at any moment.
        beside.replace(path)

    def thermal(self) -> dict:
        return self.status().get("thermal", {"level": None})

    def until_level(self, level: int) -> dict:
        self.until(lambda: self.thermal()["level"] == level, f"level {level}")
        return self.thermal()

    def figures(self) -> str:
        address = f"http://127.0.0.1:{self.port}/metrics"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.read().decode()

    def told_of(self, kind: str) -> list[dict]:
        lines = (self.place / "events.jsonl").read_text().splitlines()
        return [event for event in map(json.loads, lines) if event["kind"] == kind]


@pytest.fixture
def start(tmp_path: Path, engine_path):
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("laying a board over /sys needs root and unshare")
    tried = subprocess.run(
        [*_APART, "sh", "-euc", _COVER, "sh", str(tmp_path), "true"],
        capture_output=True,
        check=False,
    )
    if tried.returncode:
        pytest.skip("this machine does not let tests mount anything")
    engine_path("yunet")
    services: list[HotService] = []

    def starting(camera: str, zones: dict[str, float], thermal: str) -> HotService:
        services.append(HotService(tmp_path, camera, zones, thermal))
        return services[-1]

    yield starting
    for service in services:
        service.close()


Start = Callable[[str, dict[str, float], str], HotService]


def test_above_its_limit_it_gives_fewer_frames_and_covers_them_all(
    start: Start, clip: Path, tmp_path: Path
) -> None:
    _, shown = faces_in(clip)
    assert shown > 50
    with RtspServer(file=clip) as camera:
        # So little above that one level is enough for it: no more may go by itself.
        zones = {"cpu-thermal": 40.3, "gpu-thermal": 39.0}
        thermal = THERMAL.format(limit_c=40, blind_after_s=60)
        service = start(f"{{kind: rtsp, url: '{camera.url}'}}", zones, thermal)
        service.until_told("READY=1")
        hot = service.until_level(1)
        assert (hot["zone"], hot["temperature_c"], hot["limit_c"]) == ("cpu-thermal", 40.3, 40)
        assert hot["reason"] == "heat: cpu-thermal at 40.3 of 40 C"
        seen: list[dict] = []

        def is_known() -> bool:
            seen.append(service.thermal())
            return seen[-1]["rate"] is not None

        service.until(is_known, "rate")
        assert seen[-1]["frames_per_s"] == pytest.approx(seen[-1]["rate"] / 2, abs=0.1)
        service.until_told("40 C, level 1 of 2 (heat: cpu-thermal at 40.3 of 40 C)")
        assert service.status()["temperatures_c"] == zones
        service.until(lambda: 5 < service.status()["rate_out"] < 20, "fewer frames")
        service.until_out(25)
        service.until(lambda: service.status()["frames"]["dropped"]["budget"] > 10, "dropped")
        service.until(lambda: bool(service.told_of("level")), "event")
        (event,) = service.told_of("level")
        assert (event["from"], event["to"], event["zone"]) == (0, 1, "cpu-thermal")
        assert (event["temperature_c"], event["limit_c"]) == (40.3, 40)
        assert 'temperature_limit_celsius{zone="cpu-thermal"} 40.0' in service.figures()

        # A limit that is further away, without a restart.
        service.file.write_text(service.file.read_text().replace("limit_c: 40", "limit_c: 95"))
        service.process.send_signal(signal.SIGHUP)
        assert service.until_level(0)["limit_c"] == 95
        service.until(lambda: service.status()["rate_out"] > 20, "all frames")
        # Far above: nothing goes out but the picture that says so.
        service.heat(1, 101.0)
        assert service.until_level(2)["paused"]
        slates = service.status()["frames"]["slates"]
        service.until(lambda: service.status()["frames"]["slates"] > slates + 5, "slates")
        before = service.status()["frames"]["out"]
        service.until(lambda: service.status()["frames"]["dropped"]["paused"] > 25, "paused")
        assert service.status()["frames"]["out"] == before
        assert service.end() == 0
    said = [json.loads(line) for line in service.errors().splitlines()]
    levels = [line["message"] for line in said if line.get("fields", {}).get("event") == "level"]
    assert levels[0] == "level 0 to 1 of 2 (heat: cpu-thermal at 40.3 of 40 C)"
    assert levels[-1].startswith("output is paused: level ")
    recorded = [faces_in(path) for path in segments(tmp_path)]
    assert sum(frames for frames, _ in recorded) > 60
    assert sum(shown for _, shown in recorded) == 0


DRAWN = "{kind: synthetic, width: 320, height: 192}"


def test_a_board_that_cannot_tell_is_slow_and_says_so(start: Start) -> None:
    service = start(DRAWN, {"cv0-thermal": 999.0}, THERMAL.format(limit_c=75, blind_after_s=1))
    service.until_told("READY=1")
    told = service.until_level(1)
    # There is one, so no setting makes this a machine that needs none.
    assert told["has_sensors"]
    assert told["zones"]["cv0-thermal"]["doubt"] == "absurd (999)"
    assert told["reason"].startswith("blind: cv0-thermal: absurd")
    service.until(lambda: service.status()["rate_out"] < 20, "fewer frames")
    assert service.status()["temperatures_c"] == {"cv0-thermal": None}
    service.until_told("no temperature, level 1 of 2 (blind: ")
    service.until(lambda: bool(service.told_of("blind")), "event")
    (event,) = service.told_of("blind")
    assert event["reason"] == "cv0-thermal: absurd (999)"
    assert not service.told_of("sensor-lost")
    assert service.end() == 0
    said = [json.loads(line) for line in service.errors().splitlines()]
    words = "no temperature is believed: cv0-thermal: absurd (999)"
    assert [line["message"] for line in said].count(words) == 1


def test_no_sensor_and_all_that_is_asked_for(start: Start) -> None:
    thermal = "thermal: {without_sensors: unlimited, blind_after_s: 1}\n"
    service = start(DRAWN, {}, thermal)
    service.until_told("READY=1")
    service.until(lambda: "zones" in service.thermal(), "status")
    if service.thermal()["zones"]:
        pytest.skip("this machine's graphics card tells its temperature")
    service.until(lambda: service.status()["uptime_s"] > 4.5, "a while")
    service.until_out(30)
    status = service.status()
    assert (status["level"], status["thermal"]["frames_per_s"]) == (0, None)
    assert not status["frames"]["dropped"].get("budget")
    assert service.end() == 0
    said = [json.loads(line)["message"] for line in service.errors().splitlines()]
    assert len([line for line in said if "no temperature can be read" in line]) == 1
