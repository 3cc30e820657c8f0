"""Prometheus gets its figures, and nobody can hang the daemon through them."""

from __future__ import annotations

import socket
import threading
import urllib.error
import urllib.request

import pytest

from faceguard.edge.meters import Meters
from faceguard.edge.service.metrics_server import MetricsServer
from faceguard.engines.errors import OutputError
from tests.edge.outputs.waiting import open_files, until


@pytest.fixture
def meters():
    return Meters()


def get(port: int, path: str = "/metrics", host: str = "127.0.0.1") -> str:
    with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=20) as answer:
        return answer.read().decode()


def metrics_threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("metrics")]


def test_figures_are_shown_as_they_are_now(meters):
    with MetricsServer(meters, "127.0.0.1", 0) as server:
        assert "faceguard_frames_in_total 0.0" in get(server.port)
        meters.frames_in.inc(3)
        meters.frames_dropped.labels("busy").inc()
        shown = get(server.port)
    assert "faceguard_frames_in_total 3.0" in shown
    assert 'faceguard_frames_dropped_total{cause="busy"} 1.0' in shown


def test_it_listens_where_it_was_told_and_nowhere_else(meters):
    with MetricsServer(meters, "127.0.0.1", 0) as server, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", server.port), 5)


def test_ipv6(meters):
    try:
        server = MetricsServer(meters, "::1", 0)
    except OutputError:
        pytest.skip("this machine has no IPv6")
    with server:
        assert "faceguard_frames_in_total" in get(server.port, host="[::1]")


def test_a_port_that_is_taken_is_one_line(meters):
    with MetricsServer(meters, "127.0.0.1", 0) as first, pytest.raises(OutputError) as refused:
        MetricsServer(meters, "127.0.0.1", first.port)
    said = str(refused.value)
    assert said.startswith(f"127.0.0.1 port {first.port}: the port is taken; ")
    assert "metrics.port" in said
    assert "\n" not in said


@pytest.mark.parametrize("host", ["192.0.2.7", "no such name.invalid"])
def test_an_address_that_is_not_ours_is_one_line(meters, host):
    with pytest.raises(OutputError, match=r"metrics\.host"):
        MetricsServer(meters, host, 0)


def test_nothing_is_left_after_the_end_with_clients_that_hang(meters):
    files, threads = open_files(), threading.active_count()
    server = MetricsServer(meters, "127.0.0.1", 0)
    silent = [socket.create_connection(("127.0.0.1", server.port), 20) for _ in range(3)]
    silent[1].sendall(b"GET /metrics HT")
    until(lambda: metrics_threads().count("metrics client") == 3)
    server.close()
    server.close()
    for client in silent:
        assert client.recv(10) == b""
        client.close()
    assert threading.active_count() == threads
    assert open_files() == files
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), 5)


def test_a_client_that_says_nothing_is_dropped(meters):
    with MetricsServer(meters, "127.0.0.1", 0, patience_s=0.2) as server:
        with socket.create_connection(("127.0.0.1", server.port), 20) as client:
            client.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
            assert client.recv(10) == b""
        until(lambda: metrics_threads() == ["metrics"])


def test_a_client_that_never_reads_is_dropped(meters, capfd):
    for number in range(10_000):
        meters.frames_whole.labels(f"cause {number:0200}").inc()
    with MetricsServer(meters, "127.0.0.1", 0, patience_s=1.5) as server:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", server.port))
            client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            until(lambda: "metrics client" in metrics_threads())
            until(lambda: metrics_threads() == ["metrics"])
        assert "faceguard_frames_in_total" in get(server.port)
    assert capfd.readouterr().err == ""


def test_many_clients_that_hang_do_not_make_many_threads(meters):
    with MetricsServer(meters, "127.0.0.1", 0, patience_s=5) as server:
        hanging = [socket.create_connection(("127.0.0.1", server.port), 20) for _ in range(30)]
        refused = [client for client in hanging[8:] if client.recv(1) == b""]
        assert len(refused) == 22
        assert metrics_threads().count("metrics client") == 8
        for client in hanging:
            client.close()

        def answered():
            return "faceguard_frames_in_total" in get(server.port)

        assert until(answered, missing=(OSError, urllib.error.URLError))


def test_garbage_does_no_harm(meters, capfd):
    with MetricsServer(meters, "127.0.0.1", 0) as server:
        for garbage in (b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n", b"\r\n"):
            with socket.create_connection(("127.0.0.1", server.port), 20) as client:
                client.sendall(garbage)
                client.shutdown(socket.SHUT_WR)
                while client.recv(4096):
                    pass
        assert "faceguard_frames_in_total" in get(server.port)
    assert capfd.readouterr().err == ""
