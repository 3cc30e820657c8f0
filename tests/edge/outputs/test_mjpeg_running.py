"""Live pictures over HTTP: how the output works, changes and ends."""

from __future__ import annotations

import logging
import re
import socket
import threading
import time

import pytest

from faceguard.edge.config.outputs import MjpegOutput
from faceguard.edge.outputs.mjpeg import Mjpeg
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.types import PixelFormat
from tests.edge.outputs.mjpeg_clients import (
    END,
    NOISE,
    end_of,
    get,
    made,
    pictures,
    raw,
    read_until,
    stuck_is_full,
    watchers,
)
from tests.edge.outputs.safe_frames import image, safe
from tests.edge.outputs.waiting import open_files, until


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


@pytest.mark.parametrize(
    ("more", "warned"),
    [
        ({"host": "0.0.0.0"}, True),  # noqa: S104 - that is what it warns of
        ({"host": "0.0.0.0", "user": "guard", "password": "let me in"}, False),  # noqa: S104
        ({}, False),
    ],
)
def test_who_lets_everybody_in_is_warned_once(meters, caplog, more, warned):
    settings = MjpegOutput.model_validate({"port": 0, **more})
    with Mjpeg(lambda: settings, "front", more.get("password"), meters, Quiet(meters)) as output:
        for _ in range(3):
            output.open_up()
            output.shut(broken=True)
    said = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(said) == warned
    assert all("anybody who reaches this machine may watch" in line for line in said)
    assert meters.value("output_failures_total", output="mjpeg") == 0


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
