"""Live video over RTSP: real servers in their own processes, real players."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av.error
import pytest

from faceguard.edge.config.outputs import RtspOutput
from faceguard.edge.meters import Meters
from faceguard.edge.outputs import rtsp_child
from faceguard.edge.outputs.rtsp import RtspServer
from faceguard.edge.outputs.rtsp_child import find_interpreter
from faceguard.edge.service.quiet import Quiet
from faceguard.engines.errors import MissingPackage, OutputError
from tests.edge.outputs.rtsp_video import (
    SIZE,
    Pictures,
    Plain,
    Player,
    Serving,
    basic,
    resident_mib,
    server_pid,
    server_pids,
    serving,
)
from tests.edge.outputs.waiting import open_files, until

needs_gstreamer = pytest.mark.skipif(
    find_interpreter() is None, reason="no Python here has GStreamer's RTSP server"
)


@contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is killed at the end, frozen or not."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        try:
            yield process
        finally:
            process.kill()


def idle(**settings: object) -> RtspServer:
    """A server that is not started."""
    meters = Meters()
    asked = RtspOutput.model_validate({"port": 0, **settings})
    return RtspServer(asked, "front", None, meters, Quiet(meters), request_keyframe=lambda: None)


@needs_gstreamer
def test_all_see_all_pictures_and_who_comes_late_begins_at_once() -> None:
    with serving() as video:
        with Player(video.address) as first, Player(video.address) as second:
            until(lambda: len(first.seen) > 50 and len(second.seen) > 50)
            assert video.clients == 2
            with Player(video.address, "udp") as late:
                # The encoder makes no keyframe of its own: this one was asked for.
                until(lambda: len(late.seen) > 50)
                assert late.lost() == 0
                assert video.clients == 3
        assert first.lost() == second.lost() == 0
        assert first.error is second.error is late.error is None
        assert video.dropped == 0
        until(lambda: video.clients == 0)
        with Player(video.address) as again:
            until(lambda: len(again.seen) > 10)


@needs_gstreamer
def test_a_player_is_shown_what_there_is_and_no_more() -> None:
    with serving(most_clients=2) as video:
        with Plain(video.address.replace("front", "back")) as elsewhere:
            assert elsewhere.ask("DESCRIBE")[0] == 404
        with Player(video.address) as first, Player(video.address) as second:
            until(lambda: len(first.seen) > 5 and len(second.seen) > 5)
            with Plain(video.address) as third:
                assert third.ask("DESCRIBE")[0] == 200
                over_this = "RTP/AVP/TCP;unicast;interleaved=0-1"
                assert third.ask("SETUP", "/stream=0", Transport=over_this)[0] == 503
            count = len(first.seen)
            until(lambda: len(first.seen) > count + 5)
        until(lambda: video.clients == 0)
        with Player(video.address) as now:
            until(lambda: len(now.seen) > 5)


@needs_gstreamer
def test_many_addresses_make_one_pipeline() -> None:
    def threads() -> list[str]:
        places = Path(f"/proc/{server_pid()}/task").glob("*/comm")
        return [place.read_text() for place in places]

    with serving() as video, Player(f"{video.address}?a=1") as first:
        until(lambda: len(first.seen) > 5)
        # Named after the pipeline's source.
        before = threads().count("feed:src\n")
        assert before > 0
        with Player(f"{video.address}?b=2") as second:
            until(lambda: len(second.seen) > 5)
            assert threads().count("feed:src\n") == before


@needs_gstreamer
def test_only_who_knows_the_password_sees_anything() -> None:
    with serving(user="guard", password="open sesame:@/") as video:  # noqa: S106 - a test's own
        with Plain(video.address) as stranger:
            status, text = stranger.ask("DESCRIBE")
            assert status == 401
            assert "Digest" in text
            assert "Basic" not in text
            login = basic("guard", "open sesame:@/")
            assert stranger.ask("DESCRIBE", Authorization=login)[0] == 401
        bare = video.address.removeprefix("rtsp://")
        for login in ("", "guard:wrong@", "nobody:open%20sesame%3A%40%2F@"):
            with Player(f"rtsp://{login}{bare}") as player:
                until(lambda: player.ended)
            assert isinstance(player.error, av.error.HTTPUnauthorizedError)
            assert player.seen == []
        assert video.clients == 0
        command = Path(f"/proc/{server_pid()}/cmdline").read_bytes()
        environment = Path(f"/proc/{server_pid()}/environ").read_bytes()
        assert b"sesame" not in command + environment
        with Player(f"rtsp://guard:open%20sesame%3A%40%2F@{bare}") as known:
            until(lambda: len(known.seen) > 5)


def answers(address: str) -> bool:
    with Plain(address) as client:
        return client.ask("OPTIONS")[0] == 200


_READER = """
import av, sys
for frame in av.open(sys.argv[1], options={"rtsp_transport": "tcp"}).decode(video=0):
    print(frame.width, flush=True)
