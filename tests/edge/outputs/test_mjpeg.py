"""Live pictures over HTTP: real sockets, real clients, and clients that misbehave."""

from __future__ import annotations

import base64
import hashlib
import io
import logging
import re
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

import av
import httpx
import numpy as np
import pytest
from PIL import Image as Pillow

from faceguard.edge.config.outputs import MjpegOutput
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.mjpeg import Mjpeg
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.types import PixelFormat
from faceguard.engines.errors import UsageError
from tests.edge.outputs.safe_frames import image, quarters, safe
from tests.edge.outputs.waiting import open_files, until

FAST = {"rate": 60.0}
# One TLS context for all, which nothing here uses: making it takes longer than an answer.
PLAIN = {"timeout": 20, "trust_env": False, "verify": ssl.create_default_context()}
END = b"\r\n--faceguard-next-picture\r\n"
NOISE = np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8)


@pytest.fixture
def meters():
    return Meters()


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


@pytest.fixture
def serve(meters):
    """Starts outputs with some settings, and ends them."""
    served = Served(meters)
    yield served
    served.close()


@pytest.fixture(scope="module")
def open_one():
    """An output for everybody, for tests that leave it as it was."""
    served = Served(Meters())
    yield served(name="<b>x</b>")
    served.close()


@pytest.fixture(scope="module")
def guarded():
    """An output that wants a login, likewise."""
    served = Served(Meters())
    yield served("päss:word", user="guard", password_file="/in/a/file")  # noqa: S106
    served.close()


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


def test_the_stream_gives_redacted_pictures(open_one):
    for jpeg in pictures(open_one, 5):
        assert Pillow.open(io.BytesIO(jpeg)).size == (160, 96)


def test_ffmpeg_plays_it(open_one):
    with av.open(url(open_one, "/stream"), timeout=20) as player:
        frames = [frame for frame, _ in zip(player.decode(video=0), range(5), strict=False)]
    assert len(frames) == 5
    shown = frames[-1].to_ndarray(format="rgb24")
    assert np.abs(shown[20, 20].astype(int) - (220, 60, 30)).max() <= 8


def test_the_newest_picture(open_one):
    answer = get(open_one, "/snapshot.jpg")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert Pillow.open(io.BytesIO(answer.content)).size == (160, 96)


def test_no_picture_is_told(serve):
    answer = get(serve(frame="none"), "/snapshot.jpg")
    assert answer.status_code == 503
    assert "no picture" in answer.text


def test_the_page_is_whole_in_itself(open_one):
    answer = get(open_one)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert '<img src="stream"' in answer.text
    assert "<b>x" not in answer.text
    assert "<script" not in answer.text
    assert "//" not in answer.text.replace("<!doctype", "")
    policy = answer.headers["content-security-policy"]
    style = answer.text.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy


@pytest.mark.parametrize("path", ["/", "/snapshot.jpg", "/nothing", "/stream"])
def test_every_answer_has_the_headers_that_guard_it(open_one, path):
    answer = httpx.head(url(open_one, path), **PLAIN)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "server" not in answer.headers
    assert "date" not in answer.headers
    assert answer.content == b""


def test_other_paths_and_methods_are_refused(open_one):
    output = open_one
    assert get(output, "/etc/passwd").status_code == 404
    assert httpx.post(url(output), content=b"x" * 1000, **PLAIN).status_code == 405


