"""What is logged, in which form, and that no log ever holds up or betrays the camera."""

from __future__ import annotations

import json
import logging
import os
import re
import select
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from faceguard.edge.config.service import LogConfig
from faceguard.edge.events import Event
from faceguard.edge.service import logs
from faceguard.edge.service.handlers import JournalHandler, StreamHandler
from faceguard.edge.service.lines import as_text
from faceguard.edge.service.scrub import SCRUBBER, Scrubber
from tests.edge.service.left import descriptors

LOG = logging.getLogger("faceguard.edge.test")
PASSWORD = "blue-horse-77"  # noqa: S105 - of no camera
URL = f"rtsp://viewer:{PASSWORD}@cam7.example.net/live"
FIELDS = {"fields": {"track": 3, "box": [1.5, 2.0, 3.0, 4.0], "where": URL}}


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    SCRUBBER.add_address(URL)
    threads, open_before = threading.active_count(), descriptors()
    yield
    logs.put_back()
    assert threading.active_count() == threads
    assert descriptors() == open_before


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


def fails() -> None:
    raise ConnectionError(f"cannot open {URL} with {PASSWORD}\nsecond line")


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


# Whoever reads the log.


def run(code: str, **options) -> subprocess.CompletedProcess[str]:
    head = (
        "import logging, os, sys\n"
        "from faceguard.edge.config.service import LogConfig\n"
        "from faceguard.edge.service import logs\n"
        "log = logging.getLogger('faceguard.x')\n"
    )
    return subprocess.run(
        [sys.executable, "-c", head + code], text=True, timeout=60, check=False, **options
    )


def test_a_reader_that_stopped_makes_nobody_wait():
    code = """
logs.set_up(LogConfig(format="text"))
for number in range(20_000):
    log.error("line %d", number)
print("not held up", logging.getLogger().handlers[0].lost > 0, flush=True)
"""
    read_end, write_end = os.pipe()
    try:
        done = run(code, stderr=write_end, stdout=subprocess.PIPE)
    finally:
        os.close(read_end)
        os.close(write_end)
    assert (done.returncode, done.stdout) == (0, "not held up True\n")


def test_a_reader_that_left_is_no_trouble():
    code = """
logs.set_up(LogConfig(format="text"))
for number in range(100):
    log.error("line %d", number)
logging.getLogger().handlers[0].flush()
print("goes on", flush=True)
"""
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        done = run(code, stderr=write_end, stdout=subprocess.PIPE)
    finally:
        os.close(write_end)
    assert (done.returncode, done.stdout) == (0, "goes on\n")


def test_a_closed_standard_error_is_never_a_recordings_place(tmp_path):
    code = """
os.close(2)
os.close(0)
logs.set_up(LogConfig(format="text"))
recording = open(sys.argv[1], "wb")
print(recording.fileno() > 2, flush=True)
log.error("where does this go?")
os.write(2, b"or this?")
logging.getLogger().handlers[0].flush()
"""
    place = tmp_path / "recording"
    done = run(f"import sys; sys.argv.append({str(place)!r})\n" + code, stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (0, "True\n")
    assert place.read_bytes() == b""


def test_what_was_lost_is_told_when_the_reader_comes_back():
    read_end, write_end = os.pipe()
    handler = StreamHandler(Scrubber(), as_text, traces=False, fd=write_end)
    logger = logging.Logger("faceguard.lossy")
    logger.addHandler(handler)
    for number in range(5000):
        logger.info("%s", f"{number} " + "x" * 200)
    lost = handler.lost
    assert lost > 0
    os.set_blocking(read_end, False)
    told = b""
    with os.fdopen(read_end, "rb", buffering=0) as reader:
        for last in ("the last", "the very last"):
            # All of it, or the queue may have no room yet for what comes next.
            while handler.waiting:
                select.select([reader], [], [], 0.05)
                told += reader.read(65536) or b""
            logger.info(last)
        handler.close()
        os.close(write_end)
        while rest := reader.read(65536):
            told += rest
    assert b"the last" in told
    # Told at once, whenever the writer gets on: so it may be in several parts.
    notes = re.findall(rb"warning: (\d+) log lines were lost", told)
    assert sum(map(int, notes)) == lost
    assert re.match(rb"(faceguard: warning: \d+ log lines were lost\n)?faceguard: 0 xxx", told)
    logger.info("after the end")
    assert handler.lost == lost + 1


# The journal.


@pytest.fixture
def journal(tmp_path) -> Iterator[socket.socket]:
    """A socket in the place of journald's."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.bind(str(tmp_path / "journal"))
    made.settimeout(10)
    yield made
    made.close()


def taken_apart(data: bytes) -> dict[str, str]:
    """Reads the journal's protocol as its documentation has it."""
    fields = {}
    while data:
        line, data = data.split(b"\n", 1)
        if b"=" in line:
            name, value = line.split(b"=", 1)
        else:
            name, size = line, int.from_bytes(data[:8], "little")
            value, data = data[8 : 8 + size], data[9 + size :]
        fields[name.decode()] = value.decode()
    return fields


@pytest.fixture
def journal_log(tmp_path, journal) -> Iterator[logging.Logger]:
    handler = JournalHandler(SCRUBBER, "front", traces=True, journal=tmp_path / "journal")
    logger = logging.Logger("faceguard.edge.test")
    logger.addHandler(handler)
    yield logger
    handler.close()


def test_the_journals_fields(journal, journal_log):
    fields = {"track": 3, "_PID": 1, "where": URL, "9 lives": True, "message": "x", "box": [1, 2]}
    journal_log.error("lost %s", URL, extra={"fields": fields})
    told = taken_apart(journal.recv(65536))
    assert told.pop("CODE_FILE") == __file__
    assert told.pop("CODE_LINE").isdigit()
    assert told == {
        "MESSAGE": "lost rtsp://***",
        "PRIORITY": "3",
        "SYSLOG_IDENTIFIER": "faceguard",
        "CAMERA": "front",
        "LOGGER": "faceguard.edge.test",
        "THREAD_NAME": "MainThread",
        "CODE_FUNC": "test_the_journals_fields",
        "TRACK": "3",
        "PID": "1",
        "WHERE": "rtsp://***",
        "LIVES": "true",
        "BOX": "[1, 2]",
    }


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (logging.DEBUG, "7"),
        (logging.INFO, "6"),
        (logging.WARNING, "4"),
        (logging.ERROR, "3"),
        (logging.CRITICAL, "2"),
    ],
)
def test_the_journals_priorities(journal, journal_log, level, priority):
    journal_log.log(level, "x")
    assert taken_apart(journal.recv(65536))["PRIORITY"] == priority


