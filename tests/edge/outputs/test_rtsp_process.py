"""The RTSP server's process: it dies, hangs or is slow, goes with its camera, leaves nothing."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.edge.outputs.rtsp_video import (
    Player,
    needs_gstreamer,
    server_pid,
    server_pids,
    serving,
    started,
)
from tests.edge.outputs.waiting import open_files, until


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
            began_s = time.monotonic()
            os.kill(first, signal.SIGSTOP)
            until(lambda: video.dropped > 0)
            until(lambda: server_pids(os.getpid()) not in ([first], []), within_s=40)
            hung_s = time.monotonic() - began_s
        assert video.longest_offer_s < hung_s / 3
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