"""


@needs_gstreamer
def test_frozen_players_are_let_go_and_disturb_nobody() -> None:
    # One camera has another player over TCP, and the second one over UDP: different ways to block.
    with (
        serving(padding=60_000) as video,
        Player(video.address) as other,
        serving(padding=40_000) as second,
        Plain(second.address) as stuck,
    ):
        until(lambda: len(other.seen) > 20)
        server = video.server._child.pid
        command = [sys.executable, "-c", _READER, video.address]
        with started(command) as frozen:
            assert frozen.stdout is not None
            assert frozen.stdout.readline().strip() == str(SIZE[0]).encode()
            assert video.clients == 2
            os.kill(frozen.pid, signal.SIGSTOP)
            before = resident_mib(server)
            _over_udp_beside(stuck, second)
            until(lambda: video.clients == 1, within_s=40)
            assert resident_mib(server) - before < 80
        count = len(other.seen)
        until(lambda: len(other.seen) > count + 20)
        assert other.lost() == 0
        assert video.dropped == 0


def _over_udp_beside(stuck: Plain, video: Serving) -> None:
    stuck.play()
    with Player(video.address, "udp") as player:
        until(lambda: video.clients == 2 and player.seen)
        until(lambda: video.clients == 1, within_s=40)
        count = len(player.seen)
        until(lambda: len(player.seen) > count + 50)
        # A frozen one is let go after five seconds; nobody stood still for as long.
        assert player.longest_pause_s < 3
        with Player(video.address) as late:
            until(lambda: len(late.seen) > 5)
        assert player.error is None
    until(stuck.is_cut)


@needs_gstreamer
def test_who_connects_and_says_nothing_has_no_use_of_places() -> None:
    with serving(most_clients=1) as video:
        silent = [Plain(video.address) for _ in range(30)]
        # 17 connections may be open at a time.
        until(lambda: sum(client.is_cut() for client in silent) == 13)
        for client in silent:
            client.close()
        until(lambda: answers(video.address), missing=(AssertionError, ConnectionError))
        with Player(video.address) as player:
            until(lambda: len(player.seen) > 5)


@needs_gstreamer
def test_a_server_that_dies_comes_back_at_its_port() -> None:
    with serving() as video:
        address = video.address
        with Player(address) as player:
            until(lambda: len(player.seen) > 5)
            first = server_pid()
            os.kill(first, signal.SIGKILL)
            until(lambda: player.ended)
        until(lambda: server_pid() != first)
        assert video.meters.value("output_failures_total", output="rtsp") == 1
        until(lambda: video.meters.value("output_up", output="rtsp") == 1)
        assert video.address == address
        with Player(address) as player:
            until(lambda: len(player.seen) > 5)


@needs_gstreamer
def test_a_server_that_hangs_holds_up_nothing_and_is_replaced() -> None:
    with serving(padding=100_000) as video:
        with Player(video.address) as player:
            until(lambda: len(player.seen) > 5)
            first = server_pid()
            os.kill(first, signal.SIGSTOP)
            until(lambda: video.dropped > 0)
            until(lambda: server_pids(os.getpid()) not in ([first], []), within_s=40)
        assert video.longest_offer_s < 0.5
        until(lambda: video.meters.value("output_up", output="rtsp") == 1)
        with Player(video.address) as player:
            until(lambda: len(player.seen) > 5)


@needs_gstreamer
def test_a_server_that_was_slow_for_a_moment_goes_on() -> None:
    with serving(padding=200_000) as video, Player(video.address) as player:
        until(lambda: len(player.seen) > 5)
        first = server_pid()
        os.kill(first, signal.SIGSTOP)
        until(lambda: video.dropped > 20)
        os.kill(first, signal.SIGCONT)
        count = len(player.seen)
        until(lambda: len(player.seen) > count + 50)
        assert server_pid() == first
        dropped = video.dropped
        count = len(player.seen)
        until(lambda: len(player.seen) > count + 20)
        assert video.dropped == dropped
        assert video.meters.value("output_failures_total", output="rtsp") == 0


@needs_gstreamer
def test_while_nobody_watches_nothing_is_sent_and_nothing_asked() -> None:
    with serving(padding=200_000) as video:
        _ = video.address
        os.kill(server_pid(), signal.SIGSTOP)
        start = video.pictures.number
        until(lambda: video.pictures.number > start + 50)
        os.kill(server_pid(), signal.SIGCONT)
        assert video.dropped == 0
        assert video.pictures.requests == 0


@needs_gstreamer
def test_another_size_makes_players_come_again_and_another_stream_does_not() -> None:
    with serving() as video, Player(video.address) as player:
        until(lambda: len(player.seen) > 5)
        video.pictures = Pictures(number=2)
        count = len(player.seen)
        until(lambda: len(player.seen) > count + 20)
        video.pictures = Pictures((320, 192), number=3)
        until(lambda: player.ended)
        assert player.sizes == {SIZE}
        with Player(video.address) as again:
            until(lambda: len(again.seen) > 20)
            assert again.sizes == {(320, 192)}
            assert again.lost() == 0


_CAMERA = """
import signal, sys
from faceguard.edge.config.outputs import RtspOutput
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.rtsp import RtspServer
from faceguard.edge.service.quiet import Quiet
meters = Meters()
server = RtspServer(
    RtspOutput(port=0), "front", None, meters, Quiet(meters), request_keyframe=lambda: None
)
server.start()
while server.address is None:
    signal.sigtimedwait([], 0.01)
print(server.address, flush=True)
sys.stdin.read()
"""


@needs_gstreamer
@pytest.mark.parametrize("hangs", [False, True])
def test_a_server_goes_with_its_camera(hangs: bool) -> None:
    with started([sys.executable, "-c", _CAMERA]) as camera:
        assert camera.stdout is not None
        assert camera.stdout.readline().startswith(b"rtsp://")
        (server,) = server_pids(camera.pid)
        if hangs:
            os.kill(server, signal.SIGSTOP)
        camera.kill()
    until(lambda: server not in server_pids())


@needs_gstreamer
def test_nothing_is_left() -> None:
    with serving() as video, Player(video.address) as player:
        until(lambda: len(player.seen) > 5)
    threads, files = threading.active_count(), open_files()
    for _ in range(3):
        with serving() as video, Player(video.address) as player:
            until(lambda: len(player.seen) > 5)
            pid = server_pid()
        assert not Path(f"/proc/{pid}").exists()
    assert threading.active_count() == threads
    assert open_files() == files
    with serving():
        pass  # while it starts
    assert server_pids(os.getpid()) == []


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
