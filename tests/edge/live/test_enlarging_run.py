"""`faceguard run` that enlarges its video: on a cool board, on a hot one, and without its model."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from faceguard.edge.outputs.status import read_status
from faceguard.edge.outputs.status_words import told
from tests.edge.service_process import UNGOVERNED, Service, segments
from tests.edge.test_run_heat import THERMAL, HotService, Start, start

__all__ = ["start"]
pytestmark = pytest.mark.models

# Small and slow, so that no machine is too slow for it.
DRAWN = "{kind: synthetic, width: 160, height: 96, rate: 10}"
TEXT = """
camera: {camera}
metrics: null
outputs:
  recordings: {{folder: {place}/recordings, segment_s: 1}}
  events: {{path: {place}/events.jsonl}}
  status: {{folder: {place}}}
"""
UPSCALE = "upscale: {stream: {model: espcn-x2, threads: 1}}\n"


def sizes(place: Path) -> list[tuple[int, int]]:
    """Of the recordings, in their order."""
    found = []
    for path in segments(place):
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            found.append((stream.width, stream.height))
    return found


def stream(service: Service) -> dict:
    return service.status().get("upscale", {}).get("stream", {"counts": {}, "how": None})


def until_sharp(service: Service, more: int) -> None:
    before = stream(service)["counts"].get("sharp", 0)
    service.until(lambda: stream(service)["counts"].get("sharp", 0) >= before + more, "sharpened")


@pytest.fixture
def service(tmp_path: Path, engine_path) -> Iterator[Service]:
    for model in ("yunet", "espcn-x2"):
        engine_path(model)
    text = TEXT.format(camera=DRAWN, place=tmp_path) + UNGOVERNED + UPSCALE
    with Service(tmp_path, text) as one:
        yield one


def test_what_goes_out_is_twice_as_large_and_zooms_while_it_runs(
    service: Service, tmp_path: Path
) -> None:
    service.until_told("READY=1")
    until_sharp(service, 10)
    state = stream(service)
    assert (state["model"], state["scale"], state["size"]) == ("espcn-x2", 2, [320, 192])
    assert state["trouble"] is None
    # The camera is as large as before.
    assert service.camera()["size"] == [160, 96]
    status = read_status(tmp_path, "camera")
    assert status is not None
    assert "enlarged  stream to 320x192 by espcn-x2, " in told(status)
    region = "model: espcn-x2, region: [0.5, 0, 0.5, 1]"
    service.file.write_text(service.file.read_text().replace("model: espcn-x2", region))
    service.process.send_signal(signal.SIGHUP)
    service.until(lambda: stream(service)["size"] == [160, 192], "zoomed")
    until_sharp(service, 5)
    frames = service.status()["frames"]
    assert frames["dropped"].get("upscale", 0) < frames["out"]
    assert service.end() == 0
    found = sizes(tmp_path)
    assert found[-1] == (160, 192)
    assert set(found) - {(2560, 1440)} == {(320, 192), (160, 192)}


def test_on_a_hot_board_sharpness_goes_first_and_the_size_stays(
    start: Start, engine_path, tmp_path: Path
) -> None:
    engine_path("espcn-x2")
    thermal = THERMAL.format(limit_c=40, blind_after_s=60) + UPSCALE
    service: HotService = start(DRAWN, {"gpu-thermal": 35.0}, thermal)
    service.until_told("READY=1")
    until_sharp(service, 5)
    assert service.thermal()["levels"] == 4
    service.heat(0, 40.3)
    service.until_level(1)
    service.until(lambda: stream(service)["counts"].get("heat", 0) > 5, "plain")
    assert (stream(service)["how"], stream(service)["size"]) == ("heat", [320, 192])
    # All frames still come.
    assert service.thermal()["frames_per_s"] is None
    assert not service.status()["frames"]["dropped"].get("budget")
    service.file.write_text(service.file.read_text().replace("limit_c: 40", "limit_c: 95"))
    service.process.send_signal(signal.SIGHUP)
    service.until_level(0)
    until_sharp(service, 5)
    assert service.end() == 0
    assert set(sizes(tmp_path)) - {(2560, 1440)} == {(320, 192)}


def test_without_its_model_it_runs_and_says_so(
    tmp_path: Path, engine_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The detector's model is here and the other is not."""
    models = tmp_path / "models"
    models.mkdir()
    for path in engine_path("yunet").parent.glob("*yunet*"):
        (models / path.name).symlink_to(path)
    monkeypatch.setenv("FACEGUARD_MODELS", str(models))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    text = TEXT.format(camera=DRAWN, place=tmp_path) + UNGOVERNED + UPSCALE
    with Service(tmp_path, text) as service:
        service.until_told("READY=1")
        service.until(lambda: stream(service)["counts"].get("failed", 0) > 5, "plain")
        assert stream(service)["size"] == [320, 192]
        assert "faceguard models pull espcn-x2" in stream(service)["trouble"]
        status = read_status(tmp_path, "camera")
        assert status is not None
        assert "stream is enlarged plainly (" in told(status)
        assert service.end() == 0
    assert set(sizes(tmp_path)) - {(2560, 1440)} == {(320, 192)}
