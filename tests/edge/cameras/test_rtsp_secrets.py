"""Whatever fails, nobody reads an address, a user or a password anywhere."""

from __future__ import annotations

import logging
import os
import select
import socket
import struct
import threading
import traceback
from collections import deque
from contextlib import closing, contextmanager

import av
import pytest

from faceguard.edge.cameras import rtsp_address
from faceguard.edge.cameras.registry import open_camera
from faceguard.edge.config.camera import RtspCamera
from faceguard.edge.service.scrub import Scrubber
from faceguard.engines.errors import CameraAbsent, CameraCorrupt, CameraError, CameraLost
from faceguard.engines.errors import CameraSilent as Silent
from tests.edge import videos
from tests.edge.rtsp_server import RtspServer

USER, PASSWORD, PATH = "hidden-user", "hidden-password", "/hidden-path"
HIDDEN = ("hidden-", "127.0.0.1", "rtsp://", "rtsps://", "nowhere.invalid")


def config(address: str, **settings) -> RtspCamera:
    return RtspCamera(kind="rtsp", url=address, user=USER, password=PASSWORD, **settings)


def in_the_url(port: int) -> RtspCamera:
    return RtspCamera(kind="rtsp", url=f"rtsp://{USER}:{PASSWORD}@127.0.0.1:{port}{PATH}")


def fails(camera: RtspCamera, *, open_within_s: float = 5.0) -> CameraError:
    with pytest.raises(CameraError) as caught:
        open_camera(camera, open_within_s=open_within_s, silent_after_s=1.0)
    return caught.value


@pytest.fixture(autouse=True)
def nothing_is_written(capfd, caplog):
    """Looks into all that FFmpeg and Python's logging have to say at their loudest."""
    # As a program might have it that wants to see all of FFmpeg.
    av.logging.set_level(av.logging.DEBUG)
    logging.getLogger("libav").setLevel(logging.DEBUG)
    try:
        with caplog.at_level(logging.DEBUG):
            yield
    finally:
        av.logging.set_level(None)
        logging.getLogger("libav").setLevel(logging.WARNING)
    written = capfd.readouterr()
    logged = "\n".join(record.getMessage() for record in caplog.get_records("call"))
    assert_nothing_hidden(logged + written.out + written.err)


def assert_nothing_hidden(text: str) -> None:
    assert [word for word in HIDDEN if word in text] == []


def assert_clean(error: CameraError) -> None:
    """No word of it in the error, nor in what a log would make of it and its causes."""
    assert error.__cause__ is None
    assert error.__context__ is None
    report = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    # The lines of this file that a traceback quotes name variables, not what is in them.
    assert_nothing_hidden(report + str(error) + repr(error))
    assert len(str(error).splitlines()) == 1


