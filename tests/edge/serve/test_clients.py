"""Clients that are slow, broken or hostile cost neither memory nor a place for ever."""

from __future__ import annotations

import socket
from contextlib import suppress

import httpx
import pytest

from tests.edge.outputs.mjpeg_clients import end_of
from tests.edge.outputs.waiting import until
from tests.edge.serve.served import as_file, noise, raw, request, serving

GOOD = as_file(noise())
HEAD = b"POST /v1/redact HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def served():
    """One with little patience."""
    with serving(patience_s=1.0, upload_s=1.0) as one:
        yield one


@pytest.fixture(scope="module")
def patient():
    with serving() as one:
        yield one


def whole_answer(client):
    data = b""
    while more := client.recv(65536):
        data += more
    return data


def is_fine(served):
    # A machine that halts makes us a slow client too.
    def answers():
        return served.post("/v1/redact", GOOD).status_code == 200

    return until(answers, missing=httpx.TransportError)


def test_a_client_that_says_nothing_is_dropped(served):
    with raw(served) as client:
        end_of(client)
    assert is_fine(served)


def test_a_request_that_never_ends_is_dropped_however_it_trickles(served):
    with raw(served, HEAD) as client:
        client.settimeout(0.05)
        until(lambda: trickled(client, b"X-Another: line\r\n"))
    assert is_fine(served)


def trickled(client, data):
    """Sends a little; True once nobody listens any more."""
    try:
        client.sendall(data)
        return not client.recv(1000)
    except TimeoutError:
        return False
    except OSError:
        return True


def test_a_body_that_trickles_is_refused(served):
    with raw(served, HEAD + b"Content-Length: 100000\r\n\r\n") as client:
        client.settimeout(0.05)
        answer = until(lambda: after_a_trickle(client))
        client.settimeout(30)
        with suppress(ConnectionResetError):
            answer += whole_answer(client)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"too slowly" in answer
    until(lambda: served.value("held_bytes") == 0)
    assert is_fine(served)


def after_a_trickle(client):
    """What is said to a little more."""
    with suppress(TimeoutError, BrokenPipeError):
        client.sendall(b"x")
    with suppress(TimeoutError):
        return client.recv(10_000)
    return b""


def test_a_body_that_breaks_off_is_forgotten(served):
    before = served.value("requests_total", route="/v1/redact", status="499")
    with raw(served, HEAD + b"Content-Length: 100000\r\n\r\nabc"):
        pass
    until(lambda: served.value("requests_total", route="/v1/redact", status="499") == before + 1)
    until(lambda: served.value("held_bytes") == 0)


def test_a_refused_body_need_not_be_read_to_its_end(served):
    head = HEAD + b"Content-Length: 99999999999\r\n\r\n"
    with raw(served, head) as client:
        assert client.recv(1000).startswith(b"HTTP/1.1 413 ")
        # And whoever goes on sending it is dropped.
        client.settimeout(0.05)
        until(lambda: trickled(client, b"x" * 1000))
    assert is_fine(served)


def test_chunks_without_an_end_are_refused_at_the_limit():
    with serving(max_upload_bytes=100_000) as served:
        head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        chunk = b"2710\r\n" + bytes(10_000) + b"\r\n"
        with raw(served, head + 11 * chunk) as client:
            assert client.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_who_does_not_read_the_answer_is_dropped(served):
    large = as_file(noise(1500, 1000), ".bmp")
    head = HEAD + b"Content-Length: %d\r\n\r\n" % len(large)
    with raw(served, head + large, buffer=4096):
        until(lambda: served.value("held_bytes") > 0)
        until(lambda: served.value("held_bytes") == 0)
    assert is_fine(served)


def test_what_is_no_http_is_refused_in_json(served):
    with raw(served, b"\x16\x03\x01 hello\r\n\r\n") as client:
        answer = whole_answer(client)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'{"error": ' in answer


def test_many_requests_on_one_connection(patient):
    one, last = (request("/v1/redact", GOOD, *more) for more in ((), ("Connection: close",)))
    with raw(patient, one + one + last) as client:
        answers = whole_answer(client)
    assert answers.count(b"HTTP/1.1 200 ") == 3


def test_who_waits_to_be_told_to_go_on_is_told_so_or_refused(patient):
    head = HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    with raw(patient, head % len(GOOD)) as client:
        assert client.recv(1000).startswith(b"HTTP/1.1 100 ")
        client.sendall(GOOD)
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
    with raw(patient, head % 10**9) as client:
        assert client.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_there_is_room_for_so_many_connections_and_no_more(served):
    with raw(served) as first:
        more = [socket.create_connection(served.address, timeout=30) for _ in range(300)]
        for client in more:
            client.close()
        end_of(first)
    assert is_fine(served)
