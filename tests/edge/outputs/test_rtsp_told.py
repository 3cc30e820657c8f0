"""What the RTSP server says: who may watch, what it cannot have, and no player's address."""

from __future__ import annotations

import logging
import socket
import sys
from pathlib import Path

import pytest

from faceguard.edge.config.outputs import RtspOutput
from faceguard.edge.meters import Meters
from faceguard.edge.outputs import rtsp_child
from faceguard.edge.outputs.rtsp import RtspServer
from faceguard.edge.outputs.rtsp_child import find_interpreter
from faceguard.edge.service.quiet import Quiet
from faceguard.engines.errors import MissingPackage, OutputError
from tests.edge.outputs.rtsp_video import needs_gstreamer


def idle(**settings: object) -> RtspServer:
    """A server that is not started."""
    meters = Meters()
    asked = RtspOutput.model_validate({"port": 0, **settings})
    return RtspServer(asked, "front", None, meters, Quiet(meters), request_keyframe=lambda: None)


@needs_gstreamer
@pytest.mark.parametrize(("host", "warned"), [("0.0.0.0", 1), ("127.0.0.1", 0)])  # noqa: S104
def test_who_lets_everybody_in_is_warned(
    host: str, warned: int, caplog: pytest.LogCaptureFixture
) -> None:
    server = idle(host=host)
    server.open_up()
    server.shut(broken=False)
    said = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(said) == warned
    assert all("rtsp: anybody who reaches this machine may watch" in line for line in said)


@needs_gstreamer
def test_a_port_or_host_that_cannot_be_had_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        server = idle(port=port)
        with pytest.raises(OutputError, match=f"^port {port} is taken .*outputs.rtsp.port"):
            server.open_up()
        server.shut(broken=True)
    server = idle(host="192.0.2.1")
    with pytest.raises(OutputError, match=r"^outputs.rtsp.host is no address") as caught:
        server.open_up()
    server.shut(broken=True)
    assert "192" not in str(caught.value)


def test_without_gstreamer_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setattr(rtsp_child, "_found", None)
    monkeypatch.setattr(rtsp_child, "_SYSTEM_PYTHON", str(bare))
    monkeypatch.setattr(sys, "executable", "")
    assert find_interpreter() is None
    with pytest.raises(MissingPackage, match="sudo apt install python3-gi"):
        idle().open_up()


@needs_gstreamer
def test_addresses_of_players_are_not_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = idle()
    server.open_up()
    child = server._child
    assert child is not None
    lines = ["client 192.0.2.7 of rtsp://192.0.2.8:80/x", "from fe80::1ff:fe23:4567:890a"]
    monkeypatch.setattr(child, "said", lambda: lines)
    with caplog.at_level(logging.DEBUG):
        server.tick()
        server.quiet.over("rtsp server")
        monkeypatch.setattr(child, "said", lambda: lines[1:])
        server.tick()
    server.shut(broken=False)
    told = caplog.text
    assert told.count("RTSP server: ") == 2
    assert "192.0.2" not in told
    assert "fe80" not in told
