"""Live pictures over HTTP: clients that never read, never ask, or talk nonsense."""

from __future__ import annotations

import select
import socket
from contextlib import suppress

import pytest

from faceguard.edge.types import PixelFormat
from tests.edge.outputs.mjpeg_clients import (
    NOISE,
    end_of,
    get,
    made,
    pictures,
    raw,
    read_until,
    watchers,
)
from tests.edge.outputs.safe_frames import image, safe
from tests.edge.outputs.waiting import until


def test_a_client_that_never_reads_costs_no_memory_slows_nobody_and_is_dropped(serve, meters):
    output = serve(frame=safe(image(PixelFormat.I420, NOISE)), patience_s=1.0, quality=95)
    with raw(output, buffer=4096):
        until(lambda: watchers(meters) == 1)
        (stuck,) = output._server._connections.values()
        most = 0

        def is_dropped():
            nonlocal most
            most = max(most, stuck.transport.get_write_buffer_size())
            jpegs = pictures(output, 3)
            assert len(jpegs) == 3
            return stuck.transport.is_closing()

        assert until(is_dropped)
        size = len(pictures(output, 1)[0])
        # What was being sent, and what may wait before the next is held back.
        assert 64 * 1024 < most < size + 128 * 1024
    until(lambda: watchers(meters) == 0)


def test_a_slow_client_gets_the_newest_and_skips_the_rest(serve, meters):
    output = serve(frame=safe(image(PixelFormat.I420, NOISE)), quality=95)
    with raw(output, buffer=4096) as client:
        until(lambda: watchers(meters) == 1)
        (stuck,) = output._server._connections.values()
        until(lambda: stuck.flow.write_paused)
        before = made(output)
        until(lambda: made(output) > before + 20)
        output.box["frame"] = safe()
        until(lambda: output._board._newest and len(output._board._newest.jpeg) < 100_000)
        data = read_until(client, b"Content-Length: %d\r" % len(output._board._newest.jpeg))
    # What lay in the buffers, out of more than twenty.
    assert data.count(b"\xff\xd8\xff") < 8


def test_clients_that_say_nothing_are_dropped_and_cannot_take_all_places(serve):
    output = serve(patience_s=2.0, most_clients=1)
    half = b"GET / HTTP/1.1\r\nX: "
    silent = []
    try:
        for _ in range(40):
            client = socket.create_connection(("127.0.0.1", output.port), 20)
            client.settimeout(20)
            silent.append(client)
            with suppress(ConnectionResetError, BrokenPipeError):
                client.sendall(half)
        until(lambda: len(output._server._connections) == 1 + 16)
        # Nothing is ever said to them, so what can be read is the end.
        until(lambda: len(select.select(silent, [], [], 0)[0]) == 40 - 17)
        until(lambda: not output._server._connections)
    finally:
        for client in silent:
            client.close()
    assert get(output).status_code == 200


def test_a_client_that_asks_for_a_picture_and_never_reads_is_dropped(serve):
    output = serve(frame=safe(image(PixelFormat.I420, NOISE)), patience_s=1.0, quality=95)
    asked = b"GET /snapshot.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with raw(output, asked * 30, buffer=4096):
        until(lambda: output._server._connections)
        until(lambda: not output._server._connections)


@pytest.mark.parametrize(
    "garbage",
    [b"\x00\xff\x00\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"/" * 100_000, b"\r\n\r\n"],
)
def test_garbage_does_no_harm(serve, garbage):
    output = serve(patience_s=1.0)
    with raw(output, garbage) as client:
        end_of(client)
    assert get(output).status_code == 200
