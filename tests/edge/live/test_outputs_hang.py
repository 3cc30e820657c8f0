"""An output that hangs is told of, and frames that go nowhere do not feed the watchdog."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from faceguard.edge.config.model import Config
from faceguard.edge.live import outputs as module
from faceguard.edge.live.outputs import Outputs
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.encoder import Encoder
from faceguard.edge.service.quiet import Quiet
from tests.edge.outputs.safe_frames import safe


@pytest.fixture
def outputs(tmp_path: Path) -> Iterator[Outputs]:
    config = Config.model_validate(
        {
            "camera": {"kind": "synthetic"},
            "outputs": {"recordings": {"folder": str(tmp_path)}, "mjpeg": {"port": 0}},
        }
    )
    meters = Meters()
    made = Outputs(
        lambda: config,
        meters,
        Quiet(meters),
        rate=lambda: 25.0,
        on_event=lambda _: None,
        wait=False,
    )
    with made:
        yield made


def test_a_hang_is_seen_and_only_if_nothing_gets_out_it_is_the_end(outputs, monkeypatch):
    gate, entered = threading.Event(), threading.Event()

    def hang(_self: object, _thing: object) -> None:
        entered.set()
        gate.wait(30)

    monkeypatch.setattr(Encoder, "take", hang)
    monkeypatch.setattr(module, "_STUCK_S", 0.0)
    outputs.start()
    picture = safe()
    for sink in outputs.frame_sinks:
        sink.offer(picture)
    assert entered.wait(10)
    assert "encoder" in outputs.stuck
    # Recordings hang with it, but the page still shows pictures.
    assert not outputs.is_dead or "mjpeg" in outputs.stuck
    monkeypatch.setattr(module.Outputs, "stuck", ["encoder", "mjpeg"])
    assert outputs.is_dead
    monkeypatch.setattr(module.Outputs, "stuck", ["recordings", "mjpeg"])
    assert outputs.is_dead
    monkeypatch.setattr(module.Outputs, "stuck", ["recordings"])
    assert not outputs.is_dead
    gate.set()
