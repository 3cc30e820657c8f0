"""The end: what is in hand gets its answer, what waits is refused, and nothing is left."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from faceguard.edge.serve.service import Service
from faceguard.edge.serve.settings import ServeSettings
from faceguard.edge.serve.tools import Tools
from faceguard.engines.errors import ModelMissing, ModelUnknown, OutputError, UsageError
from tests.edge.outputs.waiting import until
from tests.edge.serve.served import PLAIN, Doubling, as_file, noise, pixels_of, raw, serving
from tests.edge.service.left import descriptors

GOOD = as_file(noise())


def test_what_is_in_hand_is_answered_and_what_waits_is_refused():
    network = Doubling()
    with serving(network=network) as served, ThreadPoolExecutor(8) as pool:
        network.gate.clear()
        first = pool.submit(served.post, "/v1/enhance", GOOD)
        assert network.began.wait(30)
        others = [pool.submit(served.post, "/v1/enhance", GOOD) for _ in range(3)]
        until(lambda: served.value("queue") == 3)
        ending = pool.submit(served.service.close)
        for other in others:
            answer = other.result(30)
            assert answer.status_code == 503
            assert "stopping" in answer.json()["error"]
        assert not first.done()
        network.gate.set()
        assert pixels_of(first.result(30).content).shape == (32, 48, 3)
        ending.result(30)
        assert network.is_closed
        assert not served.service.is_alive
        with pytest.raises(httpx.TransportError):
            served.post("/v1/redact", GOOD)


def test_what_is_in_hand_for_too_long_is_left():
    network = Doubling()
    with serving(network=network, end_within_s=1.0) as served, ThreadPoolExecutor(2) as pool:
        network.gate.clear()
        first = pool.submit(served.post, "/v1/enhance", GOOD)
        assert network.began.wait(30)
        served.service.close()
        assert network.is_closed
        with pytest.raises(httpx.TransportError):
            first.result(30)


def test_an_upload_that_stands_still_does_not_hold_up_the_end():
    with serving(end_within_s=1.0) as served:
        head = b"POST /v1/redact HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nabc"
        with raw(served, head):
            until(lambda: served.value("held_bytes") > 0)
            served.service.close()
        assert not served.service.is_alive


def test_nothing_is_left_once_it_is_closed():
    with serving() as served:  # what is made once a process
        served.post("/v1/enhance", GOOD)
    threads, before = set(threading.enumerate()), descriptors()
    for _ in range(2):
        with serving() as served:
            assert served.post("/v1/enhance", GOOD).status_code == 200
            assert served.client.get("/metrics").status_code == 200
            served.post("/v1/redact", b"no picture")
        served.service.close()  # twice is as good as once
    until(lambda: set(threading.enumerate()) <= threads)
    until(lambda: descriptors() <= before)


def test_one_that_was_never_started_ends_too():
    threads, before = set(threading.enumerate()), descriptors()
    service = Service(ServeSettings(port=0), models={}, tools=lambda _: Tools(None, {}))
    service.close()
    assert set(threading.enumerate()) <= threads
    assert descriptors() <= before


def test_a_port_that_is_taken_is_told_in_one_line():
    with serving() as served:
        port = served.address[1]
        with pytest.raises(
            OutputError, match=f"127.0.0.1 port {port}: the port is taken; .*--port"
        ):
            Service(ServeSettings(port=port), models={})


def test_models_that_are_asked_for_must_be_there(tmp_path, monkeypatch):
    with pytest.raises(ModelUnknown, match="espcn-x9"):
        Service(ServeSettings(port=0, models=("espcn-x9",)))
    with pytest.raises(UsageError, match="--model yunet"):
        Service(ServeSettings(port=0, models=("yunet",)))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    # Tests before this one may have made it in a store of their own.
    monkeypatch.delenv("FACEGUARD_MODELS", raising=False)
    with pytest.raises(ModelMissing, match="models pull"):
        Service(ServeSettings(port=0, models=("espcn-x2",)))


def test_while_it_gets_ready_it_says_so_and_once_it_cannot_it_says_that():
    go, changed = threading.Event(), threading.Event()

    def tools(say):
        say("opening things")
        go.wait(60)
        raise ModelMissing("/a/path: is gone")

    service = Service(ServeSettings(port=0), models={}, tools=tools, on_change=changed.set)
    with service, httpx.Client(base_url=service.url, **PLAIN) as client:
        service.start()
        until(lambda: service.state.reason == "opening things")
        answer = client.get("/healthz")
        assert answer.status_code == 503
        assert answer.json() == {"status": "preparing", "reason": "opening things", "queue": 0}
        early = client.post("/v1/redact", content=GOOD)
        assert early.status_code == 503
        assert int(early.headers["retry-after"]) >= 1
        assert not changed.is_set()
        go.set()
        assert changed.wait(30)
        assert isinstance(service.error, ModelMissing)
        assert client.get("/healthz").json()["status"] == "not"
        assert "path" not in client.get("/healthz").text
        assert client.post("/v1/redact", content=GOOD).status_code == 503
