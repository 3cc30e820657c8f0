"""Live video over RTSP: what real players see, who may, and what the frozen ones disturb."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import av.error

from tests.edge.outputs.rtsp_video import (
    SIZE,
    Pictures,
    Plain,
    Player,
    Serving,
    basic,
    needs_gstreamer,
    resident_mib,
    server_pid,
    serving,
    started,
)
from tests.edge.outputs.waiting import until


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