class TestLogin:
    @pytest.mark.parametrize("path", ["/", "/stream", "/snapshot.jpg", "/nothing"])
    def test_without_it_nothing_is_shown(self, guarded, path):
        answer = get(guarded, path)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic realm=")
        assert b"\xff\xd8" not in answer.content

    @pytest.mark.parametrize(
        "given",
        [
            "Basic",
            "Basic !!!",
            "Basic " + base64.b64encode(b"guard:").decode(),
            "Basic " + base64.b64encode(b"guard:wrong").decode(),
            "Basic " + base64.b64encode("other:päss:word".encode()).decode(),
            "Bearer " + base64.b64encode("guard:päss:word".encode()).decode(),
            "Basic " + base64.b64encode("guard:päss:word\n".encode()).decode(),
            "Basic \xff\xfe",
        ],
    )
    def test_a_wrong_one_is_refused(self, guarded, given):
        answer = get(guarded, headers={"Authorization": given.encode("latin-1")})
        assert answer.status_code == 401

    def test_the_right_one_is_let_in(self, guarded):
        right = base64.b64encode("guard:päss:word".encode()).decode()
        assert get(guarded, headers={"Authorization": f"Basic {right}"}).status_code == 200
        assert get(guarded, headers={"Authorization": f"basic {right}"}).status_code == 200

    def test_any_name_may_lead_to_it(self, guarded):
        right = base64.b64encode("guard:päss:word".encode()).decode()
        headers = {"Authorization": f"Basic {right}", "Host": "camera.example"}
        assert get(guarded, headers=headers).status_code == 200

    def test_a_user_without_a_password_is_refused_at_the_start(self, meters):
        settings = MjpegOutput(port=0, user="guard", password_file="/in/a/file")  # noqa: S106
        with pytest.raises(UsageError, match="password"):
            Mjpeg(lambda: settings, "front", None, meters, Quiet(meters))


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example", "["])
def test_another_site_s_name_for_loopback_shows_nothing(open_one, host):
    assert get(open_one, headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]:1"])
def test_loopback_under_its_own_names_is_shown(open_one, host):
    assert get(open_one, headers={"Host": host}).status_code == 200


def test_no_picture_is_made_while_nobody_looks(serve, meters):
    output = serve()
    until(lambda: meters.value("output_up", output="mjpeg"))
    for _ in range(200):
        output.offer(safe())
    until(lambda: len(output._slot) == 0)
    assert made(output) == 0
    get(output, "/snapshot.jpg")
    assert made(output) >= 1
    with raw(output) as client:
        read_until(client, b"\xff\xd9")
        assert watchers(meters) == 1
    until(lambda: watchers(meters) == 0)


def test_one_picture_is_made_for_all(serve, meters):
    output = serve(frame="none")
    with raw(output) as one, raw(output) as two:
        until(lambda: watchers(meters) == 2)
        until(lambda: output.offer(safe()) or made(output) >= 5)
        until(lambda: len(output._slot) == 0)
        for client in (one, two):
            assert read_until(client, END, made(output)).count(b"\xff\xd8\xff") == made(output)


def made(output):
    """How many pictures were made."""
    newest = output._board._newest
    return newest.number if newest is not None else 0


def test_more_than_may_watch_are_told_so(serve, meters):
    output = serve(most_clients=2)
    with raw(output), raw(output):
        until(lambda: watchers(meters) == 2)
        answer = get(output, "/stream")
        assert answer.status_code == 503
        assert get(output, "/").status_code == 200
        assert get(output, "/snapshot.jpg").status_code == 200
    until(lambda: watchers(meters) == 0)
    assert len(pictures(output, 2)) == 2


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


def test_the_rate_is_kept(serve):
    output = serve(rate=2.0)
    pictures(output, 1)
    begun, begun_s = made(output), time.monotonic()
    pictures(output, 3)
    took_s = time.monotonic() - begun_s
    assert made(output) - begun <= took_s * 2 + 2


def test_settings_change_while_it_runs(serve):
    output = serve(quality=95, frame=safe(image(PixelFormat.I420, NOISE)))
    before = len(pictures(output, 2)[-1])
    settings = output.box["settings"]
    output.box["settings"] = settings.model_copy(update={"quality": 10})
    until(lambda: len(pictures(output, 2)[-1]) < before / 2)
    first = output.port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        other = probe.getsockname()[1]
    output.box["settings"] = settings.model_copy(update={"port": other})
    until(lambda: output.port == other)
    assert get(output).status_code == 200
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", first), 5)


def test_a_port_that_is_taken_is_told_in_one_line_and_tried_again(meters, caplog):
    caplog.set_level(logging.INFO)
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = MjpegOutput(port=other.getsockname()[1])
        with Mjpeg(lambda: settings, "front", None, meters, Quiet(meters)) as output:
            output.start()
            until(lambda: meters.value("output_failures_total", output="mjpeg"))
            other.close()
            until(lambda: output.port)
            assert get(output).status_code == 200
    (said,) = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert "the port is taken" in said
    assert "\n" not in said


def test_it_ends_with_clients_connected_and_leaves_nothing(serve, meters):
    output = serve()
    get(output)
    output.close()
    files, threads = open_files(), threading.active_count()
    output = Mjpeg(
        lambda: MjpegOutput(port=0, rate=60), "front", None, meters, Quiet(meters), patience_s=60
    )
    output.start()
    until(lambda: output.port)
    idle = socket.create_connection(("127.0.0.1", output.port), 20)
    with raw(output) as waiting, raw(output, buffer=4096) as stuck:
        until(lambda: watchers(meters) == 2)
        frame = safe(image(PixelFormat.I420, NOISE))
        until(lambda: output.offer(frame) or stuck_is_full(output))
        begun_s = time.monotonic()
        output.close()
        assert time.monotonic() - begun_s < 5
        for client in (idle, waiting, stuck):
            end_of(client)
    idle.close()
    assert not output._thread.is_alive()
    assert output.port == 0
    assert watchers(meters) == 0
    until(lambda: threading.active_count() <= threads)
    assert open_files() == files


def stuck_is_full(output):
    return any(one.flow.write_paused for one in output._server._connections.values())


def end_of(client):
    with suppress(ConnectionResetError):
        while client.recv(1 << 20):
            pass


def test_nobody_s_address_is_logged(serve, caplog, capfd):
    caplog.set_level(1)
    output = serve()
    get(output)
    get(output, "/nothing")
    pictures(output, 1)
    with raw(output, b"nonsense\r\n\r\n") as client:
        end_of(client)
    said = " ".join(
        record.getMessage()
        for record in caplog.records
        if "httpx" not in record.name and "httpcore" not in record.name
    )
    out, err = capfd.readouterr()
    assert not re.search(rf"127\.0\.0\.1:(?!{output.port})\d+", said + out + err)
    assert "GET" not in said + out + err


def test_only_redacted_frames_are_taken(serve, meters):
    output = serve(frame="none")
    output.offer(image(PixelFormat.I420, quarters()))
    until(lambda: meters.value("output_failures_total", output="mjpeg") == 1)


WITHOUT = """
import sys
class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Gone())
from faceguard.edge.config.outputs import MjpegOutput
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.mjpeg import Mjpeg
from faceguard.edge.service.quiet import Quiet
from faceguard.engines.errors import MissingPackage
try:
    Mjpeg(MjpegOutput, "front", None, Meters(), Quiet())
except MissingPackage as error:
    print(error)
"""


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_a_missing_package_is_one_line_with_its_mend(missing):
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(missing=missing)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.count("\n") == 1
    assert missing in ended.stdout
    assert "pip install 'faceguard-edge[web]'" in ended.stdout