@contextmanager
def answering(reply: bytes | None):
    """A server that says one thing to whoever connects, or nothing for ever."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        taken = []

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                taken.append(client)
                if reply is not None:
                    with closing(client):
                        client.recv(4096)
                        client.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for client in taken:
                client.close()


def test_nothing_listens():
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    for camera in (config(f"rtsp://127.0.0.1:{port}{PATH}"), in_the_url(port)):
        error = fails(camera)
        assert isinstance(error, CameraAbsent)
        assert "nothing listens there" in str(error)
        assert_clean(error)


@pytest.mark.parametrize("host", ["hidden-host.nowhere.invalid", "hidden-" + "x" * 70])
def test_no_such_name(host):
    error = fails(config(f"rtsp://{host}{PATH}"))
    assert isinstance(error, CameraAbsent)
    assert "host name is not known" in str(error)
    assert_clean(error)


def test_wrong_password_and_wrong_path():
    with RtspServer(path=PATH, user=USER, password="another") as server:  # noqa: S106
        for camera in (config(server.url), in_the_url(server.port)):
            error = fails(camera)
            assert isinstance(error, CameraAbsent)
            assert "user or password is missing or wrong; see camera.user" in str(error)
            assert_clean(error)
    with RtspServer(path="/camera") as server:
        error = fails(in_the_url(server.port))
        assert "knows no such stream" in str(error)
        assert_clean(error)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "what answers there is no RTSP camera"),
        (b"", "RTSP camera"),
        (b"RTSP/1.0 403 Forbidden\r\nCSeq: 1\r\n\r\n", "this user may not watch it"),
        (b"RTSP/1.0 400 Bad Request\r\nCSeq: 1\r\n\r\n", "refuses what it was asked for"),
        (b"RTSP/1.0 503 Service Unavailable\r\nCSeq: 1\r\n\r\n", "a fault of its own"),
    ],
)
def test_strange_answers(reply, words):
    with answering(reply) as port:
        error = fails(in_the_url(port))
    assert isinstance(error, CameraAbsent)
    assert words in str(error)
    assert_clean(error)


def test_an_answer_that_is_not_encrypted():
    with answering(b"SSH-2.0-OpenSSH_9.2\r\n") as port:
        error = fails(config(f"rtsps://127.0.0.1:{port}{PATH}"))
    assert isinstance(error, CameraAbsent)
    assert_clean(error)


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps"])
def test_no_answer(scheme):
    with answering(None) as port:
        error = fails(config(f"{scheme}://127.0.0.1:{port}{PATH}"), open_within_s=0.7)
    assert isinstance(error, Silent)
    assert_clean(error)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file"),
        (b"\xff\xfe\xfa", "no UTF-8 text"),
        (b"hidden-password\n" * 300, "larger than 4096 bytes"),
        (b"hidden-password\nhidden-more\n", "in one line and nothing else"),
        (b"\n", "is empty"),
        ("pipe", "is no plain file"),
    ],
)
def test_the_file_with_the_password(tmp_path, content, words):
    secret = tmp_path / "hidden-file"
    if content == "pipe":
        os.mkfifo(secret)  # nobody writes: to open it as a file would wait for ever
    elif content is not None:
        secret.write_bytes(content)
    camera = RtspCamera(kind="rtsp", url="rtsp://127.0.0.1:1/", user=USER, password_file=secret)
    error = fails(camera)
    assert isinstance(error, CameraAbsent)
    assert "the file of camera.password_file: " in str(error)
    assert words in str(error)
    assert_clean(error)


def test_a_password_that_was_changed_is_used_and_never_said(tmp_path, monkeypatch):
    scrubber = Scrubber()
    monkeypatch.setattr(rtsp_address, "SCRUBBER", scrubber)
    secret = tmp_path / "hidden-file"
    for password in ("hidden-first", "hidden-second"):
        secret.write_text(password + "\n")
        with RtspServer(path=PATH, user=USER, password=password) as server:
            camera = RtspCamera(kind="rtsp", url=server.url, user=USER, password_file=secret)
            with open_camera(camera, open_within_s=10, silent_after_s=2) as opened:
                assert opened.read() is not None
        assert scrubber.scrub(f"it said {password} to {USER}") == "it said *** to ***"


def test_what_goes_wrong_later(tmp_path):
    clip = videos.make(
        tmp_path / "clip.mp4", frames=60, size=(320, 240), rate=100, options={"g": "10"}
    )
    faults = (
        ("kill", CameraLost),
        ("freeze", Silent),
        ("garble", CameraCorrupt),
    )
    for fault, kind in faults:
        with RtspServer(file=clip, path=PATH, user=USER, password=PASSWORD) as server:
            camera = open_camera(config(server.url), open_within_s=10, silent_after_s=1)
            with camera:
                assert camera.read() is not None
                getattr(server, fault)(*([1.0] if fault == "garble" else []))
                with pytest.raises(kind) as caught:
                    deque(iter(camera.read, None), maxlen=0)
                assert_clean(caught.value)
                assert_nothing_hidden(repr(camera) + repr(camera.info))


def test_a_connection_that_is_reset():
    """As by a router that has forgotten it."""
    with RtspServer(path=PATH, user=USER, password=PASSWORD) as server, Relay(server.port) as relay:
        camera = open_camera(in_the_url(relay.port), open_within_s=10, silent_after_s=2)
        with camera:
            assert camera.read() is not None
            relay.reset()
            with pytest.raises(CameraLost) as caught:
                deque(iter(camera.read, None), maxlen=0)
        assert_clean(caught.value)


class Relay:
    """Stands between a camera and who watches it, and can cut them off."""

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._camera = socket.create_connection(("127.0.0.1", port))
        self._reset = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Relay:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.reset()
        self._thread.join()
        self._camera.close()
        self._listener.close()

    def reset(self) -> None:
        self._reset.set()

    def _run(self) -> None:
        client, _ = self._listener.accept()
        with client:
            while not self._reset.is_set():
                ready, _, _ = select.select([client, self._camera], [], [], 0.02)
                for one in ready:
                    other = self._camera if one is client else client
                    other.sendall(one.recv(65536))
            # Closed without a word: whoever writes or reads next is told so.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
