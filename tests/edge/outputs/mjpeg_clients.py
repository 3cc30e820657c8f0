"""Outputs that serve live pictures, and clients of theirs, for tests."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from contextlib import contextmanager, suppress

import httpx
import numpy as np

from faceguard.edge.config.outputs import MjpegOutput
from faceguard.edge.outputs.mjpeg import Mjpeg
from faceguard.edge.service.quiet import Quiet
from tests.edge.outputs.safe_frames import safe
from tests.edge.outputs.waiting import until

FAST = {"rate": 60.0}
# One TLS context for all, which nothing here uses: making it takes longer than an answer.
PLAIN = {"timeout": 20, "trust_env": False, "verify": ssl.create_default_context()}
END = b"\r\n--faceguard-next-picture\r\n"
NOISE = np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8)


class Served:
    """Outputs that run, each fed with a frame again and again."""

    def __init__(self, meters):
        self.meters = meters
        self.running = []

    def __call__(self, secret=None, patience_s=10.0, frame=None, name="front", **settings):
        box = {"settings": MjpegOutput.model_validate({"port": 0, **FAST, **settings})}
        box["frame"] = frame or safe()
        output = Mjpeg(
            lambda: box["settings"],
            name,
            secret,
            self.meters,
            Quiet(self.meters),
            patience_s=patience_s,
        )
        output.box = box
        output.start()
        stop = threading.Event()
        feeder = threading.Thread(target=self.feed, args=(output, stop))
        self.running.append((output, stop, feeder))
        feeder.start()
        until(lambda: output.port)
        return output

    @staticmethod
    def feed(output, stop):
        while not stop.wait(0.01):
            if output.box["frame"] != "none":
                output.offer(output.box["frame"])

    def close(self):
        for output, stop, feeder in self.running:
            stop.set()
            feeder.join()
            output.close()


def url(output, path="/"):
    return f"http://127.0.0.1:{output.port}{path}"


def get(output, path="/", **more):
    return httpx.get(url(output, path), **PLAIN, **more)


@contextmanager
def raw(output, request=b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n", buffer=None):
    client = socket.socket()
    with client:
        client.settimeout(20)
        if buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.connect(("127.0.0.1", output.port))
        client.sendall(request)
        yield client


def watchers(meters):
    return meters.value("output_clients", output="mjpeg")


def read_until(client, wanted: bytes, times: int = 1) -> bytes:
    data = b""
    while data.count(wanted) < times:
        more = client.recv(65536)
        assert more, data[:2000]
        data += more
    return data


def pictures(output, count):
    """Pictures of the stream as a browser takes them apart."""
    with httpx.stream("GET", url(output, "/stream"), **PLAIN) as answer:
        assert answer.status_code == 200
        kind, boundary = answer.headers["content-type"].split("; boundary=")
        assert kind == "multipart/x-mixed-replace"
        data = b""
        found = []
        for chunk in answer.iter_bytes():
            data += chunk
            while match := re.search(
                rb"--" + boundary.encode() + rb"\r\nContent-Type: image/jpeg\r\n"
                rb"Content-Length: (\d+)\r\n\r\n",
                data,
            ):
                size = int(match[1])
                if len(data) < match.end() + size + 2:
                    break
                found.append(data[match.end() : match.end() + size])
                assert data[match.end() + size :][:2] == b"\r\n"
                data = data[match.end() + size + 2 :]
            if len(found) >= count:
                return found
    raise AssertionError("the stream ended")


def made(output):
    """How many pictures were made."""
    newest = output._board._newest
    return newest.number if newest is not None else 0


def stuck_is_full(output):
    return any(one.flow.write_paused for one in output._server._connections.values())


def end_of(client):
    with suppress(ConnectionResetError):
        while client.recv(1 << 20):
            pass