def test_several_lines_and_far_too_many(journal, journal_log):
    try:
        fails()
    except ConnectionError:
        journal_log.exception("failed")
    message = taken_apart(journal.recv(65536))["MESSAGE"]
    assert message.startswith("failed\nTraceback")
    assert PASSWORD not in message
    journal_log.handlers[0]._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    many = {"fields": {f"field {n}": "x" * 900 for n in range(40)}}
    journal_log.error("large", extra=many)
    assert taken_apart(journal.recv(65536))["MESSAGE"] == "large"


def test_a_journal_that_hangs_or_went_or_came_back(tmp_path, journal, journal_log):
    handler = journal_log.handlers[0]
    for _ in range(5000):
        journal_log.info("nobody reads")
    assert handler.lost > 0
    journal.close()
    lost = handler.lost
    journal_log.info("nobody is there")
    assert handler.lost == lost + 1
    (tmp_path / "journal").unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as again:
        again.bind(str(tmp_path / "journal"))
        again.settimeout(10)
        journal_log.info("back")
        assert taken_apart(again.recv(65536))["MESSAGE"] == "back"


def test_which_descriptor_is_the_journals(tmp_path):
    with (tmp_path / "x").open("wb") as file:
        found = os.fstat(file.fileno())
        assert logs.is_journal(file.fileno(), f"{found.st_dev}:{found.st_ino}")
        assert not logs.is_journal(file.fileno(), f"{found.st_dev}:{found.st_ino + 1}")
        assert not logs.is_journal(file.fileno(), "")
    assert not logs.is_journal(9999, "1:2")


DRILL = """
mount --make-rprivate / && mount -t tmpfs tmpfs /run && mkdir -p /run/systemd /run/log/journal
/lib/systemd/systemd-journald 2>/dev/null & journald=$!
for i in $(seq 100); do [ -S /run/systemd/journal/stdout ] && break; sleep 0.1; done
systemd-cat {python} -c '{stream}{code}'
{python} -c '{code}' 2>&1 | sed s/^/piped:/
kill $journald; wait $journald
journalctl -D /run/log/journal -o json --no-pager -q CAMERA=front
"""
# systemd sets JOURNAL_STREAM; systemd-cat does so only from version 254 on.
STREAM = """
import os
found = os.fstat(2)
os.environ["JOURNAL_STREAM"] = f"{found.st_dev}:{found.st_ino}"
"""
SAYS = """
import logging
from faceguard.edge.config.service import LogConfig
from faceguard.edge.service import logs
logs.set_up(LogConfig(), camera="front")
logging.getLogger("faceguard.x").warning("one\\ntwo", extra={"fields": {"track": 7}})
"""


def test_a_real_journald():
    """Started under it, lines have fields; piped, they are text."""
    tools = ("/lib/systemd/systemd-journald", "/usr/bin/journalctl", "/usr/bin/systemd-cat")
    if os.geteuid() != 0 or not all(Path(tool).exists() for tool in tools):
        pytest.skip("needs root and systemd's journald")
    script = DRILL.format(python=sys.executable, stream=STREAM, code=SAYS)
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "unshare" in done.stderr:
        pytest.skip("this machine does not let tests make a mount namespace")
    piped = [line for line in done.stdout.splitlines() if line.startswith("piped:")]
    entries = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert piped == ["piped:faceguard: warning: one\\ntwo"], done.stderr
    assert [(e["MESSAGE"], e["PRIORITY"], e["TRACK"]) for e in entries] == [
        ("one\\ntwo", "4", "7")
    ], done.stderr
    assert entries[0]["SYSLOG_IDENTIFIER"] == "faceguard"
    assert entries[0]["_TRANSPORT"] == "journal"
