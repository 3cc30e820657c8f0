"""What is logged, as text and as JSON: levels, errors, fields, events, and never a secret."""

from __future__ import annotations

import json
import logging
import sys
import threading
import warnings

import av
import numpy as np
import pytest

from faceguard.edge.config.service import LogConfig
from faceguard.edge.events import Event
from faceguard.edge.service import logs
from tests.edge.service.logged import PASSWORD, URL, fails

pytestmark = pytest.mark.usefixtures("logs_put_back")

LOG = logging.getLogger("faceguard.edge.test")
FIELDS = {"fields": {"track": 3, "box": [1.5, 2.0, 3.0, 4.0], "where": URL}}


def said(capfd) -> list[str]:
    (handler,) = logging.getLogger().handlers
    for _ in range(60):
        handler.flush()
        if not handler.waiting:
            break
    assert not handler.waiting
    return capfd.readouterr().err.splitlines()


def test_text(capfd):
    logs.set_up(LogConfig(format="text"))
    LOG.debug("not asked for")
    LOG.info("camera up, %d x %d", 640, 360)
    LOG.warning("camera lost: %s", URL)
    LOG.error("two\nlines \x1b[31m")
    assert said(capfd) == [
        "faceguard: camera up, 640 x 360",
        "faceguard: warning: camera lost: rtsp://***",
        "faceguard: error: two\\nlines \\x1b[31m",
    ]


def test_auto_without_a_journal_is_text(capfd):
    logs.set_up(LogConfig(), environment={"JOURNAL_STREAM": "1:2"})
    LOG.info("hello")
    assert said(capfd) == ["faceguard: hello"]


def test_json(capfd):
    logs.set_up(LogConfig(format="json"), camera="front")
    LOG.warning("lost %s", URL, extra=FIELDS)
    LOG.info("fine")
    first, second = map(json.loads, said(capfd))
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "warning",
        "message": "lost rtsp://***",
        "camera": "front",
        "logger": "faceguard.edge.test",
        "thread": "MainThread",
        "fields": {"track": 3, "box": [1.5, 2.0, 3.0, 4.0], "where": "rtsp://***"},
    }
    assert second["message"] == "fine"
    assert "fields" not in second


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("level", ["info", "debug"])
def test_an_exception_is_told_without_secrets_and_traced_at_debug_only(capfd, form, level):
    logs.set_up(LogConfig(format=form, level=level))
    try:
        fails()
    except ConnectionError:
        LOG.exception("it failed")
    told = "\n".join(said(capfd))
    assert "it failed" in told
    assert "cannot open rtsp://*** with ***" in told
    assert PASSWORD not in told
    assert "example" not in told
    assert ("Traceback" in told) == ("in fails" in told) == (level == "debug")
    assert "second line" not in told or level == "debug"


def test_errors_nobody_caught_and_warnings_go_the_same_way(capfd):
    logs.set_up(LogConfig(format="text"))
    thread = threading.Thread(target=fails, name="capture")
    thread.start()
    thread.join()
    sys.excepthook(ValueError, ValueError(f"bad {URL}"), None)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"odd: {URL}", UserWarning, stacklevel=1)
    told = said(capfd)
    assert [line.split(":")[1] for line in told] == [" critical", " critical", " warning"]
    assert "thread capture ended by an error (ConnectionError: cannot open rtsp://***" in told[0]
    assert "(ValueError: bad rtsp://***)" in told[1]
    assert PASSWORD not in "".join(told)


def test_other_libraries_speak_from_warnings_up(capfd):
    logs.set_up(LogConfig(level="debug", format="text"))
    logging.getLogger("some.library.access").info("192.0.2.99 - GET /")
    logging.getLogger("faceguardian").info("not ours")
    logging.getLogger("some.library").warning("odd request")
    LOG.debug("ours")
    assert said(capfd) == ["faceguard: warning: odd request", "faceguard: ours"]


class Untellable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_a_record_that_cannot_be_made_is_told_as_far_as_it_goes(capfd):
    logs.set_up(LogConfig(format="text"))
    LOG.info("%d frames", "many")
    LOG.info("%s", Untellable())
    LOG.error("failed", exc_info=Untellable())
    LOG.info("fields", extra={"fields": "none"})
    LOG.info("a lone \ud800 surrogate")
    told = said(capfd)
    assert len(told) == 5
    assert "values could not be put in" in told[0]
    assert "values could not be put in" in told[1]
    assert told[2] == "faceguard: error: failed (Untellable)"


def test_no_picture_fits_into_a_line(capfd):
    logs.set_up(LogConfig(format="json"))
    pixels = np.arange(100_000, dtype=np.uint8)
    LOG.error("pixels %s", pixels.tolist(), extra={"fields": {"pixels": pixels.tolist()}})
    (line,) = said(capfd)
    assert len(line) < 2000


def test_an_event_has_fields(capfd):
    logs.set_up(LogConfig(format="json"))
    logs.log_event(Event("face-appears", {"track": 4, "score": None}))
    logs.log_event(Event("camera-down", {"cause": "frozen"}))
    logs.log_event(Event("stopping"))
    told = list(map(json.loads, said(capfd)))
    assert [(line["level"], line["message"]) for line in told] == [
        ("info", "face-appears: track 4"),
        ("warning", "camera-down: cause frozen"),
        ("info", "stopping"),
    ]
    assert told[1]["fields"] == {"event": "camera-down", "cause": "frozen"}


def test_a_reload_changes_level_and_form_and_put_back_undoes_it_all(capfd):
    root = logging.getLogger()
    before = (list(root.handlers), root.level, sys.excepthook, threading.excepthook)
    logs.set_up(LogConfig(format="text"))
    LOG.info("one")
    said_first = said(capfd)
    logs.set_up(LogConfig(format="json", level="error"))
    LOG.info("two")
    LOG.error("three")
    assert len(root.handlers) == 1
    assert said_first == ["faceguard: one"]
    assert [json.loads(line)["message"] for line in said(capfd)] == ["three"]
    logs.put_back()
    logs.put_back()
    assert (list(root.handlers), root.level, sys.excepthook, threading.excepthook) == before


def test_ffmpeg_tells_no_address(capfd):
    av.logging.set_level(av.logging.DEBUG)
    logs.set_up(LogConfig(level="debug", format="text"))
    address = f"rtsp://viewer:{PASSWORD}@127.0.0.1:9/live"
    with pytest.raises(av.error.FFmpegError):
        av.open(address, timeout=5)
    assert said(capfd) == []
