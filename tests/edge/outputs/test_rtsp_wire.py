"""The messages between the camera and its RTSP server, over real sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceguard.edge.outputs.rtsp_wire import PACKET, PING, Ended, Wire


@pytest.fixture
def ends() -> Iterator[tuple[Wire, socket.socket]]:
    ours, its = socket.socketpair()
    wire = Wire(ours)
    yield wire, its
    wire.close()
    its.close()


@given(
    st.lists(st.tuples(st.sampled_from([PACKET, PING]), st.binary(max_size=300)), max_size=8),
    st.integers(1, 50),
)
def test_what_comes_in_pieces_is_put_together(
    messages: list[tuple[bytes, bytes]], step: int
) -> None:
    first, second, third, fourth = *socket.socketpair(), *socket.socketpair()
    sender, receiver = Wire(first), Wire(fourth)
    try:
        for kind, body in messages:
            sender.send(kind, body[:7], body[7:])
        sender.close()
        got = []
        while piece := second.recv(step):
            third.sendall(piece)
            got += receiver.receive()
        assert got == messages
        third.close()
        with pytest.raises(Ended):
            receiver.receive()
    finally:
        for end in (first, second, third, fourth):
            end.close()


def test_what_nobody_reads_waits_without_holding_up(ends: tuple[Wire, socket.socket]) -> None:
    wire, its = ends
    body = bytes(range(256)) * 8192
    for _ in range(4):
        wire.send(PACKET, body)
    assert 0 < wire.waiting_bytes < 4 * (len(body) + 5)
    other = Wire(its)
    got: list[tuple[bytes, bytes]] = []
    while len(got) < 4:
        got += other.receive()
        wire.flush()
    assert got == [(PACKET, body)] * 4
    assert wire.waiting_bytes == 0


def test_the_end_is_told_after_what_came_before_it(ends: tuple[Wire, socket.socket]) -> None:
    wire, its = ends
    assert wire.receive() == []
    its.sendall(b"?\0\0\0\0K\0\0\0\2a")
    its.close()
    assert wire.receive() == [(PING, b"")]
    with pytest.raises(Ended):
        wire.receive()
    with pytest.raises(Ended):
        wire.send(PING)


def test_what_is_no_message_is_the_end(ends: tuple[Wire, socket.socket]) -> None:
    wire, its = ends
    its.sendall(b"HTTP/1.1 400 Bad Request\r\n")
    with pytest.raises(Ended):
        wire.receive()
